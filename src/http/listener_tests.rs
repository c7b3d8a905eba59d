use super::*;

#[test]
fn the_connection_that_was_idle_longest_makes_room_and_none_that_is_busy() {
    let doors = Arc::new(Doors::default());
    let address = |last: u8| IpAddr::from([127, 0, 0, last]);
    let mut open: Vec<Door> = (0..ADDRESS_MAX).map(|_| doors.enter(address(1)).unwrap()).collect();
    let busy: Vec<Busy> = open.iter().skip(1).map(|door| Busy::begin(&door.place)).collect();
    open.push(doors.enter(address(1)).unwrap());
    assert!(!doors.places.lock().unwrap().contains_key(&open[0].number), "the first was idle");
    let last = Busy::begin(&open[ADDRESS_MAX].place);
    assert!(doors.enter(address(1)).is_none(), "all of the address are busy");
    assert!(doors.enter(address(2)).is_some(), "another address has its own");
    drop((busy, last));
    assert!(doors.enter(address(1)).is_some());
}

#[test]
fn in_all_there_are_so_many_connections_and_no_more() {
    let doors = Arc::new(Doors::default());
    let open: Vec<Door> = (0..CONNECTIONS_MAX + 50)
        .map(|n| doors.enter(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes())).unwrap())
        .collect();
    assert_eq!(doors.places.lock().unwrap().len(), CONNECTIONS_MAX);
    drop(open);
    assert!(doors.places.lock().unwrap().is_empty());
}
