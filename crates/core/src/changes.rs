//! How histories change: load, ask the domain, append once, and let everyone hear of it. On one
//! node changes of one thing take turns; a change that another node's came before is decided again.

use crate::found;
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::deliveries::Deliveries;
use crate::deliveries::looks::Reached;
use crate::directory::ProgrammeDirectory;
use crate::error::{AppError, Done};
use crate::requests::once;
use juden_domain::authorization::CardFile;
use juden_domain::card::CardEvent;
use juden_domain::ids::{CardNumber, MemberId};
use juden_domain::member::{Member, MemberEvent};
use juden_domain::month::BillingMonth;
use juden_domain::programme::Programme;
use juden_store::Store;
use juden_store::{Append, Change, Seen, StoreError};
use std::sync::Arc;

/// How often a change is decided again because another came between.
const TRIES: usize = 8;

/// Turns that changes of one thing take. Different things may share a turn; that costs time alone.
#[derive(Debug)]
pub struct Turns {
    places: Vec<tokio::sync::Mutex<()>>,
    hashes: RandomState,
}

/// How many changes of different things may be under way at once.
const PLACES: usize = 64;

impl Default for Turns {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| tokio::sync::Mutex::new(())).collect(),
            hashes: RandomState::new(),
        }
    }
}

impl Turns {
    pub(crate) async fn of(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let place = self.hashes.hash_one(name) % u64::try_from(PLACES).unwrap_or(1);
        self.places[usize::try_from(place).unwrap_or(0)].lock().await
    }
}

/// What a use case that changes a history sees.
pub struct ChangeContext<'a> {
    /// The instant from which the change holds.
    pub at: DateTime<Utc>,
    /// The programme.
    pub programme: &'a Programme,
}

/// Changes the histories of members and cards.
pub struct Changes {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// Tells nodes and stations of cards.
    pub(crate) deliveries: Arc<Deliveries>,
    /// A member or card is changed by one request at a time.
    pub(crate) changing: Turns,
}

impl Changes {
    /// Makes the service of the parts that it uses.
    pub fn new(deliveries: Arc<Deliveries>) -> Self {
        let (store, clock, programme) =
            (deliveries.store.clone(), deliveries.clock.clone(), deliveries.programme.clone());
        Self { store, clock, programme, deliveries, changing: Turns::default() }
    }
}

impl Changes {
    /// Changes a member: `decide` gives the event, or none where nothing is to change.
    pub(crate) async fn change_member(
        &self,
        id: &MemberId,
        received_at: Option<DateTime<Utc>>,
        decide: impl Fn(&Member, &ChangeContext<'_>) -> Done<Option<MemberEvent>>,
    ) -> Done<Member> {
        let _turn = self.changing.of(id.as_str()).await;
        if once::done().is_some() {
            // Whoever was to hear of it may not have.
            let member = found::member(self.store.as_ref(), id).await?;
            self.deliveries.spread(&[], Some(&member), &numbers(&member)).await;
            return Ok(member);
        }
        let once = once::to_keep();
        for _ in 0..TRIES {
            let member = found::member(self.store.as_ref(), id).await?;
            let programme = self.programme.current();
            let at = self.reception(received_at, member.newest_event_at(), &programme)?;
            let Some(event) = decide(&member, &ChangeContext { at, programme: &programme })? else {
                return Ok(member);
            };
            let recheck = Some((id, first_month_touched(&event, at)));
            let touched = if event.may_change_validity() { numbers(&member) } else { Vec::new() };
            let events = [Append::Member(member.id.clone(), event)];
            let change = Change {
                events: &events,
                at,
                seen: &Seen::of(&[], Some(&member)),
                recheck,
                looks: &self.deliveries.looks(&touched),
                once: once.as_ref(),
            };
            match self.store.append(&change).await {
                Err(StoreError::Conflict(_)) => continue,
                // It may have been kept although the answer was lost: everyone hears of it whatever came of it.
                other => {
                    self.deliveries.spread(&[], Some(&member), &touched).await;
                    other?;
                }
            }
            return found::member(self.store.as_ref(), id).await;
        }
        Err(AppError::Busy("the member is being changed by others"))
    }

    /// Changes cards of one member: `decide` sees their files in the order of `numbers`, and gives events
    /// for them.
    pub(crate) async fn change_cards(
        &self,
        numbers: &[&CardNumber],
        member: Option<&MemberId>,
        received_at: Option<DateTime<Utc>>,
        decide: impl Fn(&[CardFile], Option<&Member>, &ChangeContext<'_>) -> Done<Vec<Append>>,
    ) -> Done<(DateTime<Utc>, Reached)> {
        let named = member.map(MemberId::as_str).or(numbers.first().map(|number| number.as_str()));
        let _turn = self.changing.of(named.unwrap_or_default()).await;
        let (was_done, once) = (once::done().is_some(), once::to_keep());
        for _ in 0..TRIES {
            let mut files = Vec::with_capacity(numbers.len());
            for number in numbers {
                files.push(found::card(self.store.as_ref(), number).await?);
            }
            let member = match member {
                Some(id) => Some(found::member(self.store.as_ref(), id).await?),
                None => files.first().and_then(|file| file.member.clone()),
            };
            if was_done {
                let touched: Vec<CardNumber> =
                    numbers.iter().map(|number| (*number).clone()).collect();
                return Ok((
                    self.clock.now(),
                    self.deliveries.spread(&files, member.as_ref(), &touched).await,
                ));
            }
            let programme = self.programme.current();
            let newest = files
                .iter()
                .filter_map(CardFile::newest_event_at)
                .chain(member.as_ref().and_then(Member::newest_event_at))
                .max();
            let at = self.reception(received_at, newest, &programme)?;
            let events =
                decide(&files, member.as_ref(), &ChangeContext { at, programme: &programme })?;
            let seen = Seen::of(&files.iter().collect::<Vec<_>>(), member.as_ref());
            let recheck = member.as_ref().map(|member| (&member.id, BillingMonth::of(at)));
            let touched: Vec<CardNumber> = events.iter().filter_map(card_touched).collect();
            // Where nothing is to change, an earlier try may have been kept although its answer was lost.
            if !events.is_empty() {
                // A card that is activated may stand in a site's list.
                let looked_at: Vec<CardNumber> = events
                    .iter()
                    .filter_map(card_activated)
                    .chain(touched.iter().cloned())
                    .collect();
                let change = Change {
                    events: &events,
                    at,
                    seen: &seen,
                    recheck,
                    looks: &self.deliveries.looks(&looked_at),
                    once: once.as_ref(),
                };
                match self.store.append(&change).await {
                    Err(StoreError::Conflict(_)) => continue,
                    Err(cause) => {
                        self.deliveries.spread(&files, member.as_ref(), &touched).await;
                        return Err(cause.into());
                    }
                    Ok(()) => {}
                }
            }
            return Ok((at, self.deliveries.spread(&files, member.as_ref(), &touched).await));
        }
        Err(AppError::Busy("the card is being changed by others"))
    }

    /// The instant from which a change holds: now, or, while the members' site was suspended, the instant
    /// at which it was received by other means (article 7, rule R16.3). What happens now happens after everything that it rests
    /// on, also where a clock was ahead when that was kept.
    fn reception(
        &self,
        received_at: Option<DateTime<Utc>>,
        newest: Option<DateTime<Utc>>,
        programme: &Programme,
    ) -> Done<DateTime<Utc>> {
        let now = self.clock.now();
        match received_at {
            None => Ok(newest.map_or(now, |newest| newest.max(now))),
            Some(at) if at <= now && programme.is_site_down(at) => Ok(at),
            Some(_) => Err(AppError::invalid(
                "received_at",
                "an instant in the past at which the members' site was suspended, or left out",
            )),
        }
    }
}

fn numbers(member: &Member) -> Vec<CardNumber> {
    member.cards.iter().map(|card| card.number.clone()).collect()
}

/// The card whose validity an event may change.
fn card_touched(append: &Append) -> Option<CardNumber> {
    match append {
        Append::Card(number, event) if event.may_change_validity() => Some(number.clone()),
        Append::Card(..) | Append::Member(..) => None,
    }
}

/// The card that an event activates.
fn card_activated(append: &Append) -> Option<CardNumber> {
    match append {
        Append::Card(number, CardEvent::Activated { .. }) => Some(number.clone()),
        Append::Card(..) | Append::Member(..) => None,
    }
}

/// The first month whose bill an event may alter.
fn first_month_touched(event: &MemberEvent, at: DateTime<Utc>) -> BillingMonth {
    match event {
        MemberEvent::Disqualified(it) => BillingMonth::of(it.known_at.min(at)),
        MemberEvent::EntrySettled { entered_at, .. } => BillingMonth::of(*entered_at),
        _ => BillingMonth::of(at),
    }
}
