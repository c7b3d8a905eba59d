//! Plan changes and term contracts (articles 7 and 8).

use chrono::{DateTime, Utc};

use crate::error::{AppError, Done};
use crate::members::Members;
use juden_domain::ids::MemberId;
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::plan::{NoChange, cancel_change, request_change};
use juden_domain::tariff::NoPrice;

impl Members {
    /// Asks for a plan from the first of next month on.
    pub async fn request_plan(
        &self,
        id: &MemberId,
        plan: &str,
        term: Option<bool>,
        received_at: Option<DateTime<Utc>>,
    ) -> Done<Member> {
        self.changes
            .change_member(id, received_at, |member, sight| {
                let from = BillingMonth::of(sight.at).next();
                request_change(member, plan, term, sight.at, sight.programme)
                    .map_err(|refused| self.no_change(refused, from))
            })
            .await
    }

    /// Why a plan cannot be had from a month on: one that its tariff does not have is the caller's mistake.
    pub(crate) fn no_change(&self, refused: NoChange, from: BillingMonth) -> AppError {
        match refused {
            NoChange::Refused(reason) => reason.into(),
            NoChange::NotPremium => AppError::invalid(
                "term_contract",
                "left out or false for a plan that is not premium",
            ),
            NoChange::NoPrice(missing @ NoPrice::NoTariff { .. }) => missing.into(),
            NoChange::NoPrice(NoPrice::NoPlan { .. }) => {
                let programme = self.programme.current();
                let plans = programme
                    .tariffs
                    .in_force(from)
                    .map(|tariff| tariff.plans.keys().cloned().collect::<Vec<_>>());
                AppError::invalid(
                    "plan",
                    format!("one of: {}", plans.unwrap_or_default().join(", ")),
                )
            }
        }
    }

    /// Cancels the change asked for this month.
    pub async fn cancel_plan(
        &self,
        id: &MemberId,
        received_at: Option<DateTime<Utc>>,
    ) -> Done<Member> {
        self.changes
            .change_member(id, received_at, |member, sight| {
                Ok(Some(cancel_change(member, sight.at, sight.programme)?))
            })
            .await
    }
}
