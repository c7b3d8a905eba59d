//! Holds, withdrawal, disqualification (articles 13 and 14).

use chrono::{DateTime, Utc};

use crate::error::{AppError, Done};
use crate::members::Members;
use juden_domain::ending::{Disqualification, GROUNDS, NoEnd, disqualify, hold, withdraw};
use juden_domain::ids::MemberId;
use juden_domain::member::{Member, MemberState};
use juden_domain::refusal::Reason;

impl Members {
    /// Holds all of a member's cards, or lifts that (article 14.2).
    pub async fn set_hold(&self, id: &MemberId, held: bool) -> Done<Member> {
        self.changes
            .change_member(id, None, |member, sight| {
                Ok(hold(member, held, sight.at, sight.programme)?)
            })
            .await
    }

    /// Withdraws, complete at once (article 13.5).
    pub async fn withdraw(&self, id: &MemberId) -> Done<Member> {
        self.changes
            .change_member(id, None, |member, sight| {
                match withdraw(member, sight.at, sight.programme) {
                    Ok(event) => Ok(Some(event)),
                    Err(Reason::TooEarly) => Err(match member.may_withdraw_from() {
                        Some(not_before) => {
                            AppError::RefusedUntil { reason: Reason::TooEarly, not_before }
                        }
                        None => Reason::TooEarly.into(),
                    }),
                    Err(reason) => Err(reason.into()),
                }
            })
            .await
    }

    /// Records a ground to end the membership and sets its end; both are now where they are left out
    /// (article 13.1).
    pub async fn disqualify(
        &self,
        id: &MemberId,
        ground: u8,
        known_at: Option<DateTime<Utc>>,
        effective_at: Option<DateTime<Utc>>,
    ) -> Done<Member> {
        if !GROUNDS.contains(&ground) {
            return Err(AppError::invalid(
                "ground",
                format!("the number of a ground, {} to {}", GROUNDS.start(), GROUNDS.end()),
            ));
        }
        let member = self.changes.change_member(id, None, |member, sight| {
            let known_at = known_at.unwrap_or(sight.at);
            let it = Disqualification {
                ground,
                known_at,
                effective_at: effective_at.unwrap_or(known_at.max(sight.at)),
            };
            match disqualify(member, it, sight.at, sight.programme) {
                Ok(event) => Ok(Some(event)),
                Err(NoEnd::Refused(reason)) => Err(reason.into()),
                Err(NoEnd::KnownAt) => {
                    Err(AppError::invalid("known_at", "an instant between the admission and now"))
                }
                Err(NoEnd::EffectiveAt) => Err(AppError::invalid(
                    "effective_at",
                    "no earlier than known_at, and at most a year ahead",
                )),
            }
        });
        let member = member.await?;
        let ended = member.state_at(self.clock.now(), &self.programme.current())
            == MemberState::Disqualified;
        // It is durable: a fault of something else that is due is not this request's.
        if ended && let Err(cause) = self.closing.run_due().await {
            tracing::warn!(%cause, "the final invoice could not be cut yet; it will be tried again");
        }
        Ok(member)
    }
}
