use juden_domain::ids::MemberId;
use juden_domain::member::MemberKind;
use juden_domain::payment::{PaymentKind, PaymentMethod};

use crate::error::AppError;
use crate::members::admission::Application;
use crate::testing::Ground;

#[tokio::test]
async fn who_joins_needs_an_address_and_a_plan_that_a_tariff_has() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    let application = |email: &str| Application {
        name: "Aoki Transport".into(),
        kind: MemberKind::Corporation,
        email: email.into(),
        plan: "simple".into(),
        term_contract: false,
        payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
        vehicle_vin: None,
        art80_permit: false,
        await_decision: false,
    };
    let no_address = app.members.apply(application("nobody")).await;
    assert!(matches!(no_address, Err(AppError::Invalid { field, .. }) if field == "email"));
    let no_tariff = app.members.apply(application("fleet@example.jp")).await;
    assert!(no_tariff.is_err(), "no tariff is in force");
    let unknown = app.members.member(&MemberId::parse("M-000001").unwrap()).await;
    assert!(matches!(unknown, Err(AppError::NotFound { what: "member", .. })), "{unknown:?}");
}
