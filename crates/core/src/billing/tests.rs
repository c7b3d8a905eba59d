use juden_domain::month::BillingMonth;

use crate::error::AppError;
use crate::testing::Ground;

#[tokio::test]
async fn no_month_is_closed_before_somebody_is_named_who_issues_invoices() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    let month = BillingMonth::parse("2024-05").unwrap();
    let refused = app.closing.close_month(month).await;
    assert!(matches!(refused, Err(AppError::Conflict { reason: "issuer_missing", .. })));
    app.closing.run_due().await.unwrap();
    let unknown = app.billing.invoice("2024-05-M-000001").await;
    assert!(matches!(unknown, Err(AppError::NotFound { what: "invoice", .. })), "{unknown:?}");
}
