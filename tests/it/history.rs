//! A year of generated histories of members and sessions, played into a server in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::examples::story::tariff_folder;
use crate::harness::{Socket, TestServer, start, stop};
use crate::settling::{Settling, confirm, correct, entry, settling};

/// The months that are played, and the instant of the first step.
const MONTHS: u32 = 12;
const YEAR: i32 = 2024;

/// The steps of a month: the day on which people do things; sessions arrive on the last one.
const STEPS: [u32; 3] = [3, 12, 28];

/// The step after which all is over.
const LAST_STEP: u32 = (MONTHS + 1) * 3 + 1;

/// Requests and stations under way at once.
const AT_ONCE: usize = 128;

/// What a member does at a step.
#[derive(Debug, Clone)]
pub enum Deed {
    Join {
        plan: &'static str,
        payment: &'static str,
    },
    Activate,
    AddCard,
    Replace,
    DropCard,
    ChangePlan(&'static str),
    CancelPlan,
    Suspend,
    Resume,
    Hold,
    Release,
    Withdraw,
    Disqualify,
    /// A sum that is entered by hand.
    Enter {
        kind: &'static str,
        yen: i64,
    },
}

#[derive(Debug, Clone)]
pub struct Use {
    pub station: usize,
    pub id_tag: String,
    pub from: DateTime<Utc>,
    pub to: Option<DateTime<Utc>>,
    pub meter: i64,
    /// Whether it arrives only after its month was closed.
    pub late: bool,
    /// Whether someone will have to decide about it.
    pub doubtful: bool,
    /// What is corrected, and how many steps after it arrived: also after its month was closed.
    pub settled: Option<(u32, Settling)>,
}

/// A step's number counts from the year's first.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub members: usize,
    pub stations: usize,
    pub deeds: BTreeMap<u32, Vec<(usize, Deed)>>,
    pub uses: Vec<Use>,
}

fn step_at(step: u32) -> DateTime<Utc> {
    let (month, day) = (step / 3, STEPS[usize::try_from(step % 3).unwrap()]);
    let date = chrono::NaiveDate::from_ymd_opt(
        YEAR + i32::try_from(month / 12).unwrap(),
        month % 12 + 1,
        day,
    )
    .unwrap();
    date.and_hms_opt(3, 0, 0).unwrap().and_utc()
}

const PLANS: [&str; 3] = ["simple", "premium_100", "premium_200"];

/// Which cards a member has, while its history is made up.
struct Wallet {
    primary: usize,
    additional: Option<usize>,
    issued: usize,
    gone: bool,
    suspended: bool,
    held: bool,
}

fn tag(member: usize, card: usize) -> String {
    format!("T{member:05}C{card:03}")
}

impl History {
    /// Makes one up.
    pub fn generate(seed: u64, members: usize, sessions: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut history =
            Self { members, stations: (members / 10).clamp(4, 100), ..Self::default() };
        for member in 0..members {
            history.life(&mut random, member, sessions / members);
        }
        history
    }

    fn deed(&mut self, step: u32, member: usize, deed: Deed) {
        self.deeds.entry(step).or_default().push((member, deed));
    }

    /// A member's year: what it does at each step, and its sessions in between.
    fn life(&mut self, random: &mut ChaCha8Rng, member: usize, sessions: usize) {
        let joins = if random.random_range(0..4) == 0 { random.random_range(0..18) } else { 0 };
        let plan = PLANS[random.random_range(0..PLANS.len())];
        let payment = ["invoice", "credit_card", "account_debit"][random.random_range(0..3)];
        self.deed(joins, member, Deed::Join { plan, payment });
        self.deed(joins, member, Deed::Activate);
        let mut wallet = Wallet {
            primary: 0,
            additional: None,
            issued: 1,
            gone: false,
            suspended: false,
            held: false,
        };
        let last = MONTHS * 3 - 1;
        let per_step = sessions.div_ceil(usize::try_from(last + 1 - joins).unwrap());
        for step in joins..=last {
            if step > joins + 3 && !wallet.gone {
                self.do_something(random, member, step, &mut wallet);
            }
            if step < last {
                for _ in 0..per_step {
                    self.charge(random, member, step, &wallet);
                }
            }
        }
    }

    fn do_something(
        &mut self,
        random: &mut ChaCha8Rng,
        member: usize,
        step: u32,
        wallet: &mut Wallet,
    ) {
        let deed = match random.random_range(0..100) {
            0..6 => Deed::ChangePlan(PLANS[random.random_range(0..PLANS.len())]),
            6..8 => Deed::CancelPlan,
            8..12 if wallet.additional.is_none() && !wallet.held => {
                wallet.additional = Some(wallet.issued);
                wallet.issued += 1;
                Deed::AddCard
            }
            12..14 if wallet.additional.is_some() => {
                wallet.additional = None;
                Deed::DropCard
            }
            14..17 if !wallet.held => {
                wallet.primary = wallet.issued;
                wallet.issued += 1;
                wallet.suspended = false;
                Deed::Replace
            }
            17..20 if !wallet.suspended && !wallet.held => {
                wallet.suspended = true;
                Deed::Suspend
            }
            20..30 if wallet.suspended && !wallet.held => {
                wallet.suspended = false;
                Deed::Resume
            }
            30 if !wallet.held => {
                wallet.held = true;
                Deed::Hold
            }
            31..40 if wallet.held => {
                wallet.held = false;
                Deed::Release
            }
            40 => {
                wallet.gone = true;
                Deed::Withdraw
            }
            41 if random.random_range(0..3) == 0 => {
                wallet.gone = true;
                Deed::Disqualify
            }
            42 => Deed::Enter { kind: "damages", yen: random.random_range(1_000..80_000) },
            43 => Deed::Enter { kind: "other", yen: random.random_range(1..3_000) },
            // Some is more than a month costs: it is carried, or paid out to who leaves.
            44..47 => Deed::Enter { kind: "goodwill", yen: -random.random_range(100..30_000) },
            _ => return,
        };
        self.deed(step, member, deed);
    }

    /// A session between a step and the next. A card that is blocked or dead is used now and then.
    fn charge(&mut self, random: &mut ChaCha8Rng, member: usize, step: u32, wallet: &Wallet) {
        let blocked = wallet.gone || wallet.held || wallet.suspended;
        if blocked && random.random_range(0..20) > 0 {
            return;
        }
        let (low, high) = (step_at(step) + TimeDelta::hours(1), step_at(step + 1));
        let from = low + TimeDelta::seconds(random.random_range(0..(high - low).num_seconds()));
        let card =
            wallet.additional.filter(|_| random.random_range(0..3) == 0).unwrap_or(wallet.primary);
        let (length_s, doubtful) = match random.random_range(0..200) {
            0 => (90_000, true),
            1 => (-120, false),
            2 => (20, false),
            _ => (random.random_range(60..3_000), false),
        };
        let id_tag =
            if random.random_range(0..300) == 0 { "NOBODYS".to_owned() } else { tag(member, card) };
        let one = Use {
            station: random.random_range(0..self.stations),
            id_tag,
            from,
            to: (random.random_range(0..400) > 0).then(|| from + TimeDelta::seconds(length_s)),
            meter: random.random_range(1..1_000_000),
            late: random.random_range(0..50) == 0,
            doubtful,
            settled: None,
        };
        let settled = settling(random, &one);
        let one = Use { settled, ..one };
        if random.random_range(0..150) == 0 && length_s > 300 {
            // The same card elsewhere at the same time.
            let station = (one.station + 1) % self.stations;
            let shifted = |at: DateTime<Utc>| at + TimeDelta::seconds(120);
            self.uses.push(Use {
                station,
                from: shifted(one.from),
                to: one.to.map(shifted),
                doubtful: true,
                meter: one.meter + 7,
                late: one.late || random.random_range(0..3) == 0,
                settled: None,
                ..one.clone()
            });
        }
        self.uses.push(one);
    }

    /// The step at whose instant a session arrives: the last one of its month, or the second of the next.
    fn arrives(one: &Use) -> u32 {
        let japan = one.from + TimeDelta::hours(9);
        let month = u32::try_from(japan.year() - YEAR).unwrap() * 12 + japan.month0();
        let over = one.to.unwrap_or(one.from).max(one.from);
        let usual = month * 3 + 2;
        let on_time = if over < step_at(usual) { usual } else { usual + 1 };
        if one.late { (month + 1) * 3 + 1 } else { on_time }
    }
}

/// A member's cards as the server knows them.
#[derive(Default)]
struct Cards {
    id: String,
    issued: usize,
    primary: String,
    additional: Option<String>,
}

/// What is said of sessions at a step, in the order of their stations and starts, whatever came first.
type Settlings = BTreeMap<(usize, DateTime<Utc>), (i64, Settling)>;

/// A server with a history played into it.
pub struct Played {
    pub server: Arc<TestServer>,
    pub ids: Vec<String>,
    /// Sessions that persons corrected.
    pub corrected: usize,
}

/// Plays a history: sessions arrive in the order that `order` gives, each `times` times.
pub async fn play(history: &History, order: u64, times: usize) -> Played {
    let folder = tariff_folder("tt");
    let start = (step_at(0) - TimeDelta::days(1)).to_rfc3339();
    let server =
        Arc::new(TestServer::with(&start, &[("tariffs", &folder), ("month-close-day", "5")]).await);
    for station in 0..history.stations {
        let body = json!({"site": format!("Site {}", station % 7), "connectors": [
            {"connector_id": 1, "charger_class": if station % 4 == 0 { "normal" } else { "quick" }, "session_cap_min": 100_000}]});
        assert_eq!(server.put(&format!("/stations/ST{station}"), &body).await.status, 201);
    }
    let mut random = ChaCha8Rng::seed_from_u64(order);
    let mut cards: BTreeMap<usize, Cards> = BTreeMap::new();
    let mut by_step: BTreeMap<u32, Vec<&Use>> = BTreeMap::new();
    for one in &history.uses {
        by_step.entry(History::arrives(one)).or_default().push(one);
    }
    let mut settlings: BTreeMap<u32, Settlings> = BTreeMap::new();
    let mut corrected = 0;
    for step in 0..=LAST_STEP {
        server.clock(&step_at(step).to_rfc3339()).await;
        for (member, deed) in history.deeds.get(&step).into_iter().flatten() {
            act(&server, *member, deed, cards.entry(*member).or_default()).await;
        }
        let arriving = by_step.remove(&step).unwrap_or_default();
        let delivered = deliver(&server, &arriving, &mut random, times).await;
        decide(&server, &delivered).await;
        for (one, number) in delivered {
            // What is said after the last close would wait for the next.
            if let Some((after, settling)) =
                one.settled.filter(|(after, _)| step + after < LAST_STEP - 1)
            {
                settlings
                    .entry(step + after)
                    .or_default()
                    .insert((one.station, one.from), (number, settling));
            }
        }
        for (number, settling) in settlings.remove(&step).unwrap_or_default().into_values() {
            corrected += usize::from(correct(&server, number, &settling).await);
        }
    }
    assert!(by_step.is_empty());
    let ids = cards.into_values().map(|cards| cards.id).collect();
    Played { server, ids, corrected }
}

async fn act(server: &TestServer, member: usize, deed: &Deed, cards: &mut Cards) {
    let path = format!("/members/{}", cards.id);
    let empty = json!({});
    let lost = json!({"reason": "lost"});
    let answered = match deed {
        Deed::Join { plan, payment } => {
            let body = json!({"name": format!("Member {member}"), "kind": "corporation", "email": "fleet@example.jp", "plan": plan,
                "payment_method": {"kind": payment}});
            let joined = server.post("/members", &body).await;
            cards.id = joined.json()["member_id"].as_str().unwrap().to_owned();
            joined
        }
        Deed::Activate | Deed::AddCard | Deed::Replace => {
            let (number, code) = server.stock(&tag(member, cards.issued)).await;
            cards.issued += 1;
            let answered = match deed {
                Deed::Replace => {
                    let body = json!({"new_card_number": number, "activation_code": code});
                    server.post(&format!("{path}/cards/{}/replace", cards.primary), &body).await
                }
                Deed::AddCard => {
                    server.activate(&cards.id, &(number.clone(), code), "additional").await
                }
                _ => server.activate(&cards.id, &(number.clone(), code), "primary").await,
            };
            match deed {
                Deed::AddCard => cards.additional = Some(number),
                _ => cards.primary = number,
            }
            answered
        }
        Deed::DropCard => {
            server
                .post(&format!("/cards/{}/deactivate", cards.additional.take().unwrap()), &empty)
                .await
        }
        Deed::ChangePlan(plan) => {
            server.put(&format!("{path}/plan-change"), &json!({"plan": plan})).await
        }
        Deed::CancelPlan => {
            let answered =
                server.request("DELETE", &format!("{path}/plan-change"), None, &[]).await;
            assert!(matches!(answered.status, 200 | 409), "{answered:?}");
            return;
        }
        Deed::Suspend => server.post(&format!("/cards/{}/suspend", cards.primary), &lost).await,
        Deed::Resume => server.post(&format!("/cards/{}/resume", cards.primary), &lost).await,
        Deed::Hold => server.post(&format!("{path}/hold"), &empty).await,
        Deed::Release => server.post(&format!("{path}/release"), &empty).await,
        Deed::Withdraw => server.post(&format!("{path}/withdraw"), &empty).await,
        Deed::Disqualify => server.post(&format!("{path}/disqualify"), &json!({"ground": 6})).await,
        Deed::Enter { kind, yen } => {
            let entered = server.post(&format!("{path}/entries"), &entry(kind, *yen)).await;
            if entered.json()["state"] == "waiting" {
                let entry = entered.json()["entry_id"].as_str().unwrap().to_owned();
                let confirmed = confirm(server, &format!("/entries/{entry}/confirm")).await;
                assert_eq!(confirmed.status, 200, "{confirmed:?}");
            }
            entered
        }
    };
    assert!(matches!(answered.status, 200 | 201), "{deed:?} of {}: {answered:?}", cards.id);
}

/// Delivers sessions, a queue for each station; each with its transaction's number.
async fn deliver(
    server: &Arc<TestServer>,
    uses: &[&Use],
    random: &mut impl Rng,
    times: usize,
) -> Vec<(Use, i64)> {
    let mut queues: BTreeMap<usize, Vec<Use>> = BTreeMap::new();
    for one in uses {
        queues.entry(one.station).or_default().push((*one).clone());
    }
    let mut queues: Vec<(usize, Vec<Use>)> = queues.into_iter().collect();
    queues.shuffle(random);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut stations = Vec::new();
    for (station, mut queue) in queues {
        queue.shuffle(random);
        let (server, places) = (server.clone(), places.clone());
        stations.push(tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            let mut socket = server.socket(&format!("ST{station}")).await;
            let mut delivered = Vec::new();
            for one in queue {
                let transaction = deliver_one(&mut socket, &one, times).await;
                delivered.push((one, transaction));
            }
            delivered
        }));
    }
    let mut delivered = Vec::new();
    for station in stations {
        delivered.extend(station.await.unwrap());
    }
    delivered
}

async fn deliver_one(socket: &mut Socket, one: &Use, times: usize) -> i64 {
    let (from, to) = (one.from.to_rfc3339(), one.to.map(|to| to.to_rfc3339()));
    let mut transaction = 0;
    for _ in 0..times {
        let answer = socket.call("StartTransaction", start(&one.id_tag, &from, one.meter)).await;
        transaction = crate::harness::transaction(&answer);
    }
    if let Some(to) = to {
        for _ in 0..times {
            let answer =
                socket.call("StopTransaction", stop(transaction, &to, one.meter + 4_321)).await;
            assert_eq!(answer[0], 3, "{answer}");
        }
    }
    transaction
}

/// Bills or waives what is held; which, the session's name decides.
async fn decide(server: &TestServer, delivered: &[(Use, i64)]) {
    for (_, transaction) in delivered.iter().filter(|(one, _)| one.doubtful) {
        let session = server.session(*transaction).await;
        if session["state"] == "review" {
            let name = session["session_id"].as_str().unwrap();
            let decision =
                if name.ends_with(|last: char| last.is_ascii_digit()) { "bill" } else { "waive" };
            let decided = server
                .post(
                    &format!("/sessions/{name}/decision"),
                    &json!({"decision": decision, "note": "looked at"}),
                )
                .await;
            assert_eq!(decided.status, 200, "{decided:?}");
        }
    }
}

/// The months that were played.
pub fn months() -> Vec<String> {
    (1..=MONTHS).map(|month| format!("{YEAR}-{month:02}")).collect()
}

/// Every format of every month's export, by name.
pub async fn exports(server: &TestServer) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for month in months() {
        for format in ["csv", "jsonl", "ocpi-cdr", "collection", "refunds"] {
            let answered = server
                .request("GET", &format!("/months/{month}/export?format={format}"), None, &[])
                .await;
            assert_eq!(answered.status, 200, "{answered:?}");
            found.insert(format!("{month} {format}"), answered.text);
        }
    }
    found
}

/// The invoices of a month's JSON lines.
pub fn invoices(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A decimal string of whole yen.
pub fn yen(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}
