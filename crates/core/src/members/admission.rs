//! Applications and admissions (articles 2.1, 6.1), and members as they are.

use crate::found;
use chrono::{DateTime, Utc};

use crate::error::{AppError, Done};
use crate::members::Members;
use crate::requests::once;
use juden_domain::email::EmailRule;
use juden_domain::ids::MemberId;
use juden_domain::member::{Admission, Member, MemberEvent, MemberKind};
use juden_domain::month::BillingMonth;
use juden_domain::payment::{PaymentKind, PaymentMethod};
use juden_domain::plan::check_offer;
use juden_store::{KeptEvent, Page};

/// A member's name has this many characters at most.
pub const NAME_MAX: usize = 200;

/// A vehicle identification number has this many characters at most.
pub const VIN_MAX: usize = 32;

/// What an applicant gives.
#[derive(Debug, Clone)]
pub struct Application {
    /// Name, as bills print it.
    pub name: String,
    /// Corporation or sole proprietor.
    pub kind: MemberKind,
    /// Contact address.
    pub email: String,
    /// The plan's name in the tariff in force.
    pub plan: String,
    /// Whether a term contract is applied for.
    pub term_contract: bool,
    /// How the fees are paid.
    pub payment: PaymentMethod,
    /// The registered electric car.
    pub vehicle_vin: Option<String>,
    /// Whether the member holds a car-rental permit.
    pub art80_permit: bool,
    /// Whether the operator is yet to decide about it.
    pub await_decision: bool,
}

impl Members {
    /// Takes an application, and admits the applicant under the tariff in force unless the decision is to
    /// wait (articles 2.1, 6.1, 8.1).
    pub async fn apply(&self, application: Application) -> Done<Member> {
        if let Some(id) = once::done() {
            return self.member(&MemberId::parse(&id)?).await;
        }
        check(&application, self.rules.email_rule)?;
        let now = self.clock.now();
        let admission = Admission {
            name: application.name,
            kind: application.kind,
            email: application.email,
            plan: application.plan,
            term: application.term_contract,
            payment: application.payment,
            vehicle_vin: application.vehicle_vin,
            art80_permit: application.art80_permit,
        };
        self.check_offer(&admission, now)?;
        let event = if application.await_decision {
            MemberEvent::Applied(admission)
        } else {
            MemberEvent::Admitted(admission)
        };
        let id = self.store.add_member(&event, now, once::to_keep().as_ref()).await?;
        self.member(&id).await
    }

    /// Whether what an applicant chose is on offer.
    fn check_offer(&self, admission: &Admission, now: DateTime<Utc>) -> Done<()> {
        check_offer(&admission.plan, admission.term, now, &self.programme.current())
            .map_err(|refused| self.no_change(refused, BillingMonth::of(now)))
    }

    /// Admits an applicant whose decision waited.
    pub async fn admit(&self, id: &MemberId) -> Done<Member> {
        self.changes
            .change_member(id, None, |member, sight| {
                member.check_applied(sight.at, sight.programme)?;
                self.check_offer(&member.admission, sight.at)?;
                Ok(Some(MemberEvent::Admitted(member.admission.clone())))
            })
            .await
    }

    /// Rejects an applicant whose decision waited: no fee arises.
    pub async fn reject(&self, id: &MemberId) -> Done<Member> {
        self.changes
            .change_member(id, None, |member, sight| {
                member.check_applied(sight.at, sight.programme)?;
                Ok(Some(MemberEvent::Rejected))
            })
            .await
    }

    /// A member.
    pub async fn member(&self, id: &MemberId) -> Done<Member> {
        found::member(self.store.as_ref(), id).await
    }

    /// Members, a page at a time.
    pub async fn list_members(&self, page: &Page) -> Done<Vec<Member>> {
        Ok(self.store.members(page).await?)
    }

    /// Everything that happened to a member and its cards.
    pub async fn history(&self, id: &MemberId) -> Done<Vec<KeptEvent>> {
        self.member(id).await?;
        Ok(self.store.history(id).await?)
    }
}

/// Checks a name as bills print it.
pub(crate) fn check_name(name: &str) -> Done<()> {
    // Characters that print nothing, or turn what is printed around.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    if name.trim().is_empty() || name.chars().count() > NAME_MAX || name.chars().any(hidden) {
        return Err(AppError::invalid("name", format!("1 to {NAME_MAX} printable characters")));
    }
    Ok(())
}

/// Checks a contact address (rule M1).
pub(crate) fn check_email(text: &str, rule: EmailRule) -> Done<()> {
    if rule.takes(text) { Ok(()) } else { Err(AppError::invalid("email", rule.allowed())) }
}

/// Checks a payment method.
pub(crate) fn check_payment(payment: PaymentMethod) -> Done<()> {
    if payment.brand.is_some() && payment.kind != PaymentKind::CreditCard {
        return Err(AppError::invalid(
            "payment_method.brand",
            "left out where no credit card pays",
        ));
    }
    Ok(())
}

/// Checks a vehicle identification number.
pub(crate) fn check_vin(vin: &str) -> Done<()> {
    if vin.trim().is_empty() || vin.chars().count() > VIN_MAX || vin.chars().any(char::is_control) {
        return Err(AppError::invalid(
            "vehicle.vin",
            format!("1 to {VIN_MAX} printable characters"),
        ));
    }
    Ok(())
}

fn check(application: &Application, email_rule: EmailRule) -> Done<()> {
    check_name(&application.name)?;
    check_email(&application.email, email_rule)?;
    check_payment(application.payment)?;
    application.vehicle_vin.as_deref().map_or(Ok(()), check_vin)
}
