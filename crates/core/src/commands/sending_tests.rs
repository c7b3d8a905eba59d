use super::*;

#[test]
fn what_a_station_did_not_answer_is_unknown_and_not_rejected() {
    assert_eq!(told(CallOutcome::TimedOut).0, "unknown");
    assert_eq!(told(CallOutcome::Disconnected).0, "unknown");
    assert_eq!(told(CallOutcome::Answered(Reply::Result("[]".into()))).0, "error");
}
