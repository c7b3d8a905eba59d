//! Plan changes and term contracts (articles 7 and 8).

use chrono::{DateTime, Utc};

use super::{App, AppError, Done};
use crate::domain::ids::MemberId;
use crate::domain::member::Member;
use crate::domain::month::BillingMonth;
use crate::domain::plan::{NoCancel, NoChange, cancel_change, request_change};

impl App {
    /// Asks for a plan from the first of next month on.
    pub async fn request_plan(&self, id: &MemberId, plan: &str, term: Option<bool>, received_at: Option<DateTime<Utc>>) -> Done<Member> {
        self.change_member(id, received_at, |member, sight| {
            request_change(member, plan, term, sight.at, sight.programme).map_err(|refused| match refused {
                NoChange::Refused(reason) => reason.into(),
                NoChange::NoPrice(missing) => self.no_plan(missing, BillingMonth::of(sight.at).next()),
                NoChange::NotPremium => AppError::invalid("term_contract", "left out or false for a plan that is not premium"),
            })
        })
        .await
    }

    /// Cancels the change asked for this month.
    pub async fn cancel_plan(&self, id: &MemberId, received_at: Option<DateTime<Utc>>) -> Done<Member> {
        self.change_member(id, received_at, |member, sight| match cancel_change(member, sight.at, sight.programme) {
            Ok(event) => Ok(Some(event)),
            Err(NoCancel::Refused(reason)) => Err(reason.into()),
            Err(NoCancel::NothingPending) => Err(AppError::rule("nothing_pending", "7", "no plan change was asked for this month")),
        })
        .await
    }
}
