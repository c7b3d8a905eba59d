use super::*;
use crate::testing::Ground;

#[tokio::test]
async fn the_clock_is_in_doubt_until_it_comes_to_what_the_store_holds() {
    let ground = Ground::at("2026-11-30T12:00:00Z").await;
    let health = Health::new(ground.store, ground.clock);
    let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
    assert_eq!(health.clock_in_doubt(now), None);
    let newest = now + TimeDelta::hours(2);
    *locked(&health.ahead) = Some(newest);
    assert_eq!(health.clock_in_doubt(now), Some(newest));
    assert_eq!(health.clock_in_doubt(newest - TimeDelta::seconds(AHEAD_MAX_S)), None);
    assert_eq!(health.clock_in_doubt(now), None, "it is not asked again");
}

#[tokio::test]
async fn a_failed_close_is_told_until_one_succeeds() {
    let ground = Ground::at("2026-11-30T12:00:00Z").await;
    let health = Health::new(ground.store, ground.clock);
    health.months_were_looked_at(Some("no tariff".into()));
    assert_eq!(health.months(), Err("no tariff".into()));
    health.months_were_looked_at(None);
    assert_eq!(health.months(), Ok(()));
}
