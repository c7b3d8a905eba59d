//! Members' use of a month, kept in memory as sessions go on, for what drivers are shown: filled once, then kept up by the
//! ledger's writer with every commit. Bills never ask it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::ProgrammeDirectory;
use crate::domain::ids::MemberId;
use crate::domain::member::Member;
use crate::domain::month::BillingMonth;
use crate::domain::month_use::MonthUse;
use crate::domain::rating::first_month_needed;
use crate::domain::session::Session;
use crate::domain::tariff::NoPrice;
use crate::store::{Store, StoreError};

/// Sessions in the months that are remembered; a month counts as some of them for itself.
const SESSIONS_MAX: u64 = 2_000_000;
const MONTH_WEIGHS: usize = 10;

/// For how long, where other nodes' writers keep sessions of the same members, which are not heard of.
const SHARED_FOR: Duration = Duration::from_secs(20);

/// How often the store is read again because a session was kept meanwhile.
const TRIES: usize = 4;

/// Why a month's use is not known.
#[derive(Debug, thiserror::Error)]
pub enum UseFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tariffs have no price for it.
    #[error("{0}")]
    Price(NoPrice),
    /// Sessions of the member are kept faster than they can be read.
    #[error("the member's sessions change faster than they are read")]
    Busy,
}

/// A member's month as it is remembered; what it rests on goes with it.
#[derive(Debug, Default)]
struct Slot {
    /// How many sessions of it were kept since it is remembered.
    kept: AtomicU64,
    known: Mutex<Option<(Arc<Member>, MonthUse)>>,
    filling: tokio::sync::Mutex<()>,
}

impl Slot {
    fn known(&self) -> MutexGuard<'_, Option<(Arc<Member>, MonthUse)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The months of members that drivers were shown lately.
#[derive(Clone)]
pub struct MonthUses {
    slots: Cache<(MemberId, BillingMonth), Arc<Slot>>,
    store: Arc<dyn Store>,
    programme: Arc<ProgrammeDirectory>,
}

impl MonthUses {
    /// An empty memory. `is_shared`: whether other nodes write sessions too.
    pub fn new(store: Arc<dyn Store>, programme: Arc<ProgrammeDirectory>, is_shared: bool) -> Self {
        let weigh = |_: &(MemberId, BillingMonth), slot: &Arc<Slot>| {
            let sessions = slot.known().as_ref().map_or(0, |(_, of_month)| of_month.sessions());
            u32::try_from(sessions + MONTH_WEIGHS).unwrap_or(u32::MAX)
        };
        let slots = Cache::builder().max_capacity(SESSIONS_MAX).weigher(weigh);
        let slots = if is_shared { slots.time_to_live(SHARED_FOR).build() } else { slots.build() };
        Self { slots, store, programme }
    }

    /// A session was kept: the months that are remembered of its member take it in.
    pub fn kept(&self, session: &Session) {
        let Some(member) = &session.member else { return };
        let month = session.month();
        // One that begins in a month may overlap sessions of those beside it.
        for near in [month.previous(), month, month.next()] {
            let Some(slot) = self.slots.get(&(member.clone(), near)) else { continue };
            slot.kept.fetch_add(1, Ordering::SeqCst);
            let mut known = slot.known();
            let stays = match known.as_mut() {
                Some((member, of_month)) => of_month.put(session, member, &self.programme.current()),
                None => true,
            };
            if !stays {
                *known = None;
            }
        }
    }

    /// Something of a member's month changed otherwise, such as by a person's decision.
    pub fn forget(&self, member: &MemberId, month: BillingMonth) {
        for near in [month.previous(), month, month.next()] {
            if let Some(slot) = self.slots.get(&(member.clone(), near)) {
                slot.kept.fetch_add(1, Ordering::SeqCst);
                *slot.known() = None;
            }
        }
    }

    /// Nobody knows what was kept: every month is read again.
    pub fn forget_all(&self) {
        self.slots.invalidate_all();
    }

    /// Asks a member's month something; it is read where it is not remembered. The reading goes on where nobody waits for it
    /// any more: the next who asks has it.
    pub async fn ask<T: Send + 'static>(
        &self,
        member: Arc<Member>,
        month: BillingMonth,
        asked: impl Fn(&MonthUse) -> T + Send + 'static,
    ) -> Result<T, UseFault> {
        let place = (member.id.clone(), month);
        let slot = self.slots.get_with(place.clone(), Arc::default);
        if let Some((_, of_month)) = slot.known().as_ref().filter(|(_, of_month)| of_month.rests_on(&member)) {
            return Ok(asked(of_month));
        }
        let uses = self.clone();
        let filling = tokio::spawn(async move {
            let _alone = slot.filling.lock().await;
            if let Some((_, of_month)) = slot.known().as_ref().filter(|(_, of_month)| of_month.rests_on(&member)) {
                return Ok(asked(of_month));
            }
            for _ in 0..TRIES {
                let before = slot.kept.load(Ordering::SeqCst);
                let programme = uses.programme.current();
                let first = first_month_needed(&member, month, &programme);
                let sessions = uses.store.sessions_of_members(&[&member.id], first, month.next()).await?;
                let of_month = MonthUse::of(&member, &sessions, month, &programme).map_err(UseFault::Price)?;
                let answer = asked(&of_month);
                let is_current = {
                    let mut known = slot.known();
                    let is_current = slot.kept.load(Ordering::SeqCst) == before;
                    *known = is_current.then(|| (member.clone(), of_month));
                    is_current
                };
                if is_current {
                    // It weighs what it holds.
                    uses.slots.insert(place, slot.clone());
                    return Ok(answer);
                }
            }
            Err(UseFault::Busy)
        });
        filling.await.unwrap_or(Err(UseFault::Busy))
    }
}
