//! What the worked examples are told with: a server on the examples' tariff with a simulated clock, its
//! public API, and sessions over OCPP. Times are Japan's unless they end in `Z`.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde_json::{Value, json};

use crate::harness::{Answered, Socket, TestServer, start, stop, transaction};

/// The folder of a tariff of the tests.
pub fn tariff_folder(name: &str) -> String {
    format!("{}/tests/data/tariffs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// An instant: `2024-04-03 09:00`, `2024-04-03 09:00:01` in Japan, or RFC 3339 with a `Z`.
pub fn instant(text: &str) -> DateTime<Utc> {
    if text.ends_with('Z') {
        return text.parse().unwrap();
    }
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let local = formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .unwrap_or_else(|| panic!("{text}"));
    local.and_local_timezone(FixedOffset::east_opt(9 * 3600).unwrap()).unwrap().to_utc()
}

/// The same as RFC 3339 in UTC.
pub fn utc(text: &str) -> String {
    instant(text).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Quick and normal connectors of the example station.
#[derive(Clone, Copy)]
pub enum Class {
    Quick,
    Normal,
}

pub struct Story {
    pub server: TestServer,
    meter: AtomicI64,
}

/// A bill as the examples print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    pub state: String,
    /// Code, quantity, yen.
    pub lines: Vec<(String, i64, String)>,
    pub total: String,
    pub tax: String,
}

impl Bill {
    /// The yen of the lines with a code, in order.
    pub fn yen(&self, code: &str) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|(known, _, _)| known == code)
            .map(|(_, _, yen)| yen.as_str())
            .collect()
    }
}

impl Story {
    /// A server on the examples' tariff; months close by themselves on the fifth at 03:00.
    pub async fn at(start: &str) -> Self {
        Self::with("tt", start).await
    }

    /// The same on another tariff of the tests.
    pub async fn with(tariff: &str, start: &str) -> Self {
        let folder = tariff_folder(tariff);
        let server =
            TestServer::with(&utc(start), &[("tariffs", &folder), ("month-close-day", "5")]).await;
        let story = Self { server, meter: AtomicI64::new(1_000) };
        for (station, class) in
            [("Q1", "quick"), ("Q2", "quick"), ("N1", "normal"), ("N2", "normal")]
        {
            story.station(station, class, "Yokohama").await;
        }
        story
    }

    /// Registers a station with one connector. Its sessions have no limit of the site.
    pub async fn station(&self, id: &str, class: &str, site: &str) {
        let body = json!({"site": site, "connectors": [
            {"connector_id": 1, "charger_class": class, "session_cap_min": 100_000}]});
        let put = self.server.put(&format!("/stations/{id}"), &body).await;
        assert!(matches!(put.status, 200 | 201), "{put:?}");
    }

    /// Moves the clock; months that fall due on the way are closed.
    pub async fn clock(&self, text: &str) {
        self.server.clock(&utc(text)).await;
    }

    /// Admits a member now.
    pub async fn member(&self, plan: &str) -> String {
        self.member_as(plan, &json!({})).await
    }

    /// The same with further fields, such as `{"term_contract": true}`.
    pub async fn member_as(&self, plan: &str, more: &Value) -> String {
        let mut body = json!({"name": "Aoki Transport", "kind": "corporation", "email": "fleet@example.jp", "plan": plan,
            "payment_method": {"kind": "invoice"}});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let admitted = self.server.post("/members", &body).await;
        assert_eq!(admitted.status, 201, "{admitted:?}");
        admitted.json()["member_id"].as_str().unwrap().to_owned()
    }

    /// Puts a card in stock and activates it now; its number.
    pub async fn card(&self, member: &str, id_tag: &str, role: &str) -> String {
        let stock = self.server.stock(id_tag).await;
        let activated = self.server.activate(member, &stock, role).await;
        assert_eq!(activated.status, 200, "{activated:?}");
        stock.0
    }

    /// A member with an active primary card, both now: member and card number.
    pub async fn active(&self, plan: &str, id_tag: &str) -> (String, String) {
        let member = self.member(plan).await;
        let card = self.card(&member, id_tag, "primary").await;
        (member, card)
    }

    /// What a station is answered for a card now.
    pub async fn authorize(&self, id_tag: &str) -> String {
        self.authorize_at("Q1", id_tag).await
    }

    pub async fn authorize_at(&self, station: &str, id_tag: &str) -> String {
        let mut socket = self.server.socket(station).await;
        let answer = socket.call("Authorize", json!({"idTag": id_tag})).await;
        crate::harness::status(&answer).to_owned()
    }

    /// A whole session that a station kept and delivers now; its transaction id. The session brings energy.
    pub async fn session(&self, class: Class, id_tag: &str, from: &str, to: &str) -> i64 {
        let station = match class {
            Class::Quick => "Q1",
            Class::Normal => "N1",
        };
        self.session_at(station, id_tag, from, to).await
    }

    pub async fn session_at(&self, station: &str, id_tag: &str, from: &str, to: &str) -> i64 {
        let meter = self.meter.fetch_add(10_000, Ordering::Relaxed);
        self.delivered(station, id_tag, &utc(from), &utc(to), meter, meter + 5_000).await
    }

    /// The same with the station's own words for times and meter.
    pub async fn delivered(
        &self,
        station: &str,
        id_tag: &str,
        from: &str,
        to: &str,
        meter_start: i64,
        meter_stop: i64,
    ) -> i64 {
        // A new connection: what it brings was queued before, so its own times count.
        let mut socket = self.server.socket(station).await;
        let id =
            transaction(&socket.call("StartTransaction", start(id_tag, from, meter_start)).await);
        let stopped = socket.call("StopTransaction", stop(id, to, meter_stop)).await;
        assert_eq!(stopped[0], 3, "{stopped}");
        id
    }

    /// Starts a session right now on an open connection; the transaction id and the socket.
    pub async fn begin(&self, station: &str, id_tag: &str) -> (i64, Socket) {
        let mut socket = self.server.socket(station).await;
        let meter = self.meter.fetch_add(10_000, Ordering::Relaxed);
        let now = self.server.get("/clock").await["now"].as_str().unwrap().to_owned();
        let answer = socket.call("StartTransaction", start(id_tag, &now, meter)).await;
        (transaction(&answer), socket)
    }

    /// Calls the API and expects success.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answered = self.server.post(path, body).await;
        assert!(matches!(answered.status, 200 | 201), "POST {path}: {answered:?}");
        answered.json()
    }

    pub async fn put(&self, path: &str, body: &Value) -> Value {
        let answered = self.server.put(path, body).await;
        assert!(matches!(answered.status, 200 | 201), "PUT {path}: {answered:?}");
        answered.json()
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.server.request("DELETE", path, None, &[]).await
    }

    /// Asks for a plan from next month on; the instant from which it holds.
    pub async fn change_plan(&self, member: &str, plan: &str) -> String {
        let asked =
            self.put(&format!("/members/{member}/plan-change"), &json!({"plan": plan})).await;
        asked["effective_from"].as_str().unwrap().to_owned()
    }

    /// A member's bill of a month.
    pub async fn bill(&self, member: &str, month: &str) -> Bill {
        let bill = self.server.get(&format!("/members/{member}/bills/{month}")).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let line = |line: &Value| {
            (text(&line["code"]), line["quantity"].as_i64().unwrap(), text(&line["amount_yen"]))
        };
        Bill {
            state: text(&bill["state"]),
            lines: bill["lines"].as_array().unwrap().iter().map(line).collect(),
            total: text(&bill["total_yen"]),
            tax: text(&bill["tax_yen"]),
        }
    }

    /// The session of a transaction as the member's month shows it: units, free, charged, state.
    pub async fn used(
        &self,
        member: &str,
        month: &str,
        transaction: i64,
    ) -> Option<(i64, i64, i64, String)> {
        let name = self.server.session(transaction).await["session_id"].clone();
        let usage = self.server.get(&format!("/members/{member}/usage/{month}")).await;
        let session = usage["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|session| session["session_id"] == name)?
            .clone();
        let number = |key: &str| session[key].as_i64().unwrap();
        Some((
            number("units"),
            number("free_units"),
            number("charged_units"),
            session["state"].as_str().unwrap().to_owned(),
        ))
    }

    /// The quick pool of a month: given, used, left.
    pub async fn quick_pool(&self, member: &str, month: &str) -> (i64, i64, i64) {
        let usage = self.server.get(&format!("/members/{member}/usage/{month}")).await;
        let pool = &usage["pools"][0];
        assert_eq!(pool["charger_class"], "quick");
        let number = |key: &str| pool[key].as_i64().unwrap();
        (number("free_units"), number("used_units"), number("free_units_left"))
    }
}

/// That an answer is a rule's refusal, with its reason and article.
#[track_caller]
pub fn assert_refused(answered: &Answered, reason: &str, article: &str) {
    assert_eq!(answered.status, 409, "{answered:?}");
    assert!(answered.content_type.starts_with("application/problem+json"), "{answered:?}");
    let problem = answered.json();
    assert_eq!(
        (problem["reason"].as_str().unwrap(), problem["article"].as_str().unwrap()),
        (reason, article),
        "{answered:?}"
    );
}

impl Bill {
    /// Code and yen of every line, in order.
    pub fn charges(&self) -> Vec<(&str, &str)> {
        self.lines.iter().map(|(code, _, yen)| (code.as_str(), yen.as_str())).collect()
    }
}

impl Story {
    /// A member's bill of a month that has been closed.
    pub async fn closed(&self, member: &str, month: &str) -> Bill {
        let bill = self.bill(member, month).await;
        assert_eq!(bill.state, "closed", "{month}: {bill:?}");
        bill
    }

    /// Starts a session at an instant to which the clock is moved: the status answered, the transaction id
    /// and the connection, still open.
    pub async fn live(&self, station: &str, id_tag: &str, at: &str) -> (String, i64, Socket) {
        self.clock(at).await;
        let mut socket = self.server.socket(station).await;
        let meter = self.meter.fetch_add(10_000, Ordering::Relaxed);
        let answer = socket.call("StartTransaction", start(id_tag, &utc(at), meter)).await;
        (crate::harness::status(&answer).to_owned(), transaction(&answer), socket)
    }

    /// Ends a running session on its connection at an instant to which the clock is moved.
    pub async fn unplug(&self, socket: &mut Socket, transaction: i64, at: &str) {
        self.clock(at).await;
        let meter = self.server.session(transaction).await["meter_start_wh"].as_i64().unwrap();
        let stopped =
            socket.call("StopTransaction", stop(transaction, &utc(at), meter + 5_000)).await;
        assert_eq!(stopped[0], 3, "{stopped}");
    }

    /// A member as the API shows it now.
    pub async fn seen(&self, member: &str) -> Value {
        self.server.get(&format!("/members/{member}")).await
    }

    /// A card's state now.
    pub async fn card_state(&self, card: &str) -> String {
        self.server.get(&format!("/cards/{card}")).await["state"].as_str().unwrap().to_owned()
    }

    /// Suspends a card or brings it back.
    pub async fn card_call(&self, card: &str, call: &str, reason: &str) -> Answered {
        self.server.post(&format!("/cards/{card}/{call}"), &json!({"reason": reason})).await
    }

    /// Registers a new card in the place of an old one now.
    pub async fn replace(&self, member: &str, old: &str, (number, code): &(String, String)) {
        let body = json!({"new_card_number": number, "activation_code": code});
        self.post(&format!("/members/{member}/cards/{old}/replace"), &body).await;
    }

    /// Moves the clock to a day's last second. What falls due on the way is done before that second begins.
    pub async fn last_second_of(&self, day: &str) {
        self.clock(&format!("{day} 23:50")).await;
        self.clock(&format!("{day} 23:59:59")).await;
    }

    /// Tries to withdraw now.
    pub async fn try_withdrawal(&self, member: &str) -> Answered {
        self.server.post(&format!("/members/{member}/withdraw"), &json!({})).await
    }

    /// Withdraws now.
    pub async fn withdraw(&self, member: &str) {
        let withdrawn = self.post(&format!("/members/{member}/withdraw"), &json!({})).await;
        assert_eq!(withdrawn["state"], "withdrawn", "{withdrawn}");
    }
}

/// A bill's line as [`Bill`] holds it.
pub fn line(code: &str, quantity: i64, yen: &str) -> (String, i64, String) {
    (code.to_owned(), quantity, yen.to_owned())
}

/// That a bill has exactly these lines, code and yen, and this total.
#[track_caller]
pub fn assert_charges(bill: &Bill, charges: &[(&str, &str)], total: &str) {
    assert_eq!((bill.charges().as_slice(), bill.total.as_str()), (charges, total), "{bill:?}");
}
