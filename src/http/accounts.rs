//! A member's account: the sums that it owes and has paid.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{Body, QueryParams, Segment, YenSchema, member_id, yen_text_if_named};
use super::entries::{EntryJson, entry_json};
use super::members::{MemberJson, json};
use super::problem::{Problem, Problems};
use super::usage::{InvoiceJson, invoice_json};
use juden_core::members::accounts::PaymentOutcome;
use juden_domain::units::Yen;

/// A member's account.
#[derive(Serialize, ToSchema)]
pub struct AccountJson {
    member_id: String,
    /// The unpaid invoices.
    open_invoices: Vec<OpenInvoiceJson>,
    /// The unpaid sum of these invoices.
    open_yen: String,
    /// The unpaid sum less the carried credit.
    balance_yen: String,
    /// The carried credit, which lowers the next invoices.
    carried_credit_yen: String,
    /// Every invoice, oldest first.
    invoices: Vec<AccountInvoiceJson>,
    /// Sums entered by hand.
    entries: Vec<EntryJson>,
    /// The day on which the whole sum is due, if the operator ended the membership.
    due_on: Option<String>,
}

/// An invoice with the sum paid of it.
#[derive(Serialize, ToSchema)]
pub struct AccountInvoiceJson {
    #[serde(flatten)]
    invoice: InvoiceJson,
    paid_yen: String,
}

/// An unpaid invoice.
#[derive(Serialize, ToSchema)]
pub struct OpenInvoiceJson {
    #[serde(flatten)]
    invoice: InvoiceJson,
    due_on: String,
    /// Whether a payment of the invoice failed.
    failed: bool,
    /// The unpaid sum of the invoice.
    open_yen: String,
}

/// Shows a member's account.
#[utoipa::path(get, operation_id = "accounts_get", path = "/members/{member_id}/account",
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = AccountJson), Problems))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<AccountJson>, Problem> {
    let account = api.app.members.account(&member_id(&id)?).await?;
    let open = account.open.iter().map(|open| OpenInvoiceJson {
        invoice: invoice_json(&open.invoice),
        due_on: open.due_on.to_string(),
        failed: open.failed,
        open_yen: open.left.to_string(),
    });
    let invoices = account.invoices.iter().map(|(invoice, paid)| AccountInvoiceJson {
        invoice: invoice_json(invoice),
        paid_yen: paid.to_string(),
    });
    let member = member_id(&id)?;
    Ok(Json(AccountJson {
        member_id: id,
        open_invoices: open.collect(),
        open_yen: account.open_total.to_string(),
        balance_yen: (account.open_total - account.carried_credit).to_string(),
        carried_credit_yen: account.carried_credit.to_string(),
        invoices: invoices.collect(),
        entries: account.entries.iter().map(|entry| entry_json(&member, entry)).collect(),
        due_on: account.accelerated_to.map(|day| day.to_string()),
    }))
}

/// The outcome of a payment.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeName {
    /// The payment was made.
    Paid,
    /// The payment failed.
    Failed,
}

/// The report of a payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentReport {
    #[schema(max_length = 64)]
    invoice_id: String,
    outcome: OutcomeName,
    /// The sum paid in part; left out: the whole unpaid sum.
    #[serde(default, deserialize_with = "yen_text_if_named")]
    #[schema(value_type = Option<YenSchema>)]
    amount_yen: Option<String>,
}

/// Records the outcome of an invoice's payment.
#[utoipa::path(post, operation_id = "accounts_note_payment", path = "/members/{member_id}/payments", request_body = PaymentReport,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn note_payment(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<PaymentReport>,
) -> Result<Json<MemberJson>, Problem> {
    let outcome = match body.outcome {
        OutcomeName::Paid => PaymentOutcome::Paid,
        OutcomeName::Failed => PaymentOutcome::Failed,
    };
    let whole = |text: &str| {
        let yen = Yen::parse(text).filter(|yen| yen.floor_to_whole() == *yen);
        yen.ok_or_else(|| {
            Problem::malformed("amount_yen", "amount_yen must be whole yen such as \"1320\"")
        })
    };
    let part = body.amount_yen.as_deref().map(whole).transpose()?;
    Ok(Json(json(
        &api,
        &api.app.members.note_payment(&member_id(&id)?, &body.invoice_id, outcome, part).await?,
    )))
}

/// The instant up to which paid fees count.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UntilQuery {
    /// The instant of the damage; left out: now.
    until: Option<DateTime<Utc>>,
}

/// The fees that limit the operator's liability.
#[derive(Serialize, ToSchema)]
pub struct FeesPaidJson {
    member_id: String,
    fees_paid_yen: String,
    /// The instant up to which payments count.
    counted_until: DateTime<Utc>,
    /// The article of the member terms that applies.
    article: String,
}

/// Shows the fees paid that limit the operator's liability.
#[utoipa::path(get, operation_id = "accounts_fees_paid", path = "/members/{member_id}/fees-paid",
    params(("member_id" = String, Path, max_length = 32), UntilQuery),
    responses((status = 200, description = "done", body = FeesPaidJson), Problems))]
pub async fn fees_paid(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    QueryParams(query): QueryParams<UntilQuery>,
) -> Result<Json<FeesPaidJson>, Problem> {
    let until = query.until.unwrap_or_else(|| api.app.now());
    let (sum, counted_until) = api.app.members.fees_paid(&member_id(&id)?, until).await?;
    Ok(Json(FeesPaidJson {
        member_id: id,
        fees_paid_yen: sum.to_string(),
        counted_until,
        article: "23.2".to_owned(),
    }))
}
