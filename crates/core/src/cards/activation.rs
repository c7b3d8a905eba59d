//! Binding cards to members by number and code (articles 3.1, 3.8, 9). Wrong codes are counted and lock
//! activation for a time (rule R3.1d).

use crate::found;
use chrono::{DateTime, TimeDelta, Utc};

use crate::cards::Cards;
use crate::error::{AppError, Done};
use crate::passwords::SlowQueue;
use juden_domain::activation::{
    CODE_FAILURES_PER_CARD, CODE_FAILURES_PER_MEMBER, CODE_WINDOW_HOURS, activate, locked_until,
    replace,
};
use juden_domain::authorization::CardFile;
use juden_domain::card::Role;
use juden_domain::ids::{CardNumber, MemberId};
use juden_domain::refusal::Reason;
use juden_store::{Append, Turn};

/// The turns of whoever tries a code of a card, or for a member, among all nodes: no code is tried before the last failure
/// of either was counted, and nobody waits for strangers.
const ACTIVATING: &str = "activating";

/// What a code that was tried is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// The card's.
    Right,
    /// Another.
    Wrong,
    /// Of a card that is somebody's: no code activates it.
    OfBoundCard,
}

impl Cards {
    /// Activates a card for a member (rule R3.1b).
    pub async fn activate_card(
        &self,
        member: &MemberId,
        number: &CardNumber,
        code: &str,
        role: Role,
    ) -> Done<CardFile> {
        let _alone = (
            self.activating_cards.of(number.as_str()).await,
            self.activating.of(member.as_str()).await,
        );
        let _turns = self.activation_turns(member, number).await?;
        let tried = self.try_code(member, number, code).await?;
        let numbers = [number];
        let done =
            self.changes.change_cards(&numbers, Some(member), None, |files, member, sight| {
                let (Some(file), Some(member)) = (files.first(), member) else {
                    return Ok(Vec::new());
                };
                let event = activate(
                    member,
                    &file.card,
                    role,
                    tried == Tried::Right,
                    sight.at,
                    sight.programme,
                )?;
                Ok(vec![Append::Card(number.clone(), event)])
            });
        self.count_wrong_code(done.await.map(|(at, _)| at), member, number, tried).await?;
        self.card(number).await
    }

    /// Registers a new card in the place of a member's old one (rules R3.8a and b).
    pub async fn replace_card(
        &self,
        member: &MemberId,
        old: &CardNumber,
        new: &CardNumber,
        code: &str,
    ) -> Done<CardFile> {
        if old == new {
            return Err(AppError::invalid(
                "new_card_number",
                "another card than the one it replaces",
            ));
        }
        let _alone = (
            self.activating_cards.of(new.as_str()).await,
            self.activating.of(member.as_str()).await,
        );
        let _turns = self.activation_turns(member, new).await?;
        let tried = self.try_code(member, new, code).await?;
        let numbers = [old, new];
        let done =
            self.changes.change_cards(&numbers, Some(member), None, |files, member, sight| {
                let ([old_file, new_file], Some(member)) = (files, member) else {
                    return Ok(Vec::new());
                };
                if old_file.card.holder().is_some_and(|holder| holder.member != member.id) {
                    return Err(AppError::not_found("card of this member", old));
                }
                let done = replace(
                    member,
                    &old_file.card,
                    &new_file.card,
                    tried == Tried::Right,
                    sight.at,
                    sight.programme,
                )?;
                let mut events = vec![Append::Card(old.clone(), done.old)];
                events.extend(done.new.into_iter().map(|event| Append::Card(new.clone(), event)));
                Ok(events)
            });
        self.count_wrong_code(done.await.map(|(at, _)| at), member, new, tried).await?;
        self.card(new).await
    }

    /// The turns of a card and a member among all nodes.
    async fn activation_turns(&self, member: &MemberId, number: &CardNumber) -> Done<Turn> {
        let (of_card, of_member) =
            (format!("{ACTIVATING} card {number}"), format!("{ACTIVATING} member {member}"));
        Ok(self.store.turns(&[&of_card, &of_member]).await?)
    }

    /// Whether a code is a card's, where trying is not locked.
    async fn try_code(&self, member: &MemberId, number: &CardNumber, code: &str) -> Done<Tried> {
        let member = found::member(self.store.as_ref(), member).await?;
        let now = self.clock.now();
        let (of_card, of_member) = self
            .store
            .activation_failures(number, &member.id, now - TimeDelta::hours(2 * CODE_WINDOW_HOURS))
            .await?;
        let until = locked_until(&of_card, CODE_FAILURES_PER_CARD)
            .max(locked_until(&of_member, CODE_FAILURES_PER_MEMBER));
        if let Some(until) = until.filter(|until| now < *until) {
            return Err(AppError::TooMany {
                sentence: format!(
                    "too many wrong codes: activation is locked until {}",
                    until.to_rfc3339()
                ),
                retry_after_s: u64::try_from(((until - now).num_milliseconds() + 999) / 1000)
                    .unwrap_or_default(),
            });
        }
        let Some(kept) = self.store.card(number).await? else {
            // A number that is no card's counts too: numbers are not to be tried out.
            self.store.note_activation_failure(number, &member.id, now).await?;
            return Err(AppError::not_found("card", number));
        };
        // A card that is somebody's cannot be activated whatever code is told: that is said without counting, or a stranger who
        // reads its number could lock it.
        if kept.file.card.holder().is_some() {
            return Ok(Tried::OfBoundCard);
        }
        let matches =
            self.passwords.matches(SlowQueue::Operators, &kept.code_hash, code.as_bytes()).await?;
        Ok(if matches { Tried::Right } else { Tried::Wrong })
    }

    async fn count_wrong_code(
        &self,
        done: Done<DateTime<Utc>>,
        member: &MemberId,
        number: &CardNumber,
        tried: Tried,
    ) -> Done<()> {
        if let (Tried::Wrong, Err(AppError::Refused(Reason::BadCode))) = (tried, &done) {
            self.store.note_activation_failure(number, member, self.clock.now()).await?;
        }
        done.map(|_| ())
    }
}
