//! Members' use of a month, kept in memory as sessions go on, for what drivers are shown: filled once, then kept up by the
//! ledger's writer with every commit. Bills never ask it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::ProgrammeDirectory;
use juden_domain::ids::MemberId;
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::month_use::MonthUse;
use juden_domain::programme::Programme;
use juden_domain::rating::first_month_needed;
use juden_domain::session::Session;
use juden_domain::tariff::NoPrice;
use juden_store::{Store, StoreError};

/// Sessions in the months that are remembered; a month counts as some of them for itself.
const SESSIONS_MAX: u64 = 500_000;
const MONTH_WEIGHS: usize = 10;

/// For how long a month is remembered that nobody asks.
const IDLE_FOR: Duration = Duration::from_secs(3_600);

/// For how long, where other nodes' writers keep sessions of the same members, which are not heard of.
const SHARED_FOR: Duration = Duration::from_secs(20);

/// How often the store is read again because what was read no longer holds.
const TRIES: usize = 4;

/// Sessions that are kept while a month is read, and taken in after it.
const MEANWHILE_MAX: usize = 10_000;

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

/// A member's month as it is remembered.
#[derive(Debug, Default)]
struct Slot {
    /// How often what was remembered, or is being read, stopped to hold.
    forgotten: AtomicU64,
    state: Mutex<State>,
    filling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The month, and the member that it rests on.
    known: Option<(Arc<Member>, MonthUse)>,
    /// While it is read: the sessions that are kept meanwhile, in their order.
    meanwhile: Option<Vec<Session>>,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.state().known = None;
    }

    /// A session was kept.
    fn kept(&self, session: &Session, programme: &Programme) {
        let mut state = self.state();
        if let Some(meanwhile) = state.meanwhile.as_mut() {
            if meanwhile.len() < MEANWHILE_MAX {
                meanwhile.push(session.clone());
            } else {
                self.forgotten.fetch_add(1, Ordering::SeqCst);
            }
        }
        if let Some((member, of_month)) = state.known.as_mut()
            && !of_month.try_put(session, member, programme)
        {
            state.known = None;
        }
    }

    /// What is asked of the month, where it is remembered and rests on the member and the programme as they are now.
    fn answer<T>(
        &self,
        member: &Member,
        programme: &Programme,
        asked: &impl Fn(&MonthUse) -> T,
    ) -> Option<T> {
        self.state()
            .known
            .as_ref()
            .filter(|(_, of_month)| of_month.is_current_for(member, programme))
            .map(|(_, of_month)| asked(of_month))
    }

    /// Remembers a month that was read, with what was kept meanwhile. `false`: it no longer holds.
    fn fill(
        &self,
        member: &Arc<Member>,
        mut of_month: MonthUse,
        programme: &Programme,
        forgotten: u64,
    ) -> bool {
        let mut state = self.state();
        let meanwhile = state.meanwhile.take().unwrap_or_default();
        let holds = meanwhile.iter().all(|session| of_month.try_put(session, member, programme));
        if !holds || self.forgotten.load(Ordering::SeqCst) != forgotten {
            return false;
        }
        state.known = Some((member.clone(), of_month));
        true
    }
}

/// The months of members that drivers were shown lately.
#[derive(Clone)]
pub struct MonthUses {
    slots: Cache<(MemberId, BillingMonth), Arc<Slot>>,
    /// How often all of them were forgotten.
    forgotten: Arc<AtomicU64>,
    store: Arc<dyn Store>,
    programme: Arc<ProgrammeDirectory>,
}

impl MonthUses {
    /// An empty memory. `is_shared`: whether other nodes write sessions too.
    pub fn new(store: Arc<dyn Store>, programme: Arc<ProgrammeDirectory>, is_shared: bool) -> Self {
        let weigh = |_: &(MemberId, BillingMonth), slot: &Arc<Slot>| {
            let sessions =
                slot.state().known.as_ref().map_or(0, |(_, of_month)| of_month.sessions());
            u32::try_from(sessions + MONTH_WEIGHS).unwrap_or(u32::MAX)
        };
        let slots =
            Cache::builder().max_capacity(SESSIONS_MAX).weigher(weigh).time_to_idle(IDLE_FOR);
        let slots = if is_shared { slots.time_to_live(SHARED_FOR).build() } else { slots.build() };
        Self { slots, forgotten: Arc::default(), store, programme }
    }

    /// A session was kept: the months that are remembered of its member take it in.
    pub fn kept(&self, session: &Session) {
        let Some(member) = &session.member else { return };
        let month = session.month();
        // One that begins in a month may overlap sessions of those beside it.
        for near in [month.previous(), month, month.next()] {
            let Some(slot) = self.slots.get(&(member.clone(), near)) else { continue };
            slot.kept(session, &self.programme.current());
        }
    }

    /// Something of a member's month changed otherwise, such as by a person's decision.
    pub fn forget(&self, member: &MemberId, month: BillingMonth) {
        for near in [month.previous(), month, month.next()] {
            if let Some(slot) = self.slots.get(&(member.clone(), near)) {
                slot.forget();
            }
        }
    }

    /// Nobody knows what was kept: every month is read again.
    pub fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.slots.invalidate_all();
    }

    /// Asks a member's month something; it is read where it is not remembered. The reading goes on where nobody waits for it
    /// any more: the next who asks has it.
    pub async fn ask<T: Send + 'static>(
        &self,
        member: Arc<Member>,
        month: BillingMonth,
        asked: impl Fn(&MonthUse) -> T + Send + Sync + 'static,
    ) -> Result<T, UseFault> {
        let place = (member.id.clone(), month);
        let slot = self.slots.get_with(place.clone(), Arc::default);
        if let Some(answer) = slot.answer(&member, &self.programme.current(), &asked) {
            return Ok(answer);
        }
        let uses = self.clone();
        let filling = tokio::spawn(async move {
            let _alone = slot.filling.lock().await;
            if let Some(answer) = slot.answer(&member, &uses.programme.current(), &asked) {
                return Ok(answer);
            }
            let read = uses.read(&place, &slot, &member, &asked).await;
            slot.state().meanwhile = None;
            read
        });
        filling.await.unwrap_or(Err(UseFault::Busy))
    }

    async fn read<T>(
        &self,
        place: &(MemberId, BillingMonth),
        slot: &Arc<Slot>,
        member: &Arc<Member>,
        asked: &(impl Fn(&MonthUse) -> T + Sync),
    ) -> Result<T, UseFault> {
        let month = place.1;
        for _ in 0..TRIES {
            let all_forgotten = self.forgotten.load(Ordering::SeqCst);
            let forgotten = slot.forgotten.load(Ordering::SeqCst);
            slot.state().meanwhile = Some(Vec::new());
            let programme = self.programme.current();
            let first = first_month_needed(member, month, &programme);
            let sessions =
                self.store.sessions_of_members(&[&member.id], first, month.next()).await?;
            let of_month =
                MonthUse::of(member, &sessions, month, &programme).map_err(UseFault::Price)?;
            // What is remembered no longer at its place hears of no session.
            let is_in_place = self.slots.get(place).is_some_and(|known| Arc::ptr_eq(&known, slot));
            if !slot.fill(member, of_month, &programme, forgotten) {
                continue;
            }
            let answer = slot.answer(member, &programme, asked).ok_or(UseFault::Busy);
            if is_in_place {
                // It weighs what it holds.
                self.slots.insert(place.clone(), slot.clone());
                if self.forgotten.load(Ordering::SeqCst) != all_forgotten {
                    self.slots.invalidate(place);
                }
            }
            return answer;
        }
        Err(UseFault::Busy)
    }
}
