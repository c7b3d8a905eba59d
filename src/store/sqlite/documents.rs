//! Events and bills as the JSON texts that the store keeps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::bill::{Bill, Line, LineCode};
use crate::domain::card::{CardEvent, Dated, Role, Suspension};
use crate::domain::ids::{MemberId, SessionId};
use crate::domain::member::{Admission, CardBrand, MemberEvent, MemberKind, PaymentKind};
use crate::domain::month::BillingMonth;
use crate::domain::units::{TaxRate, Yen};
use crate::store::{StoreError, Stored};

#[derive(Serialize, Deserialize)]
struct AdmissionText {
    name: String,
    kind: String,
    email: String,
    plan: String,
    term_auto_renew: Option<bool>,
    payment: String,
    brand: Option<String>,
    vehicle_vin: Option<String>,
}

/// The kind under which an admission is kept.
pub const ADMITTED: &str = "admitted";

pub fn admission(admission: &Admission) -> String {
    text(&AdmissionText {
        name: admission.name.clone(),
        kind: admission.kind.name().to_owned(),
        email: admission.email.clone(),
        plan: admission.plan.clone(),
        term_auto_renew: admission.term_auto_renew,
        payment: admission.payment.name().to_owned(),
        brand: admission.brand.map(|brand| brand.name().to_owned()),
        vehicle_vin: admission.vehicle_vin.clone(),
    })
}

pub fn read_member_event(kind: &str, detail: &str, seq: i64, at: DateTime<Utc>) -> Stored<Dated<MemberEvent>> {
    let unreadable = || StoreError::Unreadable("member event");
    if kind != ADMITTED {
        return Err(unreadable());
    }
    let read: AdmissionText = serde_json::from_str(detail).map_err(|_| unreadable())?;
    let event = MemberEvent::Admitted(Admission {
        name: read.name,
        kind: MemberKind::parse(&read.kind).ok_or_else(unreadable)?,
        email: read.email,
        plan: read.plan,
        term_auto_renew: read.term_auto_renew,
        payment: PaymentKind::parse(&read.payment).ok_or_else(unreadable)?,
        brand: read.brand.and_then(|brand| CardBrand::parse(&brand)),
        vehicle_vin: read.vehicle_vin,
    });
    Ok(Dated { seq, at, event })
}

/// A card event's kind and detail.
pub fn card_event(event: &CardEvent) -> (&'static str, String) {
    match event {
        CardEvent::Activated { role, .. } => ("activated", role.name().to_owned()),
        CardEvent::Suspended(reason) => ("suspended", reason.name().to_owned()),
        CardEvent::Resumed(reason) => ("resumed", reason.name().to_owned()),
        CardEvent::Deactivated => ("deactivated", String::new()),
    }
}

/// Reads a card event; `member` is the member column of its row.
pub fn read_card_event(kind: &str, detail: &str, member: Option<String>, seq: i64, at: DateTime<Utc>) -> Stored<Dated<CardEvent>> {
    let unreadable = || StoreError::Unreadable("card event");
    let suspension = || Suspension::parse(detail).ok_or_else(unreadable);
    let event = match kind {
        "activated" => CardEvent::Activated {
            member: MemberId::parse(&member.unwrap_or_default()).map_err(|_| unreadable())?,
            role: Role::parse(detail).ok_or_else(unreadable)?,
        },
        "suspended" => CardEvent::Suspended(suspension()?),
        "resumed" => CardEvent::Resumed(suspension()?),
        "deactivated" => CardEvent::Deactivated,
        _ => return Err(unreadable()),
    };
    Ok(Dated { seq, at, event })
}

#[derive(Serialize, Deserialize)]
struct BillText {
    lines: Vec<LineText>,
}

#[derive(Serialize, Deserialize)]
struct LineText {
    code: String,
    usage_month: String,
    quantity: i64,
    unit: String,
    unit_price_hundredths: i64,
    amount_hundredths: i64,
    tax_rate: String,
    tariff_version: String,
    sessions: Vec<i64>,
}

pub fn bill(bill: &Bill) -> String {
    let lines = bill.lines.iter().map(|line| LineText {
        code: line.code.name().to_owned(),
        usage_month: line.usage_month.to_string(),
        quantity: line.quantity,
        unit: line.unit.clone(),
        unit_price_hundredths: line.unit_price.hundredths(),
        amount_hundredths: line.amount.hundredths(),
        tax_rate: line.tax_rate.to_string(),
        tariff_version: line.tariff_version.clone(),
        sessions: line.sessions.iter().map(|id| id.0).collect(),
    });
    text(&BillText { lines: lines.collect() })
}

pub fn read_bill(detail: &str, member: &str, month: BillingMonth) -> Stored<Bill> {
    let unreadable = || StoreError::Unreadable("bill");
    let read: BillText = serde_json::from_str(detail).map_err(|_| unreadable())?;
    let line = |line: LineText| {
        Some(Line {
            code: LineCode::parse(&line.code)?,
            usage_month: BillingMonth::parse(&line.usage_month)?,
            quantity: line.quantity,
            unit: line.unit,
            unit_price: Yen::from_hundredths(line.unit_price_hundredths),
            amount: Yen::from_hundredths(line.amount_hundredths),
            tax_rate: TaxRate::parse(&line.tax_rate)?,
            tariff_version: line.tariff_version,
            sessions: line.sessions.into_iter().map(SessionId).collect(),
        })
    };
    let lines: Option<Vec<Line>> = read.lines.into_iter().map(line).collect();
    Ok(Bill { member: MemberId::parse(member).map_err(|_| unreadable())?, month, lines: lines.ok_or_else(unreadable)? })
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("these documents have string keys only")
}
