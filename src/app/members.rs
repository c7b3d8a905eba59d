//! Admitting members.

use super::{App, AppError, Done};
use crate::domain::email;
use crate::domain::ids::MemberId;
use crate::domain::member::{Admission, CardBrand, Member, MemberKind, PaymentKind};
use crate::domain::month::BillingMonth;
use crate::domain::refusal::Reason;
use crate::store::Page;

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
    pub payment: PaymentKind,
    /// The credit card's brand.
    pub brand: Option<CardBrand>,
    /// The registered electric car.
    pub vehicle_vin: Option<String>,
}

impl App {
    /// Admits an applicant under the tariff in force (articles 2.1, 6.1, 8.1).
    pub async fn admit(&self, application: Application) -> Done<Member> {
        check(&application)?;
        let now = self.now();
        let (tariff, _, plan) = self.tariffs.plan(&application.plan, BillingMonth::of(now)).map_err(|missing| match missing {
            missing @ crate::domain::tariff::NoPrice::NoTariff { .. } => AppError::from(missing),
            crate::domain::tariff::NoPrice::NoPlan { .. } => AppError::invalid("plan", format!("one of: {}", self.plan_names().join(", "))),
        })?;
        if application.term_contract && !plan.is_premium() {
            return Err(AppError::invalid("term_contract", "false for a plan that is not premium"));
        }
        if application.term_contract && !tariff.accepts_term {
            return Err(Reason::TermClosed.into());
        }
        let admission = Admission {
            name: application.name,
            kind: application.kind,
            email: application.email,
            plan: application.plan,
            term_auto_renew: application.term_contract.then_some(tariff.auto_renew),
            payment: application.payment,
            brand: application.brand,
            vehicle_vin: application.vehicle_vin,
        };
        let id = self.store.admit(&admission, now).await?;
        self.member(&id).await
    }

    fn plan_names(&self) -> Vec<String> {
        let tariff = self.tariffs.in_force(BillingMonth::of(self.now()));
        tariff.map(|tariff| tariff.plans.keys().cloned().collect()).unwrap_or_default()
    }

    /// A member.
    pub async fn member(&self, id: &MemberId) -> Done<Member> {
        self.store.member(id).await?.ok_or_else(|| AppError::not_found("member", id))
    }

    /// Members, a page at a time.
    pub async fn list_members(&self, page: &Page) -> Done<Vec<Member>> {
        Ok(self.store.members(page).await?)
    }
}

fn check(application: &Application) -> Done<()> {
    let name = application.name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(AppError::invalid("name", format!("1 to {NAME_MAX} printable characters")));
    }
    if !email::is_strict(&application.email) {
        let allowed = "an address of letters, digits, '.', '-', '_' and one '@', no symbol first, beside the '@' or doubled";
        return Err(AppError::invalid("email", allowed));
    }
    if application.brand.is_some() && application.payment != PaymentKind::CreditCard {
        return Err(AppError::invalid("payment_method.brand", "left out where no credit card pays"));
    }
    if application
        .vehicle_vin
        .as_ref()
        .is_some_and(|vin| vin.is_empty() || vin.chars().count() > VIN_MAX || vin.chars().any(char::is_control))
    {
        return Err(AppError::invalid("vehicle.vin", format!("1 to {VIN_MAX} printable characters")));
    }
    Ok(())
}
