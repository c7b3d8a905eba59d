//! JSON texts of histories, sessions and invoices, which both engines store alike.

pub mod events;
pub mod evidence;
pub mod invoices;
pub mod programme;
pub mod settled;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{StoreError, Stored};
use juden_domain::ids::IdTag;

/// An event's kind and detail, as its two columns hold them.
pub type Kept = (String, String);

/// Splits an adjacently tagged event into kind and detail.
fn kept<T: Serialize>(event: &T) -> Kept {
    let value = serde_json::to_value(event).expect("these documents have string keys only");
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    (kind, value.get("detail").unwrap_or(&Value::Null).to_string())
}

/// Reads what [`kept`] wrote. The kind comes first in the JSON. Otherwise serde would buffer the
/// detail, and exact numbers would be lost.
fn read<T: DeserializeOwned>(kind: &str, detail: &str, what: &'static str) -> Stored<T> {
    let kind = Value::String(kind.to_owned());
    let tagged = if detail == "null" {
        format!("{{\"kind\":{kind}}}")
    } else {
        format!("{{\"kind\":{kind},\"detail\":{detail}}}")
    };
    serde_json::from_str(&tagged).map_err(|_| StoreError::Unreadable(what))
}

/// A card's further id tags, from a JSON array.
pub fn read_readings(text: &str) -> Stored<Vec<IdTag>> {
    let readings: Vec<String> =
        serde_json::from_str(text).map_err(|_| StoreError::Unreadable("card's readings"))?;
    Ok(readings.iter().map(|text| IdTag::new(text)).collect())
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("these documents have string keys only")
}

#[cfg(test)]
mod tests {
    use super::*;
    use juden_domain::card::CardEvent;
    use juden_domain::ending::Disqualification;
    use juden_domain::ids::CardNumber;
    use juden_domain::member::MemberEvent;
    use juden_domain::programme::ProgrammeEvent;
    use juden_domain::suspension::{Scope, ServiceSuspension, Sites, Span};

    #[test]
    fn events_with_numbers_and_without_anything_read_back_as_they_were() {
        let at = "2024-05-01T00:00:00.123Z".parse().unwrap();
        for event in [
            MemberEvent::Withdrawn,
            MemberEvent::Disqualified(Disqualification {
                ground: 7,
                known_at: at,
                effective_at: at,
            }),
            MemberEvent::PlanChangeRequested { plan: "simple".into(), term: None },
        ] {
            let (kind, detail) = events::member_event(&event);
            assert_eq!(events::read_member_event(&kind, &detail).unwrap(), event);
        }
        let suspension = ServiceSuspension {
            scope: Scope::Both,
            sites: Sites::All,
            reason: 6,
            span: Span { from: at, to: None },
            note: "x".into(),
        };
        for event in [
            ProgrammeEvent::SuspensionOpened(suspension),
            ProgrammeEvent::SuspensionClosed { number: 12, to: at },
        ] {
            let (kind, detail) = programme::programme_event(&event);
            assert_eq!(programme::read_programme_event(&kind, &detail).unwrap(), event);
        }
        for event in
            [CardEvent::Deactivated, CardEvent::Replaced { by: CardNumber::parse("C-2").unwrap() }]
        {
            let (kind, detail) = events::card_event(&event);
            assert_eq!(events::read_card_event(&kind, &detail).unwrap(), event);
        }
    }
}
