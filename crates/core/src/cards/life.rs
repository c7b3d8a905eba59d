//! A card's life: stock, post, suspension, return, deactivation, reissue (articles 3 and 9). A change is
//! committed, then forgotten by the node's memory, then confirmed.

use crate::found;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::RngExt;

use crate::cards::Cards;
use crate::changes::ChangeContext;
use crate::deliveries::looks::Reached;
use crate::error::{AppError, Done};
use crate::requests::once;
use juden_domain::activation::request_reissue;
use juden_domain::authorization::CardFile;
use juden_domain::card::{
    CardEvent, CardState, Suspension, deactivate, mail, resume, surrender, suspend,
};
use juden_domain::hex;
use juden_domain::ids::{CardNumber, ID_TAG_MAX, IdTag, MemberId};
use juden_store::{Append, NewCard, StoreError};

/// An activation code has this many characters at most.
pub const CODE_MAX: usize = 64;

/// Letters of a made code: none that can be taken for another.
const CODE_LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const CODE_LENGTH: usize = 12;

/// What a reader reads from a card.
fn reading(text: &str) -> Done<IdTag> {
    let id_tag = IdTag::new(text);
    if id_tag.is_empty() || text.chars().count() > ID_TAG_MAX || text.chars().any(char::is_control)
    {
        return Err(AppError::invalid(
            "id_tag",
            format!("1 to {ID_TAG_MAX} characters that are not all separators"),
        ));
    }
    Ok(id_tag)
}

fn id_tag_taken() -> AppError {
    AppError::conflict("id_tag_taken", "another card has this id tag")
}

/// A suspension or return, as it took effect.
#[derive(Debug, Clone)]
pub struct CardChange {
    /// The card's state from then on.
    pub state: CardState,
    /// From when.
    pub effective_at: DateTime<Utc>,
    /// How it reached nodes and stations.
    pub reached: Reached,
}

impl Cards {
    /// Puts a card in stock; its code is returned this once.
    pub async fn add_card(
        &self,
        id_tag: &str,
        number: Option<CardNumber>,
        code: Option<String>,
    ) -> Done<(CardNumber, String)> {
        let id_tag = reading(id_tag)?;
        if code.as_ref().is_some_and(|code| code.is_empty() || code.chars().count() > CODE_MAX) {
            return Err(AppError::invalid(
                "activation_code",
                format!("1 to {CODE_MAX} characters"),
            ));
        }
        // A repeat of the request is told the same code, whatever became of the first answer.
        let code = code.unwrap_or_else(|| {
            once::derived(self.passwords.secret(), "activation code")
                .map_or_else(made_code, |of| code_of(&of))
        });
        if let Some(number) = once::done() {
            return Ok((CardNumber::parse(&number)?, code));
        }
        let code_hash = self.passwords.hash_random(code.as_bytes());
        let added = self
            .store
            .add_card(
                &NewCard { number, id_tag: id_tag.clone(), code_hash, once: once::to_keep() },
                self.clock.now(),
            )
            .await;
        let number = added.map_err(|cause| match cause {
            StoreError::Conflict("id_tag") => id_tag_taken(),
            StoreError::Conflict(_) => {
                AppError::conflict("card_number_taken", "another card has this number")
            }
            other => other.into(),
        })?;
        self.changes.deliveries.announce_new(&id_tag).await;
        Ok((number, code))
    }

    /// Adds what other readers read from a card: from then on it is that card, wherever it is shown. Whether it is new.
    pub async fn add_reading(
        self: &Arc<Self>,
        number: &CardNumber,
        id_tag: &str,
    ) -> Done<(CardFile, bool)> {
        let id_tag = reading(id_tag)?;
        self.card(number).await?;
        let is_new =
            self.store.add_reading(number, &id_tag, self.clock.now()).await.map_err(|cause| {
                match cause {
                    StoreError::Conflict(_) => id_tag_taken(),
                    other => other.into(),
                }
            })?;
        self.changes.deliveries.forget_here(&id_tag);
        let file = self.card(number).await?;
        self.changes
            .deliveries
            .spread(std::slice::from_ref(&file), file.member.as_ref(), std::slice::from_ref(number))
            .await;
        Ok((file, is_new))
    }

    /// Sends a card in stock to a member by post: no one else can activate it.
    pub async fn mail_card(&self, number: &CardNumber, member: &MemberId) -> Done<CardFile> {
        self.change_card(number, None, |file, sight| {
            Ok(Some(mail(&file.card.state_at(sight.at), member)?))
        })
        .await?;
        self.card(number).await
    }

    /// Suspends a card: every authorization after this returns is refused.
    pub async fn suspend_card(
        self: &Arc<Self>,
        number: &CardNumber,
        reason: Suspension,
        received_at: Option<DateTime<Utc>>,
    ) -> Done<CardChange> {
        let event = |file: &CardFile, sight: &ChangeContext<'_>| {
            Ok(suspend(
                &file.card.state_at(sight.at),
                &file.state_at(sight.at, sight.programme),
                reason,
            )?)
        };
        let effect = self.change_card(number, received_at, event).await?;
        if reason == Suspension::Lost {
            self.stop_sessions_of_lost(number);
        }
        Ok(effect)
    }

    /// Lifts one reason of a suspension. What the membership's hold imposes is lifted with that.
    pub async fn resume_card(&self, number: &CardNumber, reason: Suspension) -> Done<CardChange> {
        self.change_card(number, None, |file, sight| {
            Ok(resume(
                &file.card.state_at(sight.at),
                &file.state_at(sight.at, sight.programme),
                reason,
            )?)
        })
        .await
    }

    /// Gives up an additional card for good.
    pub async fn deactivate_card(&self, number: &CardNumber) -> Done<CardFile> {
        self.change_card(number, None, |file, sight| {
            let role = file.card.holder().map(|holder| holder.role);
            Ok(Some(deactivate(&file.state_at(sight.at, sight.programme), role)?))
        })
        .await?;
        self.card(number).await
    }

    /// Notes that a new card was asked for in the place of a live one.
    pub async fn request_reissue(&self, number: &CardNumber) -> Done<CardFile> {
        let event = |file: &CardFile, sight: &ChangeContext<'_>| {
            Ok(Some(request_reissue(&file.state_at(sight.at, sight.programme))?))
        };
        self.change_card(number, None, event).await?;
        self.card(number).await
    }

    /// Notes that a dead card was given back or destroyed (article 3.9).
    pub async fn surrender_card(&self, number: &CardNumber, destroyed: bool) -> Done<CardFile> {
        let event = |file: &CardFile, sight: &ChangeContext<'_>| {
            Ok(Some(surrender(&file.state_at(sight.at, sight.programme), destroyed)?))
        };
        self.change_card(number, None, event).await?;
        self.card(number).await
    }

    async fn change_card(
        &self,
        number: &CardNumber,
        received_at: Option<DateTime<Utc>>,
        decide: impl Fn(&CardFile, &ChangeContext<'_>) -> Done<Option<CardEvent>>,
    ) -> Done<CardChange> {
        let (effective_at, reached) = self
            .changes
            .change_cards(&[number], None, received_at, |files, _, sight| {
                let Some(file) = files.first() else { return Ok(Vec::new()) };
                Ok(decide(file, sight)?
                    .map(|event| Append::Card(number.clone(), event))
                    .into_iter()
                    .collect())
            })
            .await?;
        let state = self.card(number).await?.state_now(self.clock.now(), &self.programme.current());
        Ok(CardChange { state, effective_at, reached })
    }

    /// A card.
    pub async fn card(&self, number: &CardNumber) -> Done<CardFile> {
        found::card(self.store.as_ref(), number).await
    }
}

/// A code out of hex digits, two for each letter.
fn code_of(digits: &str) -> String {
    let bytes = hex::decode(digits).unwrap_or_default();
    bytes
        .iter()
        .take(CODE_LENGTH)
        .map(|byte| char::from(CODE_LETTERS[usize::from(*byte) % CODE_LETTERS.len()]))
        .collect()
}

fn made_code() -> String {
    let mut random = rand::rng();
    (0..CODE_LENGTH)
        .map(|_| char::from(CODE_LETTERS[random.random_range(0..CODE_LETTERS.len())]))
        .collect()
}
