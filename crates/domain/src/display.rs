//! What a driver is shown at the charger: what the session costs, and the free minutes that are left of the month
//! (OCPP 2.0.1 I01 to I03). Both are what rating says as of now; the bill is what counts.

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

/// A language of what is shown.
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

    /// Its code (RFC 5646).
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

/// What is shown to a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    /// What the session costs so far, with tax; `None`: it is not known, such as where its money waits.
    pub cost: Option<Yen>,
    /// What is left of the month, in words of the languages in order.
    pub left: Vec<(Language, String)>,
}

/// What is shown to a member at chargers of these classes: of a month, and of one session of it. Sessions that run are
/// taken as ended now; one that has run for longer than is believed is left out, as nobody knows what it is.
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
    Ok(Display { cost, left: worded(&pools) })
}

/// What is left of pools, in words of every language.
pub fn worded(pools: &[PoolUse]) -> Vec<(Language, String)> {
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

/// A running session as if it ended now.
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

/// What is left of a pool, and the price beyond it.
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
mod tests {
    use super::super::card::Role;
    use super::super::card::tests::at;
    use super::super::member::tests::member;
    use super::super::rating::tests::{activated_card, book, session};
    use super::*;

    const JUNE: &str = "2024-06";

    fn premium() -> Member {
        member(
            "2023-01-10T00:00:00Z",
            "premium_100",
            vec![activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None)],
        )
    }

    fn shown(sessions: &[Session], of: i64, now: &str) -> Display {
        let month = BillingMonth::parse(JUNE).unwrap();
        display(
            &premium(),
            sessions,
            (month, Some(SessionId(of))),
            &[ChargerClass::Quick],
            &book(0),
            at(now),
        )
        .unwrap()
    }

    fn running(id: i64, start: &str) -> Session {
        Session {
            stop: None,
            last_reading: Some(super::super::units::WattHours(500)),
            ..quick(id, start, 60)
        }
    }

    fn quick(id: i64, start: &str, length_s: i64) -> Session {
        session(&premium(), id, "P", ChargerClass::Quick, start, length_s)
    }

    #[test]
    fn free_minutes_cost_nothing_and_the_rest_by_the_begun_minute() {
        let before = quick(1, "2024-06-01T00:00:00Z", 90 * 60);
        let sessions = [before.clone(), running(2, "2024-06-02T00:00:00Z")];
        assert_eq!(shown(&sessions, 2, "2024-06-02T00:10:00Z").cost, Some(Yen::ZERO));
        assert_eq!(shown(&sessions, 2, "2024-06-02T00:10:01Z").cost, Some(Yen::whole(44)));
        let ended = [before, quick(2, "2024-06-02T00:00:00Z", 12 * 60)];
        assert_eq!(
            shown(&ended, 2, "2024-06-20T00:00:00Z").cost,
            Some(Yen::whole(88)),
            "an end stays what it was"
        );
    }

    #[test]
    fn what_other_sessions_take_while_they_run_is_taken() {
        let others = [running(1, "2024-06-02T00:00:00Z")];
        let english = shown(&others, 9, "2024-06-02T00:30:00Z").left[1].1.clone();
        assert_eq!(
            english,
            "Quick charging: 70 free minutes left this month, then 44 yen per 1 min, tax included."
        );
    }

    #[test]
    fn a_session_that_never_ended_takes_nothing_and_one_whose_money_waits_has_no_cost() {
        let old = [running(1, "2024-06-02T00:00:00Z")];
        let display = shown(&old, 1, "2024-06-03T00:00:01Z");
        assert_eq!(display.cost, None);
        assert_eq!(
            display.left[0].1,
            "急速充電の今月の無料分は残り100分、その後1分ごとに44円（税込）です。"
        );
        let overlapping =
            [quick(1, "2024-06-02T00:00:00Z", 600), quick(2, "2024-06-02T00:05:00Z", 600)];
        assert_eq!(
            shown(&overlapping, 2, "2024-06-03T00:00:00Z").cost,
            None,
            "it is held for review"
        );
    }

    #[test]
    fn where_nothing_is_free_the_price_is_told_and_where_all_is_that_it_is() {
        let primary = super::super::card::tests::activated(super::super::card::Role::Primary);
        let card = super::super::card::tests::card("C1", &[("2019-12-21T00:00:00Z", primary)]);
        let simple = member("2019-12-20T00:00:00Z", "premium_10", vec![card]);
        let told = |month: &str, class: ChargerClass| {
            let month = BillingMonth::parse(month).unwrap();
            let display =
                display(&simple, &[], (month, None), &[class], &book(0), month.start()).unwrap();
            display.left.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        let normal = told("2020-02", ChargerClass::Normal);
        assert_eq!(normal, ["今月の普通充電は無料です。", "Normal charging is free this month."]);
        let quick = told("2020-02", ChargerClass::Quick);
        assert_eq!(
            quick[1],
            "Quick charging: 100 free minutes left this month, then 385 yen per 10 min, tax included."
        );
    }
}
