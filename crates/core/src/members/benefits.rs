//! Benefit look-ups of their providers (article 5).

use chrono::{DateTime, Utc};

use crate::error::{AppError, Done};
use crate::members::Members;
use juden_domain::benefits::{BenefitAnswer, Query, Service, by_card, by_member, nobody};
use juden_domain::ids::{CardNumber, MemberId};
use juden_domain::month::BillingMonth;
use juden_domain::units::TaxRate;

/// By what a provider asks.
#[derive(Debug, Clone)]
pub enum BenefitClaim {
    /// The number of a card.
    Card(CardNumber),
    /// The number of a member.
    Member(MemberId),
}

impl Members {
    /// The share of the basic rental fee that members are let off, by the tariff in force at an instant or now.
    pub fn rental_rate(&self, at: Option<DateTime<Utc>>) -> Option<TaxRate> {
        let month = BillingMonth::of(at.unwrap_or_else(|| self.clock.now()));
        self.programme.current().tariffs.in_force(month).ok().map(|tariff| tariff.rental_rate)
    }

    /// Looks a benefit up, at an instant or now. Nothing of the member is told but the answer.
    pub async fn benefit(
        &self,
        shown: &BenefitClaim,
        service: Service,
        at: Option<DateTime<Utc>>,
        vin: Option<&str>,
    ) -> Done<BenefitAnswer> {
        let now = self.clock.now();
        if at.is_some_and(|at| at > now) {
            return Err(AppError::invalid("at", "now or an instant in the past"));
        }
        let programme = self.programme.current();
        let query = Query { service, at: at.unwrap_or(now), vin };
        match shown {
            BenefitClaim::Card(number) => {
                let kept = self.store.card(number).await?;
                let card = kept.as_ref().map(|kept| (&kept.file.card, kept.file.member.as_ref()));
                Ok(by_card(card, &query, &programme))
            }
            BenefitClaim::Member(id) => {
                let member = self.store.member(id).await?;
                Ok(member.map_or_else(
                    || nobody(service),
                    |member| by_member(&member, &query, &programme),
                ))
            }
        }
    }
}
