//! The stored texts of members' and cards' events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Kept, kept, read};
use crate::{StoreError, Stored};
use juden_domain::card::{CardEvent, Role, Suspension};
use juden_domain::correction::Approval;
use juden_domain::ending::Disqualification;
use juden_domain::entry::{Entered, EntryKind};
use juden_domain::ids::{CardNumber, MemberId};
use juden_domain::member::{Admission, Contact, MemberEvent, MemberKind};
use juden_domain::payment::{CardBrand, PaymentKind, PaymentMethod};
use juden_domain::provision::Consent;
use juden_domain::units::{TaxRate, Yen};

#[derive(Serialize, Deserialize)]
struct AdmissionText {
    name: String,
    kind: String,
    email: String,
    plan: String,
    term: bool,
    payment: String,
    brand: Option<String>,
    vehicle_vin: Option<String>,
    #[serde(default)]
    art80_permit: bool,
}

#[derive(Serialize, Deserialize)]
struct MethodText {
    kind: String,
    brand: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
enum MemberText {
    Applied(AdmissionText),
    Admitted(AdmissionText),
    Rejected,
    PlanChangeRequested {
        plan: String,
        term: Option<bool>,
    },
    PlanChangeCancelled,
    Withdrawn,
    Disqualified {
        ground: u8,
        known_at: DateTime<Utc>,
        effective_at: DateTime<Utc>,
    },
    HoldSet,
    HoldLifted,
    PaymentMethodChanged(MethodText),
    PaymentFailed {
        invoice_id: String,
    },
    Paid {
        invoice_id: String,
    },
    VehicleChanged {
        vin: Option<String>,
    },
    ContactChanged {
        name: String,
        email: String,
    },
    AdditionalCardRequested,
    ConsentGiven {
        recipient: String,
        purpose: String,
    },
    ConsentWithdrawn {
        recipient: String,
        purpose: String,
    },
    Entered {
        entry: String,
        hundredths: i64,
        tax_rate: Option<String>,
        reason: String,
        by: String,
        approval: String,
    },
    EntrySettled {
        number: i64,
        approval: String,
        by: String,
        entered_at: DateTime<Utc>,
    },
    PaidInPart {
        invoice_id: String,
        hundredths: i64,
    },
    RefundAsked,
}

fn admission_text(admission: &Admission) -> AdmissionText {
    AdmissionText {
        name: admission.name.clone(),
        kind: admission.kind.name().to_owned(),
        email: admission.email.clone(),
        plan: admission.plan.clone(),
        term: admission.term,
        payment: admission.payment.kind.name().to_owned(),
        brand: admission.payment.brand.map(|brand| brand.name().to_owned()),
        vehicle_vin: admission.vehicle_vin.clone(),
        art80_permit: admission.art80_permit,
    }
}

fn read_admission(text: AdmissionText) -> Option<Admission> {
    Some(Admission {
        kind: MemberKind::parse(&text.kind)?,
        payment: read_method(&text.payment, text.brand.as_deref())?,
        name: text.name,
        email: text.email,
        plan: text.plan,
        term: text.term,
        vehicle_vin: text.vehicle_vin,
        art80_permit: text.art80_permit,
    })
}

/// A payment method by the names of its kind and card brand.
pub fn read_method(kind: &str, brand: Option<&str>) -> Option<PaymentMethod> {
    let brand = match brand {
        Some(brand) => Some(CardBrand::parse(brand)?),
        None => None,
    };
    Some(PaymentMethod { kind: PaymentKind::parse(kind)?, brand })
}

/// A member event's kind and detail.
pub fn member_event(event: &MemberEvent) -> Kept {
    let consent = |consent: &Consent| (consent.recipient.clone(), consent.purpose.clone());
    kept(&match event {
        MemberEvent::Applied(admission) => MemberText::Applied(admission_text(admission)),
        MemberEvent::Admitted(admission) => MemberText::Admitted(admission_text(admission)),
        MemberEvent::Rejected => MemberText::Rejected,
        MemberEvent::PlanChangeRequested { plan, term } => {
            MemberText::PlanChangeRequested { plan: plan.clone(), term: *term }
        }
        MemberEvent::PlanChangeCancelled => MemberText::PlanChangeCancelled,
        MemberEvent::Withdrawn => MemberText::Withdrawn,
        MemberEvent::Disqualified(it) => MemberText::Disqualified {
            ground: it.ground,
            known_at: it.known_at,
            effective_at: it.effective_at,
        },
        MemberEvent::HoldSet => MemberText::HoldSet,
        MemberEvent::HoldLifted => MemberText::HoldLifted,
        MemberEvent::PaymentMethodChanged(method) => MemberText::PaymentMethodChanged(MethodText {
            kind: method.kind.name().to_owned(),
            brand: method.brand.map(|brand| brand.name().to_owned()),
        }),
        MemberEvent::PaymentFailed { invoice_id } => {
            MemberText::PaymentFailed { invoice_id: invoice_id.clone() }
        }
        MemberEvent::Paid { invoice_id } => MemberText::Paid { invoice_id: invoice_id.clone() },
        MemberEvent::VehicleChanged(vin) => MemberText::VehicleChanged { vin: vin.clone() },
        MemberEvent::ContactChanged(contact) => {
            MemberText::ContactChanged { name: contact.name.clone(), email: contact.email.clone() }
        }
        MemberEvent::AdditionalCardRequested => MemberText::AdditionalCardRequested,
        MemberEvent::ConsentGiven(given) => {
            let (recipient, purpose) = consent(given);
            MemberText::ConsentGiven { recipient, purpose }
        }
        MemberEvent::ConsentWithdrawn(given) => {
            let (recipient, purpose) = consent(given);
            MemberText::ConsentWithdrawn { recipient, purpose }
        }
        MemberEvent::Entered(entered) => MemberText::Entered {
            entry: entered.kind.name().to_owned(),
            hundredths: entered.amount.hundredths(),
            tax_rate: entered.tax_rate.map(|rate| rate.to_string()),
            reason: entered.reason.clone(),
            by: entered.by.clone(),
            approval: entered.approval.name().to_owned(),
        },
        MemberEvent::EntrySettled { number, approval, by, entered_at } => {
            MemberText::EntrySettled {
                number: *number,
                approval: approval.name().to_owned(),
                by: by.clone(),
                entered_at: *entered_at,
            }
        }
        MemberEvent::PaidInPart { invoice_id, amount } => MemberText::PaidInPart {
            invoice_id: invoice_id.clone(),
            hundredths: amount.hundredths(),
        },
        MemberEvent::RefundAsked => MemberText::RefundAsked,
    })
}

/// Reads what [`member_event`] wrote.
pub fn read_member_event(kind: &str, detail: &str) -> Stored<MemberEvent> {
    let unreadable = || StoreError::Unreadable("member event");
    Ok(match read(kind, detail, "member event")? {
        MemberText::Applied(text) => {
            MemberEvent::Applied(read_admission(text).ok_or_else(unreadable)?)
        }
        MemberText::Admitted(text) => {
            MemberEvent::Admitted(read_admission(text).ok_or_else(unreadable)?)
        }
        MemberText::Rejected => MemberEvent::Rejected,
        MemberText::PlanChangeRequested { plan, term } => {
            MemberEvent::PlanChangeRequested { plan, term }
        }
        MemberText::PlanChangeCancelled => MemberEvent::PlanChangeCancelled,
        MemberText::Withdrawn => MemberEvent::Withdrawn,
        MemberText::Disqualified { ground, known_at, effective_at } => {
            MemberEvent::Disqualified(Disqualification { ground, known_at, effective_at })
        }
        MemberText::HoldSet => MemberEvent::HoldSet,
        MemberText::HoldLifted => MemberEvent::HoldLifted,
        MemberText::PaymentMethodChanged(method) => MemberEvent::PaymentMethodChanged(
            read_method(&method.kind, method.brand.as_deref()).ok_or_else(unreadable)?,
        ),
        MemberText::PaymentFailed { invoice_id } => MemberEvent::PaymentFailed { invoice_id },
        MemberText::Paid { invoice_id } => MemberEvent::Paid { invoice_id },
        MemberText::VehicleChanged { vin } => MemberEvent::VehicleChanged(vin),
        MemberText::ContactChanged { name, email } => {
            MemberEvent::ContactChanged(Contact { name, email })
        }
        MemberText::AdditionalCardRequested => MemberEvent::AdditionalCardRequested,
        MemberText::ConsentGiven { recipient, purpose } => {
            MemberEvent::ConsentGiven(Consent { recipient, purpose })
        }
        MemberText::ConsentWithdrawn { recipient, purpose } => {
            MemberEvent::ConsentWithdrawn(Consent { recipient, purpose })
        }
        MemberText::Entered { entry, hundredths, tax_rate, reason, by, approval } => {
            MemberEvent::Entered(Entered {
                kind: EntryKind::parse(&entry).ok_or_else(unreadable)?,
                amount: Yen::from_hundredths(hundredths),
                tax_rate: tax_rate
                    .map(|rate| TaxRate::parse(&rate).ok_or_else(unreadable))
                    .transpose()?,
                reason,
                by,
                approval: Approval::parse(&approval).ok_or_else(unreadable)?,
            })
        }
        MemberText::EntrySettled { number, approval, by, entered_at } => {
            MemberEvent::EntrySettled {
                number,
                approval: Approval::parse(&approval).ok_or_else(unreadable)?,
                by,
                entered_at,
            }
        }
        MemberText::PaidInPart { invoice_id, hundredths } => {
            MemberEvent::PaidInPart { invoice_id, amount: Yen::from_hundredths(hundredths) }
        }
        MemberText::RefundAsked => MemberEvent::RefundAsked,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
enum CardText {
    Mailed { member_id: String },
    Activated { member_id: String, role: String, replaces: Option<String> },
    ReissueRequested,
    Replaced { by: String },
    Surrendered { destroyed: bool },
    Suspended { reason: String },
    Resumed { reason: String },
    Deactivated,
}

/// A card event's kind and detail.
pub fn card_event(event: &CardEvent) -> Kept {
    kept(&match event {
        CardEvent::Mailed { member } => CardText::Mailed { member_id: member.to_string() },
        CardEvent::Activated { member, role, replaces } => CardText::Activated {
            member_id: member.to_string(),
            role: role.name().to_owned(),
            replaces: replaces.as_ref().map(ToString::to_string),
        },
        CardEvent::ReissueRequested => CardText::ReissueRequested,
        CardEvent::Replaced { by } => CardText::Replaced { by: by.to_string() },
        CardEvent::Surrendered { destroyed } => CardText::Surrendered { destroyed: *destroyed },
        CardEvent::Suspended(reason) => CardText::Suspended { reason: reason.name().to_owned() },
        CardEvent::Resumed(reason) => CardText::Resumed { reason: reason.name().to_owned() },
        CardEvent::Deactivated => CardText::Deactivated,
    })
}

/// Reads what [`card_event`] wrote.
pub fn read_card_event(kind: &str, detail: &str) -> Stored<CardEvent> {
    let unreadable = || StoreError::Unreadable("card event");
    let member = |text: &str| MemberId::parse(text).map_err(|_| unreadable());
    let card = |text: &str| CardNumber::parse(text).map_err(|_| unreadable());
    let reason = |text: &str| Suspension::parse(text).ok_or_else(unreadable);
    Ok(match read(kind, detail, "card event")? {
        CardText::Mailed { member_id } => CardEvent::Mailed { member: member(&member_id)? },
        CardText::Activated { member_id, role, replaces } => CardEvent::Activated {
            member: member(&member_id)?,
            role: Role::parse(&role).ok_or_else(unreadable)?,
            replaces: replaces.as_deref().map(card).transpose()?,
        },
        CardText::ReissueRequested => CardEvent::ReissueRequested,
        CardText::Replaced { by } => CardEvent::Replaced { by: card(&by)? },
        CardText::Surrendered { destroyed } => CardEvent::Surrendered { destroyed },
        CardText::Suspended { reason: text } => CardEvent::Suspended(reason(&text)?),
        CardText::Resumed { reason: text } => CardEvent::Resumed(reason(&text)?),
        CardText::Deactivated => CardEvent::Deactivated,
    })
}
