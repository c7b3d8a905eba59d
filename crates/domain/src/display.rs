//! Texts on a station's display: the session's cost, and the free minutes left in the month (OCPP
//! 2.0.1 I01 to I03). Both come from rating as of now. Only the bill is binding.

use chrono::{DateTime, TimeDelta, Utc};

use super::ids::SessionId;
use super::member::Member;
use super::metering;
use super::month::BillingMonth;
use super::programme::Programme;
use super::rating::{PoolUse, rate};
use super::session::{BillingState, Edge, LONG_SESSION_HOURS, Session, Stop};
use super::station::ChargerClass;
use super::tariff::NoPrice;
use super::units::Yen;

/// A language of the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Japanese,
    /// English.
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::Japanese, Self::English];

    /// The language's code (RFC 5646).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }

    /// Reads what [`Self::code`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == text)
    }
}

/// The information that a driver is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    /// The session's cost so far, tax included; `None`: the cost is not known, for instance because
    /// the session is held.
    pub cost: Option<Yen>,
    /// The free minutes left in the month, as a text in each language.
    pub left: Vec<(Language, String)>,
}

/// The information for a member at chargers of these classes: about a month, and about one session
/// of it if one is named. Running sessions count as ended now. A session that has run for more than
/// [`LONG_SESSION_HOURS`] is left out, because its real end is unknown.
pub fn display(
    member: &Member,
    sessions: &[Session],
    of: (BillingMonth, Option<SessionId>),
    classes: &[ChargerClass],
    programme: &Programme,
    now: DateTime<Utc>,
) -> Result<Display, NoPrice> {
    let (month, of) = of;
    let as_of_now: Vec<Session> = sessions.iter().map(|session| as_of(session, now)).collect();
    let rated = rate(member, &as_of_now, month, programme)?;
    let pool = |class: ChargerClass| rated.pools.iter().find(|pool| pool.charger_class == class);
    let cost = rated
        .sessions
        .iter()
        .find(|session| Some(session.id) == of && session.state == BillingState::Ended)
        .and_then(|session| {
            let price = &pool(session.charger_class?)?.price;
            Some(price.per_unit.times(session.split.charged).floor_to_whole())
        });
    let pools: Vec<PoolUse> = classes.iter().filter_map(|class| pool(*class).cloned()).collect();
    Ok(Display { cost, left: pools_in_words(&pools) })
}

/// The free minutes left in pools, as a text in each language.
pub fn pools_in_words(pools: &[PoolUse]) -> Vec<(Language, String)> {
    let of = |language: Language| {
        pools.iter().map(|pool| words(pool, language)).collect::<Vec<_>>().join(gap(language))
    };
    Language::ALL.into_iter().map(|language| (language, of(language))).collect()
}

const fn gap(language: Language) -> &'static str {
    match language {
        Language::Japanese => "",
        Language::English => " ",
    }
}

/// A running session as if it ended now. Other sessions are returned unchanged.
pub(super) fn as_of(session: &Session, now: DateTime<Utc>) -> Session {
    let runs = session.stop.is_none()
        && session.start.at <= now
        && now - session.start.at <= TimeDelta::hours(LONG_SESSION_HOURS);
    if !runs {
        return session.clone();
    }
    let (energy, _) = metering::energy(session.start.meter, None, session.last_reading);
    let edge = Edge {
        reported: String::new(),
        said: None,
        received_at: now,
        at: now,
        meter: session.last_reading,
    };
    Session {
        stop: Some(Stop {
            edge,
            reason: String::new(),
            id_tag: None,
            energy,
            basis: super::session::StopBasis::Told,
        }),
        ..session.clone()
    }
}

/// The free minutes left in a pool and the price beyond them, as text.
fn words(pool: &PoolUse, language: Language) -> String {
    let minutes = |units: i64| units * pool.price.unit_s / 60;
    let (unit_min, price) = (minutes(1), pool.price.per_unit);
    let left = pool.free_units_left.filter(|_| price != Yen::ZERO).map(minutes);
    match (language, pool.charger_class, left) {
        (Language::Japanese, class, None) => format!("今月の{}は無料です。", japanese(class)),
        (Language::English, class, None) => format!("{} is free this month.", english(class)),
        (Language::Japanese, class, Some(0)) => {
            format!("{}は{unit_min}分ごとに{price}円（税込）です。", japanese(class))
        }
        (Language::English, class, Some(0)) => {
            format!("{}: {price} yen per {unit_min} min, tax included.", english(class))
        }
        (Language::Japanese, class, Some(left)) => {
            format!(
                "{}の今月の無料分は残り{left}分、その後{unit_min}分ごとに{price}円（税込）です。",
                japanese(class)
            )
        }
        (Language::English, class, Some(left)) => {
            format!(
                "{}: {left} free minutes left this month, then {price} yen per {unit_min} min, tax included.",
                english(class)
            )
        }
    }
}

const fn japanese(class: ChargerClass) -> &'static str {
    match class {
        ChargerClass::Quick => "急速充電",
        ChargerClass::Normal => "普通充電",
    }
}

const fn english(class: ChargerClass) -> &'static str {
    match class {
        ChargerClass::Quick => "Quick charging",
        ChargerClass::Normal => "Normal charging",
    }
}

#[cfg(test)]
#[path = "display_tests.rs"]
mod tests;
