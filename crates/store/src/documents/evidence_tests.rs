use super::*;

#[test]
fn what_was_kept_reads_back_as_it_was() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let heard = Heard {
        received_at: at("2024-05-01T00:00:00.123Z"),
        connected_since: at("2024-05-01T00:00:00Z"),
        clock: None,
    };
    let event = |order, kind, reported| TransactionEvent {
        order,
        kind,
        reported,
        heard,
        id_tag: None,
        accepted: false,
        evse_id: None,
        charging: None,
        changed: true,
        reason: None,
        registers: Registers::default(),
        malformed: false,
    };
    let local = Reported {
        text: "2024-05-01T09:00:00".into(),
        moment: Moment::Local("2024-05-01T09:00:00".parse().unwrap()),
    };
    let said = Reported { text: "x".into(), moment: Moment::At(at("2024-05-01T00:00:00.456Z")) };
    let mut whole = event(7, EventType::Ended, said);
    whole
        .registers
        .take("Transaction.End", Register { at: at("2024-05-01T00:00:00Z"), value: WattHours(-5) });
    (whole.id_tag, whole.evse_id, whole.charging, whole.reason) =
        (Some("A".into()), Some(1), Some(true), Some("Local".into()));
    let unreadable = Reported { text: "soon".into(), moment: Moment::Unreadable };
    let mut kept = Evidence { tells_charged: true, numbers_repeated: true, ..Evidence::default() };
    for event in
        [event(0, EventType::Started, local), event(1, EventType::Updated, unreadable), whole]
    {
        kept.add(event);
    }
    assert_eq!(read_evidence(&evidence(&kept)).unwrap(), kept);
}
