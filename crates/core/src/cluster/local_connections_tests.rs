use super::*;

#[tokio::test]
async fn the_newer_connection_wins_and_the_older_ones_end_leaves_it_in_place() {
    let seats = Arc::new(LocalConnections::default());
    let station = StationId::parse("CP1").unwrap();
    let now = DateTime::UNIX_EPOCH;
    let older = seats.seat(&station, "ocpp1.6", Fence::default(), now);
    let newer = seats.seat(&station, "ocpp1.6", Fence::default(), now);
    assert!(*older.replaced.borrow());
    assert!(!older.is_current() && newer.is_current());
    drop(older);
    assert!(seats.connection(&station, "n1").is_some());
    drop(newer);
    assert!(seats.connection(&station, "n1").is_none());
}

#[test]
fn a_connection_is_evicted_by_a_higher_fence_alone() {
    let seats = Arc::new(LocalConnections::default());
    let station = StationId::parse("CP1").unwrap();
    let fence = Fence::default();
    let seat = seats.seat(&station, "ocpp1.6", fence.clone(), DateTime::UNIX_EPOCH);
    seats.evict(&station, 9);
    assert!(!*seat.replaced.borrow(), "its own fence is not known yet");
    fence.set(9);
    seats.evict(&station, 9);
    assert!(!*seat.replaced.borrow());
    seats.evict(&station, 10);
    assert!(*seat.replaced.borrow());
}

#[tokio::test]
async fn calls_wait_up_to_the_limit_and_are_refused_past_it() {
    let seats = Arc::new(LocalConnections::default());
    let station = StationId::parse("CP1").unwrap();
    let call = || OutgoingCall {
        message_id: "m".into(),
        action: "ClearCache".into(),
        payload: "{}".into(),
        reply: tokio::sync::oneshot::channel().0,
    };
    assert_eq!(seats.route(&station, call()), Err(NotRouted::Offline));
    let _seat = seats.seat(&station, "ocpp1.6", Fence::default(), DateTime::UNIX_EPOCH);
    for _ in 0..CALLS_WAITING_MAX {
        assert_eq!(seats.route(&station, call()), Ok(()));
    }
    assert_eq!(seats.route(&station, call()), Err(NotRouted::Busy));
}
