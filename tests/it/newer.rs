//! Calls that a test writes in the words of OCPP 1.6, told in those of 2.0.1, and the answers told back. So a story is
//! one text for both versions. `JUDEN_TEST_OCPP=2.0.1` asks for it.

use std::collections::HashMap;

use serde_json::{Value, json};

pub struct Newer {
    client: reqwest::Client,
    api: String,
    key: String,
    station: String,
    /// The contents that were sent as ends of a transaction: each is an event of its own.
    ends: HashMap<String, Vec<String>>,
}

fn token(text: &Value) -> Value {
    json!({"idToken": text, "type": "ISO14443"})
}

fn register(at: &Value, wh: &Value, context: &str) -> Value {
    json!([{"timestamp": at, "sampledValue": [{"value": wh, "context": context}]}])
}

/// What 1.6 calls a status.
fn older_status(status: &str) -> &str {
    match status {
        "Unknown" | "NotAtThisLocation" => "Invalid",
        "NotAtThisTime" => "Blocked",
        other => other,
    }
}

impl Newer {
    /// Whether the tests are to speak 2.0.1.
    pub fn wanted() -> bool {
        std::env::var("JUDEN_TEST_OCPP").is_ok_and(|version| version == "2.0.1")
    }

    pub fn new(client: reqwest::Client, api: String, key: &str, station: &str) -> Self {
        Self { client, api, key: key.to_owned(), station: station.to_owned(), ends: HashMap::new() }
    }

    async fn get(&self, path: &str) -> Value {
        let text = self
            .client
            .get(format!("{}{path}", self.api))
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// A start's content makes its name: a repeat is one, over whichever connection.
    fn name(payload: &Value) -> String {
        let text = format!(
            "{}|{}|{}|{}",
            payload["connectorId"], payload["idTag"], payload["timestamp"], payload["meterStart"]
        );
        let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        format!("T-{sum:016x}")
    }

    pub async fn call(&mut self, action: &str, payload: &Value) -> (&'static str, Value) {
        match action {
            "Authorize" => ("Authorize", json!({"idToken": token(&payload["idTag"])})),
            "Heartbeat" => ("Heartbeat", json!({})),
            "StartTransaction" => {
                let at = &payload["timestamp"];
                let event = json!({"eventType": "Started", "timestamp": at, "triggerReason": "Authorized", "seqNo": 0,
                    "transactionInfo": {"transactionId": Self::name(payload), "chargingState": "Charging"},
                    "evse": {"id": payload["connectorId"], "connectorId": 1}, "idToken": token(&payload["idTag"]),
                    "meterValue": register(at, &payload["meterStart"], "Transaction.Begin")});
                ("TransactionEvent", event)
            }
            "StopTransaction" => {
                let session = self.get(&format!("/sessions/{}", payload["transactionId"])).await;
                let name = session["station_transaction_id"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{session}"))
                    .to_owned();
                let ends = self.ends.entry(name.clone()).or_default();
                let content = payload.to_string();
                let place = ends.iter().position(|known| *known == content).unwrap_or_else(|| {
                    ends.push(content);
                    ends.len() - 1
                });
                let at = &payload["timestamp"];
                let mut event = json!({"eventType": "Ended", "timestamp": at, "triggerReason": "StopAuthorized", "seqNo": 1 + place,
                    "transactionInfo": {"transactionId": name, "stoppedReason": "Local"},
                    "meterValue": register(at, &payload["meterStop"], "Transaction.End")});
                if !payload["idTag"].is_null() {
                    event["idToken"] = token(&payload["idTag"]);
                }
                ("TransactionEvent", event)
            }
            other => panic!("{other} is not told in 2.0.1 yet"),
        }
    }

    pub async fn answer(&self, action: &str, sent: &Value, mut answer: Value) -> Value {
        assert_eq!(answer[0], 3, "{answer}");
        let info = answer[2]["idTokenInfo"].take();
        if let Some(status) = info["status"].as_str() {
            answer[2]["idTagInfo"] = json!({"status": older_status(status), "parentIdTag": info["groupIdToken"]["idToken"],
                "expiryDate": info["cacheExpiryDateTime"]});
        }
        if action == "StartTransaction" {
            let sessions =
                self.get(&format!("/sessions?limit=500&station_id={}", self.station)).await;
            let is_it = |session: &&Value| {
                session["station_transaction_id"] == sent["transactionInfo"]["transactionId"]
            };
            let session = sessions["items"]
                .as_array()
                .unwrap()
                .iter()
                .find(is_it)
                .unwrap_or_else(|| panic!("{sent} is in no session"));
            answer[2]["transactionId"] = session["transaction_id"].clone();
        }
        answer
    }
}
