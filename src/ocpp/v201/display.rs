//! What a driver is shown: the cost of a transaction and a personal message (OCPP 2.0.1 I01 to I03).

use serde_json::{Map, Number, Value, json};

use crate::domain::units::Yen;
use crate::ocpp::event::DriverDisplay;

/// The longest content of a message (MessageContentType).
const CONTENT_MAX: usize = 512;

/// An answer with the cost and message added: the message beside what is told of a token, and else on its own.
pub fn added(action: &str, answer: String, shown: &DriverDisplay) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&answer) else { return answer };
    if let Some(cost) = shown.cost.filter(|_| action == "TransactionEvent") {
        fields.insert("totalCost".into(), number(cost));
    }
    if let Some((language, text)) = &shown.message {
        let content: String = text.chars().take(CONTENT_MAX).collect();
        let message = json!({"format": "UTF8", "language": language, "content": content});
        match fields.get_mut("idTokenInfo").and_then(Value::as_object_mut) {
            Some(info) if info.get("status").is_some_and(|status| status == "Accepted") => {
                info.insert("personalMessage".into(), message);
            }
            Some(_) => {}
            None if action == "TransactionEvent" => {
                fields.insert("updatedPersonalMessage".into(), message);
            }
            None => {}
        }
    }
    Value::Object(fields).to_string()
}

/// Shows what a transaction costs so far (I02).
pub fn cost_command(transaction: &str, cost: Yen) -> (&'static str, Value) {
    ("CostUpdated", json!({"totalCost": number(cost), "transactionId": transaction}))
}

/// Yen as a JSON number: the standard has a decimal, and yen are whole.
fn number(cost: Yen) -> Value {
    Value::Number(Number::from(cost.hundredths() / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cost: Option<i64>) -> DriverDisplay {
        DriverDisplay { cost: cost.map(Yen::whole), message: Some(("ja", "残".repeat(CONTENT_MAX + 1))) }
    }

    #[test]
    fn a_message_stands_with_the_token_where_it_is_accepted_and_else_alone() {
        let read =
            |action: &str, answer: &str| -> Value { serde_json::from_str(&added(action, answer.to_owned(), &shown(Some(385)))).unwrap() };
        let accepted = read("TransactionEvent", r#"{"idTokenInfo":{"status":"Accepted"}}"#);
        assert_eq!(accepted["totalCost"], 385);
        assert_eq!(accepted["idTokenInfo"]["personalMessage"]["content"].as_str().unwrap().chars().count(), CONTENT_MAX);
        assert!(accepted.get("updatedPersonalMessage").is_none());
        let refused = read("Authorize", r#"{"idTokenInfo":{"status":"Blocked"}}"#);
        assert_eq!(refused, json!({"idTokenInfo": {"status": "Blocked"}}));
        assert_eq!(read("TransactionEvent", "{}")["updatedPersonalMessage"]["language"], "ja");
    }

    #[test]
    fn what_is_added_fits_the_standard() {
        for (action, answer) in [("TransactionEvent", "{}"), ("Authorize", r#"{"idTokenInfo":{"status":"Accepted"}}"#)] {
            let Ok(Value::Object(read)) = serde_json::from_str(&added(action, answer.to_owned(), &shown(Some(0)))) else { panic!() };
            crate::ocpp::protocol::Protocol::V201.answer_fits(action, &read).unwrap();
        }
        let (action, payload) = cost_command("T-1", Yen::whole(44));
        crate::ocpp::protocol::Protocol::V201.check_command(action, payload.as_object().unwrap()).unwrap().unwrap();
    }
}
