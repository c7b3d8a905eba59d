//! The driver's display: a transaction's cost and a personal message (OCPP 2.0.1 I01 to I03).

use serde_json::{Map, Number, Value, json};

use crate::event::DriverDisplay;
use juden_domain::ids::MemberId;
use juden_domain::units::Yen;

/// The longest content of a message (MessageContentType).
const CONTENT_MAX: usize = 512;

/// Adds a message to an answer, and to a TransactionEvent's also the cost. If a token was shown,
/// they are added only if it is an accepted card of the same member, and the message goes into
/// idTokenInfo. Without a token, only a TransactionEvent's answer gets them.
pub fn added(action: &str, answer: String, shown: &DriverDisplay) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&answer) else { return answer };
    let is_own = |info: &Value| {
        let group =
            info.get("groupIdToken").and_then(|group| group.get("idToken")).and_then(Value::as_str);
        info.get("status").is_some_and(|status| status == "Accepted")
            && group.is_some()
            && group == shown.member.as_ref().map(MemberId::as_str)
    };
    let token = fields.get("idTokenInfo");
    let (has_token, is_event) = (token.is_some(), action == "TransactionEvent");
    if token.is_some_and(|info| !is_own(info)) {
        return answer;
    }
    if let Some(cost) = shown.cost.filter(|_| is_event) {
        fields.insert("totalCost".into(), number(cost));
    }
    if let Some((language, text)) = &shown.message {
        let content: String = text.chars().take(CONTENT_MAX).collect();
        let message = json!({"format": "UTF8", "language": language, "content": content});
        match fields.get_mut("idTokenInfo").and_then(Value::as_object_mut) {
            Some(info) => drop(info.insert("personalMessage".into(), message)),
            None if is_event && !has_token => {
                drop(fields.insert("updatedPersonalMessage".into(), message));
            }
            None => {}
        }
    }
    Value::Object(fields).to_string()
}

/// CostUpdated: shows a transaction's cost so far (I02).
pub fn cost_command(transaction: &str, cost: Yen) -> (&'static str, Value) {
    ("CostUpdated", json!({"totalCost": number(cost), "transactionId": transaction}))
}

/// Whole yen as a JSON number. The standard's type is decimal.
fn number(cost: Yen) -> Value {
    Value::Number(Number::from(cost.hundredths() / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cost: Option<i64>) -> DriverDisplay {
        let member = MemberId::parse("M-1").ok();
        DriverDisplay {
            member,
            cost: cost.map(Yen::whole),
            message: Some(("ja", "残".repeat(CONTENT_MAX + 1))),
        }
    }

    #[test]
    fn a_message_stands_with_the_token_where_it_is_accepted_and_else_alone() {
        let read = |action: &str, answer: &str| -> Value {
            serde_json::from_str(&added(action, answer.to_owned(), &shown(Some(385)))).unwrap()
        };
        let accepted = read(
            "TransactionEvent",
            r#"{"idTokenInfo":{"status":"Accepted","groupIdToken":{"idToken":"M-1","type":"Central"}}}"#,
        );
        assert_eq!(accepted["totalCost"], 385);
        assert_eq!(
            accepted["idTokenInfo"]["personalMessage"]["content"].as_str().unwrap().chars().count(),
            CONTENT_MAX
        );
        assert!(accepted.get("updatedPersonalMessage").is_none());
        // Another's card, a refused one and nobody's learn nothing.
        for info in [
            json!({"status": "Blocked"}),
            json!({"status": "Accepted"}),
            json!({"status": "Accepted", "groupIdToken": {"idToken": "M-2", "type": "Central"}}),
            json!({"status": "Invalid", "groupIdToken": {"idToken": "M-1", "type": "Central"}}),
        ] {
            let answer = json!({"idTokenInfo": info});
            assert_eq!(read("TransactionEvent", &answer.to_string()), answer);
            assert_eq!(read("Authorize", &answer.to_string()), answer);
        }
        assert_eq!(read("TransactionEvent", "{}")["updatedPersonalMessage"]["language"], "ja");
    }

    #[test]
    fn what_is_added_fits_the_standard() {
        for (action, answer) in [
            ("TransactionEvent", "{}"),
            (
                "Authorize",
                r#"{"idTokenInfo":{"status":"Accepted","groupIdToken":{"idToken":"M-1","type":"Central"}}}"#,
            ),
        ] {
            let Ok(Value::Object(read)) =
                serde_json::from_str(&added(action, answer.to_owned(), &shown(Some(0))))
            else {
                panic!()
            };
            crate::protocol::Protocol::V201.answer_fits(action, &read).unwrap();
        }
        let (action, payload) = cost_command("T-1", Yen::whole(44));
        crate::protocol::Protocol::V201
            .check_command(action, payload.as_object().unwrap())
            .unwrap()
            .unwrap();
    }
}
