use juden_domain::card::Suspension;
use juden_domain::ids::CardNumber;

use crate::error::AppError;
use crate::testing::Ground;

const NOW: &str = "2024-06-10T00:00:00Z";

#[tokio::test]
async fn a_tag_is_one_cards_however_it_is_spelt() {
    let ground = Ground::at(NOW).await;
    let app = ground.app().await;
    let (number, code) = app.cards.add_card("04A2B3C4", None, None).await.unwrap();
    assert!(!code.is_empty());
    let again = app.cards.add_card("04:a2:b3:c4", None, None).await;
    assert!(matches!(again, Err(AppError::Conflict { reason: "id_tag_taken", .. })), "{again:?}");
    assert_eq!(app.cards.card(&number).await.unwrap().card.id_tag.as_sent(), "04A2B3C4");
}

#[tokio::test]
async fn a_card_that_nobody_has_cannot_be_suspended() {
    let ground = Ground::at(NOW).await;
    let app = ground.app().await;
    let number = CardNumber::parse("C-00000009").unwrap();
    let unknown = app.cards.suspend_card(&number, Suspension::Lost, None).await;
    assert!(matches!(unknown, Err(AppError::NotFound { what: "card", .. })), "{unknown:?}");
}
