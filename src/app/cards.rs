//! A card's life: stock, activation, suspension, return, deactivation (articles 3 and 9). A change is
//! committed, then forgotten by the node's memory, then confirmed.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;

use super::{App, AppError, Done};
use crate::domain::authorization::CardFile;
use crate::domain::card::{CardEvent, CardState, Role, Suspension, deactivate, resume, suspend};
use crate::domain::ids::{CardNumber, ID_TAG_MAX, IdTag, MemberId};
use crate::domain::member;
use crate::domain::refusal::Reason;
use crate::store::{KeptCard, NewCard, StoreError, last_seq};

/// Wrong codes for one card, and for one member, within the window, that lock activation.
pub const CODE_FAILURES_PER_CARD: i64 = 5;
/// See [`CODE_FAILURES_PER_CARD`].
pub const CODE_FAILURES_PER_MEMBER: i64 = 10;
/// The window in hours.
pub const CODE_WINDOW_HOURS: i64 = 24;

/// An activation code has this many characters at most.
pub const CODE_MAX: usize = 64;

/// How often a change is decided again because another came between.
const TRIES: usize = 8;

/// Letters of a made code: none that can be taken for another.
const CODE_LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const CODE_LENGTH: usize = 12;

/// A suspension or return, as it took effect.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The card's state from then on.
    pub state: CardState,
    /// From when.
    pub effective_at: DateTime<Utc>,
    /// The nodes that know it.
    pub nodes_confirmed: Vec<String>,
}

impl App {
    /// Puts a card in stock; its code is returned this once.
    pub async fn add_card(&self, id_tag: &str, number: Option<CardNumber>, code: Option<String>) -> Done<(CardNumber, String)> {
        let id_tag_text = id_tag;
        let id_tag = IdTag::new(id_tag_text);
        if id_tag.is_empty() || id_tag_text.chars().count() > ID_TAG_MAX || id_tag_text.chars().any(char::is_control) {
            return Err(AppError::invalid("id_tag", format!("1 to {ID_TAG_MAX} characters that are not all separators")));
        }
        if code.as_ref().is_some_and(|code| code.is_empty() || code.chars().count() > CODE_MAX) {
            return Err(AppError::invalid("activation_code", format!("1 to {CODE_MAX} characters")));
        }
        let code = code.unwrap_or_else(made_code);
        let code_hash = self.passwords.hash(code.as_bytes()).await?;
        let added = self.store.add_card(&NewCard { number, id_tag: id_tag.clone(), code_hash }, self.now()).await;
        let number = added.map_err(|cause| match cause {
            StoreError::Conflict("id_tag") => AppError::conflict("id_tag_taken", "another card has this id tag"),
            StoreError::Conflict(_) => AppError::conflict("card_number_taken", "another card has this number"),
            other => other.into(),
        })?;
        self.cards.forget_tags(&[&id_tag]);
        Ok((number, code))
    }

    /// A card.
    pub async fn card(&self, number: &CardNumber) -> Done<CardFile> {
        Ok(self.kept_card(number).await?.file)
    }

    async fn kept_card(&self, number: &CardNumber) -> Done<KeptCard> {
        self.store.card(number).await?.ok_or_else(|| AppError::not_found("card", number))
    }

    /// Activates a card for a member by number and code (rule R3.1b). Wrong codes are counted and
    /// lock activation for a time (rule R3.1d).
    pub async fn activate_card(&self, member: &MemberId, number: &CardNumber, code: &str, role: Role) -> Done<CardFile> {
        let _alone = self.activating.lock().await;
        for _ in 0..TRIES {
            let member = self.member(member).await?;
            let kept = self.kept_card(number).await?;
            let now = self.now();
            self.check_not_locked(&member.id, number, now).await?;
            let code_matches = self.passwords.matches(&kept.code_hash, code.as_bytes()).await;
            let event = match member::activate(&member, &kept.file.card, role, code_matches, now) {
                Ok(event) => event,
                Err(reason) => {
                    if reason == Reason::BadCode {
                        self.store.note_activation_failure(number, &member.id, now).await?;
                    }
                    return Err(reason.into());
                }
            };
            let seen = last_seq(Some(&kept.file), Some(&member));
            match self.store.append_card_event(number, Some(&member.id), &event, now, seen).await {
                Err(StoreError::Conflict(_)) => continue,
                other => other?,
            }
            // The member's other cards carry its state too: the first activation starts the service.
            self.forget(&kept.file, Some(&member));
            return self.card(number).await;
        }
        Err(AppError::Busy("the card is being changed by others"))
    }

    async fn check_not_locked(&self, member: &MemberId, number: &CardNumber, now: DateTime<Utc>) -> Done<()> {
        let since = now - TimeDelta::hours(CODE_WINDOW_HOURS);
        let (of_card, of_member) = self.store.activation_failures(number, member, since).await?;
        if of_card >= CODE_FAILURES_PER_CARD || of_member >= CODE_FAILURES_PER_MEMBER {
            return Err(AppError::TooMany {
                sentence: format!("too many wrong codes: activation is locked for {CODE_WINDOW_HOURS} hours after them"),
                retry_after_s: u64::try_from(CODE_WINDOW_HOURS * 3600).unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Suspends a card: every authorization after this returns is refused.
    pub async fn suspend_card(&self, number: &CardNumber, reason: Suspension) -> Done<Effect> {
        self.change(number, |file, now| suspend(&file.card, reason, now)).await
    }

    /// Lifts one reason of a suspension.
    pub async fn resume_card(&self, number: &CardNumber, reason: Suspension) -> Done<Effect> {
        self.change(number, |file, now| resume(&file.card, reason, now)).await
    }

    /// Gives up an additional card for good.
    pub async fn deactivate_card(&self, number: &CardNumber) -> Done<CardFile> {
        self.change(number, |file, now| deactivate(&file.card, now).map(Some)).await?;
        self.card(number).await
    }

    async fn change(
        &self,
        number: &CardNumber,
        decide: impl Fn(&CardFile, DateTime<Utc>) -> Result<Option<CardEvent>, Reason>,
    ) -> Done<Effect> {
        for _ in 0..TRIES {
            let file = self.card(number).await?;
            let now = self.now();
            if let Some(event) = decide(&file, now)? {
                match self.store.append_card_event(number, None, &event, now, last_seq(Some(&file), None)).await {
                    Err(StoreError::Conflict(_)) => continue,
                    other => other?,
                }
                self.forget(&file, file.member.as_ref());
            }
            let state = self.card(number).await?.card.state_at(now);
            return Ok(Effect { state, effective_at: now, nodes_confirmed: self.cluster.nodes() });
        }
        Err(AppError::Busy("the card is being changed by others"))
    }

    fn forget(&self, file: &CardFile, member: Option<&member::Member>) {
        let mut tags = vec![&file.card.id_tag];
        tags.extend(member.into_iter().flat_map(|member| &member.cards).map(|card| &card.id_tag));
        self.cards.forget_tags(&tags);
    }
}

fn made_code() -> String {
    let mut random = rand::rng();
    (0..CODE_LENGTH).map(|_| char::from(CODE_LETTERS[random.random_range(0..CODE_LETTERS.len())])).collect()
}
