//! What persons correct in a year's history, and what they enter by hand.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::harness::{Answered, TestServer};
use crate::history::Use;

/// What a person says of a session, some events after it arrived.
#[derive(Debug, Clone)]
pub enum Settling {
    Waive,
    ToUnits(i64),
    ByYen(i64),
    /// The class of its charger, and back.
    ClassAndUndo,
    /// Its end, where it has none.
    End,
}

/// What is said of a session later: of some, and of most that nobody stopped.
pub fn settling(random: &mut ChaCha8Rng, one: &Use) -> Option<(u32, Settling)> {
    let after = random.random_range(0..6);
    let settling = match random.random_range(0..600) {
        _ if one.to.is_none() => {
            return (!one.doubtful && one.id_tag != "NOBODYS")
                .then_some((after + 1, Settling::End));
        }
        0 => Settling::Waive,
        1 => Settling::ToUnits(random.random_range(0..20)),
        2 => Settling::ByYen(random.random_range(1..1_500)),
        3 => Settling::ClassAndUndo,
        _ => return None,
    };
    (!one.doubtful && one.id_tag != "NOBODYS").then_some((after, settling))
}

pub fn entry(kind: &str, yen: i64) -> Value {
    json!({"kind": kind, "amount_yen": yen.to_string(), "reason": format!("{kind} of {yen} yen")})
}

/// Confirms what waits, as somebody else than who asked for it.
pub async fn confirm(server: &TestServer, path: &str) -> Answered {
    server
        .request("POST", path, Some("{}".to_owned()), &[("Juden-Actor", "the second person")])
        .await
}

/// Corrects a session; whether it was.
pub async fn correct(server: &TestServer, number: i64, settling: &Settling) -> bool {
    let session = server.session(number).await;
    let other = if session["charger_class"] == "quick" { "normal" } else { "quick" };
    let bodies = match settling {
        Settling::Waive => vec![json!({"kind": "waive"})],
        Settling::ToUnits(units) => vec![json!({"kind": "reduce", "charged_units": units})],
        Settling::ByYen(yen) => vec![json!({"kind": "reduce", "amount_yen": yen.to_string()})],
        Settling::ClassAndUndo => {
            vec![json!({"kind": "class", "charger_class": other}), json!({"kind": "undo"})]
        }
        // Where nothing shows when it ended, the person says when.
        Settling::End => {
            let began: DateTime<Utc> = session["started_at"].as_str().unwrap().parse().unwrap();
            let ended = (began + TimeDelta::minutes(25)).to_rfc3339();
            vec![json!({"kind": "end", "stopped_at": ended}), json!({"kind": "bill"})]
        }
    };
    for mut body in bodies {
        body["reason"] = json!("the member called");
        let name = session["session_id"].as_str().unwrap();
        let answered = server.post(&format!("/sessions/{name}/corrections"), &body).await;
        // What is not billed, or not for a member, is nothing to reduce.
        if answered.status == 409 {
            return false;
        }
        assert_eq!(answered.status, 200, "{body} of {session}: {answered:?}");
        if answered.json()["state"] == "waiting" {
            let correction = answered.json()["correction_id"].as_str().unwrap().to_owned();
            assert_eq!(
                confirm(server, &format!("/corrections/{correction}/confirm")).await.status,
                200
            );
        }
    }
    true
}
