use super::*;

fn setup(seed: u64) -> PlanSetup {
    PlanSetup {
        seed,
        sessions_per_station: 20,
        from: "2026-11-01T00:00:00Z".parse().unwrap(),
        until: "2026-11-30T00:00:00Z".parse().unwrap(),
        readings: 3,
        offline_one_in: 4,
    }
}

fn station() -> PlannedStation {
    PlannedStation {
        station_id: "CP1".into(),
        version: Version::V16,
        quick: true,
        id_tags: vec!["A".into(), "B".into()],
    }
}

#[test]
fn the_same_seed_is_the_same_plan_and_another_is_another() {
    assert_eq!(sessions(&setup(7), &station(), 1), sessions(&setup(7), &station(), 1));
    assert_ne!(sessions(&setup(7), &station(), 1), sessions(&setup(8), &station(), 1));
    assert_ne!(sessions(&setup(7), &station(), 1), sessions(&setup(7), &station(), 2));
}

#[test]
fn sessions_of_a_station_follow_each_other_and_its_meter_only_grows() {
    let planned = sessions(&setup(7), &station(), 1);
    for pair in planned.windows(2) {
        assert!(pair[0].stop <= pair[1].start);
        assert!(pair[0].meter_stop_wh <= pair[1].meter_start_wh);
    }
    for session in &planned {
        assert!(session.start < session.stop);
        assert!(session.readings.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
