use juden_domain::station::Registration;

use crate::error::AppError;
use crate::stations::registry::StationDraft;
use crate::testing::{Ground, station_draft, station_id};

const NOW: &str = "2024-06-10T00:00:00Z";

#[tokio::test]
async fn a_new_station_needs_a_site_and_connectors_and_keeps_what_a_change_does_not_name() {
    let ground = Ground::at(NOW).await;
    let app = ground.app().await;
    let id = station_id("CP1");
    let bare = app.stations.put_station(&id, StationDraft::default()).await;
    assert!(matches!(bare, Err(AppError::Invalid { .. })), "{bare:?}");
    let (_, is_new) = app.stations.put_station(&id, station_draft()).await.unwrap();
    assert!(is_new);
    let change =
        StationDraft { registration: Some(Registration::Pending), ..StationDraft::default() };
    let (_, is_new) = app.stations.put_station(&id, change).await.unwrap();
    let kept = app.stations.find(&id).await.unwrap().unwrap();
    assert!(!is_new && kept.site == "Yokohama" && kept.connectors.len() == 1);
    assert_eq!(kept.registration, Registration::Pending);
}

#[tokio::test]
async fn a_profile_with_a_password_is_refused_without_one() {
    let ground = Ground::at(NOW).await;
    let app = ground.app().await;
    let draft = StationDraft { security_profile: Some(2), ..station_draft() };
    let refused = app.stations.put_station(&station_id("CP1"), draft).await;
    assert!(matches!(refused, Err(AppError::Invalid { field, .. }) if field == "password"));
}
