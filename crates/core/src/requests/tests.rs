use juden_store::KeptAnswer;

use crate::requests::once::Earlier;
use crate::testing::Ground;

#[tokio::test]
async fn an_answer_is_kept_for_the_repeats_of_its_request_alone() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    let (key, what) = ("key-1", "POST /members");
    assert!(matches!(app.requests.earlier(key, what).await.unwrap(), Earlier::Nothing));
    let kept = KeptAnswer {
        body_sha256: "00".into(),
        status: 201,
        content_type: "application/json".into(),
        answer: "{}".into(),
    };
    app.requests.keep_answer(key, what, &kept).await.unwrap();
    let earlier = app.requests.earlier(key, what).await.unwrap();
    assert!(matches!(earlier, Earlier::Answered(answer) if answer.status == 201));
    assert!(matches!(app.requests.earlier(key, "POST /cards").await.unwrap(), Earlier::Nothing));
}
