use super::*;

#[test]
fn a_message_with_a_number_reads_back_as_it_was_written() {
    let text =
        serde_json::to_string(&NodeMessage::Evict { station: "CP1".into(), below: 7 }).unwrap();
    assert!(
        matches!(serde_json::from_str(&text).unwrap(), NodeMessage::Evict { below: 7, .. }),
        "{text}"
    );
    let call = NodeMessage::Outcome {
        id: "1".into(),
        outcome: RoutedOutcome::Result("{\"a\":1.50}".into()),
    };
    let text = serde_json::to_string(&call).unwrap();
    let NodeMessage::Outcome { outcome: RoutedOutcome::Result(payload), .. } =
        serde_json::from_str(&text).unwrap()
    else {
        panic!("{text}")
    };
    assert_eq!(payload, "{\"a\":1.50}");
}
