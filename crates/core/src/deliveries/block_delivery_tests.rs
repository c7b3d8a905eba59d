use super::*;

#[test]
fn a_station_has_one_turn_and_who_comes_with_news_meanwhile_has_it_begin_again() {
    let (telling, station) = (Telling::default(), StationId::parse("CP1").unwrap());
    assert!(telling.begin(&station, false));
    assert!(!telling.begin(&station, false));
    assert!(telling.ends(&station), "nobody had news");
    assert!(telling.begin(&station, true));
    assert!(!telling.begin(&station, true));
    assert!(!telling.ends(&station), "it begins again");
    assert!(telling.ends(&station));
    assert!(telling.begin(&station, false));
}
