use crate::error::AppError;
use crate::testing::{Ground, station_draft, station_id};

#[tokio::test]
async fn mistakes_are_told_before_a_station_is_looked_for_and_an_absent_one_is_a_conflict() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    let id = station_id("CP1");
    let nothing = serde_json::Map::new();
    let unknown = app.commands.send_call(&id, "Reset", &nothing, "operator").await;
    assert!(matches!(unknown, Err(AppError::NotFound { what: "station", .. })), "{unknown:?}");
    app.stations.put_station(&id, station_draft()).await.unwrap();
    for (action, field) in [("NoSuchAction", "action"), ("Reset", "type")] {
        let wrong = app.commands.send_call(&id, action, &nothing, "operator").await;
        assert!(matches!(wrong, Err(AppError::Invalid { field: f, .. }) if f == field), "{action}");
    }
    let away = app.commands.send_call(&id, "ClearCache", &nothing, "operator").await;
    assert!(matches!(away, Err(AppError::Conflict { reason: "station_offline", .. })), "{away:?}");
}
