//! A member's use of a running month: the free units left, and the cost of a session. Each session
//! updates this use instead of rating the month anew, so the effort does not grow with the month's
//! sessions. The result equals that of [`super::display::display`]; a property test compares the
//! two.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use super::allowance::Split;
use super::ids::{CardNumber, SessionId, SessionRef};
use super::member::Member;
use super::metering;
use super::month::BillingMonth;
use super::programme::Programme;
use super::rating::{PoolUse, first_month_needed, month_plan};
use super::session::{BillingState, Decision, LONG_SESSION_HOURS, Session, Standing};
use super::station::ChargerClass;
use super::tariff::{FreeUnits, NoPrice, Price};
use super::units::{WattHours, Yen};

/// The order in which sessions draw on a pool (rule R7.6).
type Order = (DateTime<Utc>, SessionRef);

/// The billed times of a session's start and end.
type Span = (DateTime<Utc>, DateTime<Utc>);

/// A session that has ended, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    card: Option<CardNumber>,
    span: Option<Span>,
    /// The session's charger class, its order and its units, if it belongs to this month.
    drawn: Option<(ChargerClass, Order, i64)>,
    /// Whether the session is billed if no session overlaps it (`alone`), and if one does
    /// (`overlapped`).
    alone: bool,
    overlapped: bool,
}

/// A running session.
#[derive(Debug, Clone)]
struct Running {
    card: Option<CardNumber>,
    start: DateTime<Utc>,
    start_meter: Option<WattHours>,
    last_reading: Option<WattHours>,
    drawn: Option<(ChargerClass, Order)>,
    free: bool,
    alone: bool,
    overlapped: bool,
}

/// The pool of a charger class, and the units that the month's sessions drew from it.
#[derive(Debug)]
struct ClassUse {
    price: Price,
    free_units: Option<i64>,
    drawn: BTreeMap<Order, i64>,
    total: i64,
}

/// The ended sessions of a card: start and number, each with its end.
type Spans = BTreeMap<(DateTime<Utc>, SessionId), DateTime<Utc>>;

/// A member's use of one month.
#[derive(Debug)]
pub struct MonthUse {
    month: BillingMonth,
    /// The number of the member's last event that is taken into account.
    member_seen: i64,
    /// The number of the programme's last event that is taken into account.
    programme_seen: i64,
    carries: bool,
    classes: BTreeMap<ChargerClass, ClassUse>,
    ended: HashMap<SessionId, Ended>,
    running: HashMap<SessionId, Running>,
    spans: HashMap<CardNumber, Spans>,
    /// For each ended session, the number of ended sessions that overlap it.
    overlaps: HashMap<SessionId, usize>,
    longest: TimeDelta,
}

/// The cost of a session and the pools, as shown to a driver now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseNow {
    /// The session's cost so far; `None`: the cost is not known, for instance because the session
    /// is held.
    pub cost: Option<Yen>,
    /// The pools of the charger classes that were asked for.
    pub pools: Vec<PoolUse>,
}

/// The number of the newest event of a member or of its cards.
pub fn member_seen(member: &Member) -> i64 {
    let of_cards = member.cards.iter().flat_map(|card| card.events.iter().map(|event| event.seq));
    of_cards.chain(member.events.iter().map(|event| event.seq)).max().unwrap_or(0)
}

impl MonthUse {
    /// Builds the use of a month from the sessions that [`super::rating::rate`] would be given.
    pub fn of(
        member: &Member,
        sessions: &[Session],
        month: BillingMonth,
        programme: &Programme,
    ) -> Result<Self, NoPrice> {
        let mut classes = BTreeMap::new();
        if let Some((plan, carried)) = month_plan(member, sessions, month, programme)? {
            for class in ChargerClass::ALL {
                let price = plan.price(class).clone();
                let carried = if class == ChargerClass::Quick { carried } else { 0 };
                let free_units = match price.free_units {
                    FreeUnits::Limited(own) => Some(own + carried),
                    FreeUnits::Unlimited => None,
                };
                classes.insert(
                    class,
                    ClassUse { price, free_units, drawn: BTreeMap::new(), total: 0 },
                );
            }
        }
        let mut of_month = Self {
            month,
            member_seen: member_seen(member),
            programme_seen: programme.last_event,
            carries: first_month_needed(member, month, programme) < month,
            classes,
            ended: HashMap::new(),
            running: HashMap::new(),
            spans: HashMap::new(),
            overlaps: HashMap::new(),
            longest: TimeDelta::zero(),
        };
        for session in sessions {
            of_month.try_put(session, member, programme);
        }
        Ok(of_month)
    }

    /// The number of sessions that are taken into account.
    pub fn sessions(&self) -> usize {
        self.ended.len() + self.running.len()
    }

    /// Whether neither the member nor the programme has newer events than those taken into account.
    pub fn is_current_for(&self, member: &Member, programme: &Programme) -> bool {
        self.member_seen == member_seen(member) && self.programme_seen == programme.last_event
    }

    /// Takes a new or changed session into account. `false`: the change cannot be applied here, and
    /// the month must be built anew.
    pub fn try_put(&mut self, session: &Session, member: &Member, programme: &Programme) -> bool {
        if self.carries && session.month() < self.month {
            return false;
        }
        let standing =
            |overlaps| Standing { overlaps, ..session.standing(Some(member), false, programme) };
        let of_month = session.month() == self.month;
        let class = session.site.map(|site| site.charger_class).filter(|_| of_month);
        let order = || (session.start.at, session.reference.clone());
        let free = standing(false).free;
        let counts = |overlaps| session.billing_state(standing(overlaps)) == BillingState::Ended;
        if session.stop.is_none() {
            // A session that has ended does not run again here: the month must be built anew.
            let known_before = self.ended.contains_key(&session.id);
            let as_if_ended = |overlaps| ends_billed(session, standing(overlaps));
            let running = Running {
                // A waived session overlaps nothing.
                card: session.card.clone().filter(|_| session.decision != Some(Decision::Waive)),
                start: session.start.at,
                start_meter: session.start.meter,
                last_reading: session.last_reading,
                drawn: class.map(|class| (class, order())),
                free,
                alone: as_if_ended(false),
                overlapped: as_if_ended(true),
            };
            self.running.insert(session.id, running);
            return !known_before;
        }
        let unit_s =
            class.and_then(|class| self.classes.get(&class)).map(|of_class| of_class.price.unit_s);
        let units = unit_s.map_or(0, |unit_s| if free { 0 } else { session.units(unit_s) });
        let ended = Ended {
            card: session.card.clone(),
            span: session.measured_span(),
            drawn: class.map(|class| (class, order(), units)),
            alone: counts(false),
            overlapped: counts(true),
        };
        self.running.remove(&session.id);
        if let Some(known) = self.ended.get(&session.id) {
            *known == ended
        } else {
            self.add(session.id, ended);
            true
        }
    }

    fn add(&mut self, id: SessionId, ended: Ended) {
        let mut count = 0;
        if let (Some(card), Some((start, end))) = (&ended.card, ended.span) {
            for other in self.overlapping(card, start, end) {
                count += 1;
                let of_other = self.overlaps.entry(other).or_default();
                *of_other += 1;
                if *of_other == 1 {
                    self.recount(other);
                }
            }
            self.spans.entry(card.clone()).or_default().insert((start, id), end);
            self.longest = self.longest.max(end - start);
        }
        if count > 0 {
            self.overlaps.insert(id, count);
        }
        self.ended.insert(id, ended);
        self.recount(id);
    }

    /// The ended sessions of a card that overlap a span.
    fn overlapping(
        &self,
        card: &CardNumber,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Vec<SessionId> {
        let Some(spans) = self.spans.get(card) else { return Vec::new() };
        let from = start.checked_sub_signed(self.longest).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let near = spans.range((
            Bound::Included((from, SessionId(i64::MIN))),
            Bound::Excluded((end, SessionId(i64::MIN))),
        ));
        near.filter(|(_, ends)| **ends > start).map(|((_, id), _)| *id).collect()
    }

    /// Adds an ended session's units to its pool or removes them, as it is billed now.
    fn recount(&mut self, id: SessionId) {
        let Some(ended) = self.ended.get(&id) else { return };
        let Some((class, order, units)) = &ended.drawn else { return };
        let is_overlapped = self.overlaps.contains_key(&id);
        let counts = if is_overlapped { ended.overlapped } else { ended.alone };
        let Some(of_class) = self.classes.get_mut(class) else { return };
        let before = if counts {
            of_class.drawn.insert(order.clone(), *units)
        } else {
            of_class.drawn.remove(order)
        };
        of_class.total += if counts { *units } else { 0 } - before.unwrap_or(0);
    }

    /// The cost of one session, if one is named, and the pools of these charger classes, as shown
    /// now.
    pub fn now(
        &self,
        of: Option<SessionId>,
        classes: &[ChargerClass],
        now: DateTime<Utc>,
    ) -> UseNow {
        let live = self.live(now);
        let pool = |class: ChargerClass| self.pool(class, &live);
        let cost = of.and_then(|id| self.cost(id, &live));
        UseNow { cost, pools: classes.iter().filter_map(|class| pool(*class)).collect() }
    }

    /// The changes that the running sessions make as of now.
    fn live(&self, now: DateTime<Utc>) -> Live {
        let runs = |running: &Running| {
            running.start <= now && now - running.start <= TimeDelta::hours(LONG_SESSION_HOURS)
        };
        let running: Vec<(SessionId, &Running, Option<WattHours>)> = self
            .running
            .iter()
            .filter(|(_, running)| runs(running))
            .map(|(id, running)| {
                (*id, running, metering::energy(running.start_meter, None, running.last_reading).0)
            })
            .collect();
        let has_span =
            |running: &Running, energy| metering::units(now - running.start, energy, 60) > 0;
        let mut of_card: HashMap<&CardNumber, usize> = HashMap::new();
        for (_, running, energy) in &running {
            if let Some(card) = running.card.as_ref().filter(|_| has_span(running, *energy)) {
                *of_card.entry(card).or_default() += 1;
            }
        }
        let mut live = Live::default();
        for (id, running, energy) in running {
            let spans = running.card.as_ref().filter(|_| has_span(running, energy));
            let over =
                spans.map(|card| self.overlapping(card, running.start, now)).unwrap_or_default();
            let is_overlapped = !over.is_empty()
                || spans.is_some_and(|card| of_card.get(card).is_some_and(|count| *count > 1));
            live.overlapped.extend(over);
            let counts = if is_overlapped { running.overlapped } else { running.alone };
            if let Some((class, order)) = running.drawn.as_ref().filter(|_| counts)
                && let Some(of_class) = self.classes.get(class)
            {
                let units = if running.free {
                    0
                } else {
                    metering::units(now - running.start, energy, of_class.price.unit_s)
                };
                live.drawn.push((id, *class, order.clone(), units));
            }
        }
        live.overlapped.sort_unstable();
        live.overlapped.dedup();
        live
    }

    /// Changes to the units of ended sessions, because running sessions overlap them now. Mostly
    /// the sessions draw less.
    fn corrections<'a>(
        &'a self,
        class: ChargerClass,
        live: &'a Live,
    ) -> impl Iterator<Item = (&'a Order, i64)> {
        live.overlapped.iter().filter_map(move |id| {
            let ended = self.ended.get(id)?;
            let (_, order, units) =
                ended.drawn.as_ref().filter(|(of_class, _, _)| *of_class == class)?;
            let is_kept =
                if self.overlaps.contains_key(id) { ended.overlapped } else { ended.alone };
            let change = i64::from(ended.overlapped) - i64::from(is_kept);
            Some((order, change * units))
        })
    }

    fn pool(&self, class: ChargerClass, live: &Live) -> Option<PoolUse> {
        let of_class = self.classes.get(&class)?;
        let corrected: i64 = self.corrections(class, live).map(|(_, units)| units).sum();
        let running: i64 = live
            .drawn
            .iter()
            .filter(|(_, of, _, _)| *of == class)
            .map(|(_, _, _, units)| units)
            .sum();
        let used_units = of_class.total + corrected + running;
        Some(PoolUse {
            charger_class: class,
            free_units: of_class.free_units,
            used_units,
            free_units_left: of_class.free_units.map(|free| (free - used_units).max(0)),
            price: of_class.price.clone(),
        })
    }

    fn cost(&self, id: SessionId, live: &Live) -> Option<Yen> {
        let running = live.drawn.iter().find(|(of, _, _, _)| *of == id);
        let (class, order, units) = match (running, self.ended.get(&id)) {
            (Some((_, class, order, units)), _) => (*class, order, *units),
            (None, Some(ended)) => {
                let is_overlapped =
                    self.overlaps.contains_key(&id) || live.overlapped.binary_search(&id).is_ok();
                let counts = if is_overlapped { ended.overlapped } else { ended.alone };
                let (class, order, units) = ended.drawn.as_ref().filter(|_| counts)?;
                (*class, order, *units)
            }
            (None, None) => return None,
        };
        let of_class = self.classes.get(&class)?;
        let later: i64 = of_class
            .drawn
            .range((Bound::Excluded(order), Bound::Unbounded))
            .map(|(_, units)| units)
            .sum();
        let own = of_class.drawn.get(order).copied().unwrap_or(0);
        let corrected: i64 = self
            .corrections(class, live)
            .filter(|(other, _)| *other < order)
            .map(|(_, units)| units)
            .sum();
        let of_running =
            live.drawn.iter().filter(|(_, of, other, _)| *of == class && other < order);
        let running: i64 = of_running.map(|(_, _, _, units)| units).sum();
        let before = of_class.total - later - own + corrected + running;
        let split = match of_class.free_units {
            None => Split { free: units, charged: 0 },
            Some(free) => {
                let free = units.min((free - before).max(0));
                Split { free, charged: units - free }
            }
        };
        Some(of_class.price.per_unit.times(split.charged).floor_to_whole())
    }
}

/// The effect of the running sessions as of now.
#[derive(Debug, Default)]
struct Live {
    /// The units that the running sessions draw.
    drawn: Vec<(SessionId, ChargerClass, Order, i64)>,
    /// The ended sessions that they overlap.
    overlapped: Vec<SessionId>,
}

/// Whether a running session would be billed if it ended now.
fn ends_billed(session: &Session, standing: Standing) -> bool {
    use super::session::{Edge, Stop, StopBasis};
    let at = session.start.at;
    let edge = Edge { reported: String::new(), said: None, received_at: at, at, meter: None };
    let ended = Session {
        stop: Some(Stop {
            edge,
            reason: String::new(),
            id_tag: None,
            energy: None,
            basis: StopBasis::Told,
        }),
        ..session.clone()
    };
    ended.billing_state(standing) == BillingState::Ended
}

#[cfg(test)]
#[path = "month_use_tests.rs"]
mod tests;
