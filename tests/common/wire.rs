//! What holds for every text that a station may send: it is taken apart without a panic, and answered in the words of its
//! version or passed over. The fuzz targets and the tests ask the same checks.

use juden_domain::authorization::Verdict;
use juden_domain::ids::SessionId;
use juden_domain::refusal::Reason;
use juden_ocpp::event::{Registration, StationEvent, TagAnswer, TransactionMessage};
use juden_ocpp::frame::{self, CallError, ErrorCode, Frame, MessageId, Payload, Reply};
use juden_ocpp::protocol::Protocol;
use juden_ocpp::reply::{self, BootReply, CardReply};
use juden_ocpp::schema::{Field, Kind};
use serde_json::{Map, Value, json};

/// Messages that money hangs on: never answered by an error.
pub const MONEY: [&str; 4] =
    ["StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"];

/// What a text is answered in a version; `None`: nothing. What is answered must be a frame that the version allows.
pub fn answered(text: &str, protocol: Protocol) -> Option<String> {
    let answer = match frame::parse(text) {
        Frame::Call(call) => match handled(protocol, &call.action, call.payload) {
            Ok(payload) => frame::result_text(&call.id, &payload),
            Err(error) => frame::error_text(&call.id, &error, protocol),
        },
        Frame::Refused(id, error) => frame::error_text(&id, &error, protocol),
        Frame::UnknownType(id) => frame::error_text(
            &id,
            &CallError::new(ErrorCode::MessageTypeNotSupported, "x"),
            protocol,
        ),
        Frame::Unreadable(why) => frame::error_text(
            &MessageId::unreadable(),
            &CallError::new(ErrorCode::RpcFrameworkError, why),
            protocol,
        ),
        Frame::Reply(_, Reply::Result(payload)) => {
            serde_json::from_str::<Value>(&payload).expect("a reply's payload is JSON");
            return None;
        }
        Frame::Reply(..) | Frame::Ignored(_) => return None,
    };
    let read: Vec<Value> =
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{answer} is no JSON: {why}"));
    let shape = (read[0].as_i64(), read.len());
    assert!(matches!(shape, (Some(3), 3) | (Some(4), 5)), "{answer} is no answer");
    assert!(read[read.len() - 1].is_object(), "{answer} ends in no object");
    Some(answer)
}

/// One call: what it is answered, checked against what the version allows.
pub fn handled(
    protocol: Protocol,
    action: &str,
    payload: Payload<'_>,
) -> Result<String, CallError> {
    let event = match protocol.decode(action, payload) {
        Ok(event) => event,
        Err(error) => {
            assert!(
                !(MONEY.contains(&action) && protocol.served(action).is_some()),
                "{action} is refused: {error:?}"
            );
            assert!(!error.description.is_empty(), "{action} is refused without a word");
            return Err(error);
        }
    };
    let refused = Verdict { refusal: Some(Reason::UnknownCard), group: None };
    let tags = [TagAnswer::nobodys(), TagAnswer { verdict: refused, cache_until: Some(instant()) }];
    let mut last = String::new();
    for tag in tags {
        last = answer_to(protocol, &event, &tag);
        let Ok(Value::Object(reply)) = serde_json::from_str(&last) else {
            panic!("{action} is answered {last}")
        };
        protocol
            .answer_fits(action, &reply)
            .unwrap_or_else(|why| panic!("{action} is answered {last}: {why:?}"));
    }
    Ok(last)
}

fn instant() -> chrono::DateTime<chrono::Utc> {
    "2024-06-10T00:00:00Z".parse().expect("a fixed instant")
}

/// What the server may answer to an event.
pub fn answer_to(protocol: Protocol, event: &StationEvent, tag: &TagAnswer) -> String {
    let is_accepted = tag.verdict.refusal.is_none();
    let found = is_accepted.then_some("AAAA");
    match event {
        StationEvent::Boot(_) => {
            let registration = Registration::Accepted;
            reply::boot(protocol, &BootReply { registration, now: instant(), interval_s: 300 })
        }
        StationEvent::Heartbeat => reply::heartbeat(protocol, instant()),
        StationEvent::Authorize(_) => reply::authorize(protocol, tag),
        StationEvent::DataTransfer { .. } => reply::unknown_vendor(),
        StationEvent::Sign(_) | StationEvent::EvNeeds(_) | StationEvent::EvSchedule(_) => {
            reply::accepted(is_accepted)
        }
        StationEvent::EvCertificate => reply::ev_certificate(found),
        StationEvent::CertificateStatus => reply::certificate_status(found),
        StationEvent::Contract(_) => reply::contract(tag, Some("Accepted")),
        StationEvent::Transaction(TransactionMessage::Start(_)) => {
            CardReply::Started(SessionId(1)).payload(tag)
        }
        StationEvent::Transaction(TransactionMessage::Stop(stop)) => {
            reply::stopped(stop.id_tag.is_some().then_some(tag))
        }
        StationEvent::Transaction(TransactionMessage::Event(event)) => {
            reply::transaction_event(event.shown.is_some().then_some(tag))
        }
        StationEvent::Transaction(TransactionMessage::Meter(_))
        | StationEvent::Status(_)
        | StationEvent::Report(_) => reply::heard(),
    }
}

/// A message of a version made out of bytes by its table: what the standard allows, or with one place spoilt. What the
/// standard allows is never refused, and a transaction's message is then read without a fault.
pub fn by_the_table(bytes: &[u8], protocol: Protocol) -> (String, Value) {
    let (action, payload, spoilt) = made(bytes, protocol);
    let text = payload.to_string();
    let read = handled(protocol, &action, Payload::Json(&text));
    if spoilt == 0 {
        assert!(read.is_ok(), "{action} {text} is refused: {read:?}");
        if let Ok(StationEvent::Transaction(event)) = protocol.decode(&action, Payload::Json(&text))
        {
            assert!(!event.lacks_something(), "{action} {text} has faults: {event:?}");
        }
    }
    (action, payload)
}

/// A command's payload made out of bytes: the check that holds it answers, and what the table allows passes it.
pub fn command_by_the_table(bytes: &[u8], protocol: Protocol) {
    let mut maker = Maker::new(bytes);
    let commands: Vec<&str> = protocol.command_names();
    let action = commands[maker.below(commands.len())];
    let Some(message) = protocol.schema().message(action) else {
        unreachable!("{action} is a command")
    };
    let Value::Object(payload) = maker.object(&message.call, 0) else {
        unreachable!("an object is made")
    };
    let fits = protocol.schema().check(&message.call, &payload);
    assert!(
        maker.spoilt > 0 || fits.is_ok(),
        "{action} {payload:?} breaks its own table: {fits:?}"
    );
    let _ = protocol.check_command(action, &payload);
    let _ = protocol.credentials_set(action, &payload);
    let answer = maker.object(&message.reply, 0);
    let _ = (juden_ocpp::protocol::outcome(&answer), protocol.settings_told(&answer));
}

/// Any bytes as the payload of a message: the first byte names version and message.
pub fn any_payload(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let protocol = Protocol::ALL[usize::from(first % 2)];
    let actions: Vec<&str> = protocol.schema().messages().map(|(name, _)| name).collect();
    let action = actions[usize::from(first / 2) % actions.len()];
    let text = String::from_utf8_lossy(rest);
    let _ = handled(protocol, action, Payload::Broken(&text));
    // A payload that is JSON came in a frame that is.
    if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() {
        let _ = handled(protocol, action, Payload::Json(&text));
    }
}

fn made(bytes: &[u8], protocol: Protocol) -> (String, Value, usize) {
    let mut maker = Maker::new(bytes);
    let actions: Vec<&str> = protocol
        .schema()
        .messages()
        .filter(|(_, message)| message.is_from_station())
        .map(|(name, _)| name)
        .collect();
    let action = actions[maker.below(actions.len())];
    let Some(message) = protocol.schema().message(action) else {
        unreachable!("{action} is in the table")
    };
    let payload = maker.object(&message.call, 0);
    (action.to_owned(), payload, maker.spoilt)
}

/// Makes values out of bytes; when they are used up, every choice is the first.
struct Maker<'a> {
    bytes: &'a [u8],
    spoils: bool,
    /// How many places were spoilt.
    spoilt: usize,
}

/// What stands where something else belongs.
const ODD: [&str; 14] = [
    "null",
    "true",
    "-1",
    "0",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "1e400",
    "\"\"",
    "\"\\u0000\"",
    "\"x\"",
    "[]",
    "[[]]",
    "{}",
];

impl<'a> Maker<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut maker = Self { bytes, spoils: false, spoilt: 0 };
        maker.spoils = maker.byte() % 2 == 1;
        maker
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn below(&mut self, count: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number % count.max(1)
    }

    fn object(&mut self, fields: &[Field], depth: usize) -> Value {
        let mut object = Map::new();
        for field in fields {
            let left_out = if field.required {
                self.spoils_here()
            } else {
                depth > 4 || self.byte().is_multiple_of(2)
            };
            if !left_out {
                object.insert(field.name.clone(), self.value(&field.kind, depth));
            }
        }
        if self.spoils && self.byte() == 7 {
            self.spoilt += 1;
            object.insert("surplus".to_owned(), json!({"a": [1]}));
        }
        Value::Object(object)
    }

    fn spoils_here(&mut self) -> bool {
        let spoils = self.spoils && self.byte() % 16 == 15;
        self.spoilt += usize::from(spoils);
        spoils
    }

    fn value(&mut self, kind: &Kind, depth: usize) -> Value {
        if self.spoils_here() {
            let odd = ODD[self.below(ODD.len())];
            return serde_json::from_str(odd).unwrap_or_else(|_| json!("x".repeat(5_000)));
        }
        match kind {
            Kind::Integer(low, high) => match self.byte() % 4 {
                0 => json!(low),
                1 => json!(high),
                _ => json!((*low).max(0).saturating_add(i64::from(self.byte())).min(*high)),
            },
            Kind::Number => {
                self.number(&["0", "-1.5", "12345678.123456", "1e-3", "22000", "1e28", "-1e300"])
            }
            Kind::Tenths => self.number(&["0", "16.1", "-0.1", "100000000.5"]),
            Kind::Text(max) => self.text(*max),
            Kind::Instant => {
                let texts = [
                    "2024-06-10T00:00:00Z",
                    "2024-06-10T09:00:00.123456789+09:00",
                    "1970-01-01T00:00:00Z",
                    "9999-12-31T23:59:59-14:00",
                    "0001-01-01T00:00:00Z",
                ];
                json!(texts[self.below(texts.len())])
            }
            Kind::Flag => json!(self.byte().is_multiple_of(2)),
            Kind::Any => serde_json::from_str(ODD[self.below(ODD.len())]).unwrap_or(Value::Null),
            Kind::OneOf(words) => json!(words[self.below(words.len())]),
            Kind::List(least, most, of) => {
                let count = (least + usize::from(self.byte() % 4)).min(*most);
                Value::Array((0..count).map(|_| self.value(of, depth + 1)).collect())
            }
            Kind::Object(fields) => self.object(fields, depth + 1),
        }
    }

    fn number(&mut self, texts: &[&str]) -> Value {
        let text = texts[self.below(texts.len())];
        serde_json::from_str(text).unwrap_or_else(|_| panic!("{text} is a number"))
    }

    fn text(&mut self, max: usize) -> Value {
        let max = max.min(300);
        let length = match self.byte() % 4 {
            0 => 1,
            1 => max,
            _ => usize::from(self.byte()).min(max),
        };
        let letters = ["7", "A", "f", "-", "é", "充", "\u{1F50C}", "\"", "\\", "\n", " ", "\u{0}"];
        json!((0..length).map(|_| letters[self.below(letters.len())]).collect::<String>())
    }
}
