use crate::error::AppError;
use crate::testing::Ground;

#[tokio::test]
async fn a_session_that_is_not_there_is_told_by_its_name() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    app.overdue.end_overdue().await.unwrap();
    for name in ["S-2222222222222222", "7", "no name at all"] {
        let unknown = app.sessions.find_session(name).await;
        assert!(matches!(unknown, Err(AppError::NotFound { id, .. }) if id == name));
    }
}
