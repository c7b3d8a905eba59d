//! Sums entered by hand (rule B11, articles 13.3 and 16), and credit that is to be paid out (rule B3b).

use crate::error::{AppError, Done};
use crate::members::Members;
use crate::sessions::corrections::{Author, check_reason, check_settleable};
use juden_domain::correction::Approval;
use juden_domain::entry::{Entered, Entry, EntryKind};
use juden_domain::ids::MemberId;
use juden_domain::member::{Member, MemberEvent};
use juden_domain::units::{TaxRate, Yen};

/// The largest sum that is entered.
const AMOUNT_MAX: Yen = Yen::whole(100_000_000);

/// Between a member's number and an entry's in an entry's name.
const MARK: &str = "-E";

/// The name of an entry: its member's, and its place among that one's.
pub fn entry_id(member: &MemberId, number: i64) -> String {
    format!("{member}{MARK}{number}")
}

impl Members {
    /// Enters a sum, which stands on the bill of this month: `amount` without a sign, which its kind gives, but where
    /// another sum is given back.
    pub async fn enter(
        &self,
        id: &MemberId,
        kind: EntryKind,
        amount: Yen,
        tax_rate: Option<TaxRate>,
        author: Author<'_>,
    ) -> Done<(Member, Entry)> {
        check_reason(author.reason)?;
        let size = amount.max(-amount);
        if size == Yen::ZERO || size > AMOUNT_MAX || size.floor_to_whole() != size {
            return Err(AppError::invalid(
                "amount_yen",
                "whole yen other than 0, at most 100000000",
            ));
        }
        let amount = match kind {
            EntryKind::Goodwill => -size,
            EntryKind::Damages => size,
            EntryKind::Other => amount,
        };
        let approval = Approval::of(size, self.rules.confirm_over);
        let event = MemberEvent::Entered(Entered {
            kind,
            amount,
            tax_rate,
            reason: author.reason.to_owned(),
            by: author.by.to_owned(),
            approval,
        });
        let member = self
            .changes
            .change_member(id, None, |member, sight| {
                let not_admitted = || {
                    AppError::conflict(
                        "not_admitted",
                        "the member has no bills: it was never admitted",
                    )
                };
                member.admitted_at.filter(|at| *at <= sight.at).ok_or_else(not_admitted)?;
                Ok(Some(event.clone()))
            })
            .await?;
        let entry = member.entries().pop().ok_or(AppError::Busy("the entry is being made"))?;
        Ok((member, entry))
    }

    /// Has a second person confirm an entry that waits, or anybody refuse it.
    pub async fn settle_entry(
        &self,
        id: &str,
        by: &str,
        approval: Approval,
    ) -> Done<(Member, Entry)> {
        let unknown = || AppError::not_found("entry", id);
        let (member, number) = id.rsplit_once(MARK).ok_or_else(unknown)?;
        let (member, number) = (
            MemberId::parse(member).map_err(|_| unknown())?,
            number.parse::<i64>().map_err(|_| unknown())?,
        );
        let found =
            |member: &Member| member.entries().into_iter().find(|entry| entry.number == number);
        let member = self
            .changes
            .change_member(&member, None, |member, _| {
                let entry = found(member).ok_or_else(unknown)?;
                check_settleable(entry.approval, &entry.entered.by, by, approval)?;
                Ok(Some(MemberEvent::EntrySettled {
                    number,
                    approval,
                    by: by.to_owned(),
                    entered_at: entry.at,
                }))
            })
            .await
            .map_err(
                |cause| if matches!(cause, AppError::NotFound { .. }) { unknown() } else { cause },
            )?;
        let entry = found(&member).ok_or_else(unknown)?;
        Ok((member, entry))
    }

    /// Has what credits left over be paid out with the next close.
    pub async fn ask_refund(&self, id: &MemberId) -> Done<Member> {
        let carried = self.account(id).await?.carried_credit;
        if carried <= Yen::ZERO {
            return Err(AppError::conflict(
                "no_credit",
                "no credit is carried for the member: there is nothing to pay out",
            ));
        }
        self.changes.change_member(id, None, |_, _| Ok(Some(MemberEvent::RefundAsked))).await
    }
}
