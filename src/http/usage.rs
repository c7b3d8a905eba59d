//! A member's usage and bills.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{QueryParams, Segment, member_id, month};
use super::problem::{Problem, Problems};
use super::station_body::ClassName;
use juden_core::billing::bills::{BillView, Explained};
use juden_domain::bill::Line;
use juden_domain::invoice::Invoice;
use juden_domain::month::{BillingMonth, in_japan};
use juden_domain::rating::RatedMonth;
use juden_domain::session::Session;

/// The choice whether expired usage and bills are shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// `true`: shows usage and bills of an ended membership even after the time in which the member
    /// can see them.
    #[serde(default)]
    archive: bool,
}

/// A member's usage of a month.
#[derive(Serialize, ToSchema)]
pub struct UsageJson {
    member_id: String,
    month: String,
    pools: Vec<PoolJson>,
    sessions: Vec<UsedSessionJson>,
}

/// The allowance of one charger class. An absent number means no limit.
#[derive(Serialize, ToSchema)]
pub struct PoolJson {
    charger_class: ClassName,
    free_units: Option<i64>,
    used_units: i64,
    free_units_left: Option<i64>,
}

/// A session of the month.
#[derive(Serialize, ToSchema)]
pub struct UsedSessionJson {
    session_id: String,
    station_id: String,
    card_number: Option<String>,
    charger_class: Option<ClassName>,
    started_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
    units: i64,
    free_units: i64,
    charged_units: i64,
    energy_wh: Option<i64>,
    /// The charging site of the session.
    site: String,
    /// The session's flags. They include the reason where `state` is `review`, `exception` or
    /// `quarantined`.
    flags: Vec<String>,
    /// `open`, `ended`, `review`, `exception`, `quarantined` or `waived`.
    state: String,
}

fn usage_json(
    member: String,
    month: BillingMonth,
    rated: &RatedMonth,
    sessions: &[Session],
) -> UsageJson {
    let used = rated.sessions.iter().filter_map(|rated| {
        let session = sessions.iter().find(|session| session.id == rated.id)?;
        Some(UsedSessionJson {
            session_id: session.reference.to_string(),
            station_id: session.station_id.to_string(),
            card_number: session.card.as_ref().map(ToString::to_string),
            charger_class: session.site.map(|site| site.charger_class.into()),
            started_at: session.start.at,
            stopped_at: session.stop.as_ref().map(|stop| stop.edge.at),
            units: rated.units,
            free_units: rated.split.free,
            charged_units: rated.split.charged,
            energy_wh: session.stop.as_ref().and_then(|stop| stop.energy).map(|energy| energy.0),
            site: session.site_name.clone(),
            flags: session
                .flags_by(rated.standing)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .iter()
                .map(|flag| flag.code().to_owned())
                .collect(),
            state: rated.state.name().to_owned(),
        })
    });
    let pools = rated.pools.iter().map(|pool| PoolJson {
        charger_class: pool.charger_class.into(),
        free_units: pool.free_units,
        used_units: pool.used_units,
        free_units_left: pool.free_units_left,
    });
    UsageJson {
        member_id: member,
        month: month.to_string(),
        pools: pools.collect(),
        sessions: used.collect(),
    }
}

/// Shows a member's usage of a month: the sessions that started in it, Japan time.
#[utoipa::path(get, operation_id = "usage_usage", path = "/members/{member_id}/usage/{month}",
    params(("member_id" = String, Path, max_length = 32), ("month" = String, Path, pattern = r"^\d{4}-\d{2}$"), ArchiveQuery),
    responses(
        (status = 200, description = "done", body = UsageJson),
    Problems,
    ))]
pub async fn usage(
    State(api): State<Arc<Api>>,
    Segment((id, text)): Segment<(String, String)>,
    QueryParams(query): QueryParams<ArchiveQuery>,
) -> Result<Json<UsageJson>, Problem> {
    let month = month(&text)?;
    let (rated, sessions) = api.app.billing.usage(&member_id(&id)?, month, query.archive).await?;
    Ok(Json(usage_json(id, month, &rated, &sessions)))
}

/// A bill: the invoices of a month, with their lines in one list.
#[derive(Serialize, ToSchema)]
pub struct BillJson {
    member_id: String,
    month: String,
    /// `provisional` or `closed`.
    state: String,
    lines: Vec<LineJson>,
    total_yen: String,
    tax_yen: String,
    invoices: Vec<InvoiceJson>,
}

/// An invoice, with the parts that a qualified invoice must name.
#[derive(Serialize, ToSchema)]
pub struct InvoiceJson {
    invoice_id: String,
    /// `regular`, `supplementary`, `return`, `final` or `refund`.
    kind: String,
    issuer_name: String,
    issuer_registration_number: String,
    recipient_name: String,
    issue_date: String,
    due_date: String,
    payment_method: String,
    total_yen: String,
    tax_yen: String,
    tax_totals: Vec<TaxTotalJson>,
    /// The invoice that it corrects.
    previous_invoice_id: Option<String>,
}

/// An invoice's totals at one tax rate.
#[derive(Serialize, ToSchema)]
pub struct TaxTotalJson {
    tax_rate: String,
    taxable_yen: String,
    tax_yen: String,
}

/// A bill's line.
#[derive(Serialize, ToSchema)]
pub struct LineJson {
    /// The line's place in the bill, from 1.
    line: usize,
    invoice_id: String,
    code: String,
    usage_month: String,
    quantity: i64,
    unit: String,
    unit_price_yen: String,
    amount_yen: String,
    tax_rate: String,
    tariff_version: String,
    /// The article of the member terms that applies.
    article: String,
    /// The sessions whose units the line counts; for an adjustment, the sessions that changed.
    session_ids: Vec<String>,
    /// The invoice that an adjustment corrects.
    previous_invoice_id: Option<String>,
    /// The line's name in Japanese.
    name_ja: String,
    /// The reason of an entry, in its author's words.
    reason: Option<String>,
}

/// A line as the API shows it, at its place from 1.
pub fn line_json(place: usize, invoice: &Invoice, line: &Line) -> LineJson {
    LineJson {
        line: place,
        invoice_id: invoice.id.clone(),
        code: line.code.name().to_owned(),
        usage_month: line.usage_month.to_string(),
        quantity: line.quantity,
        unit: line.unit.clone(),
        unit_price_yen: line.unit_price.to_string(),
        amount_yen: line.amount.to_string(),
        tax_rate: line.tax_rate.to_string(),
        tariff_version: line.tariff_version.clone(),
        article: line.code.article().to_owned(),
        session_ids: line.sessions.iter().map(ToString::to_string).collect(),
        previous_invoice_id: line.previous_invoice.clone(),
        name_ja: line.code.japanese().to_owned(),
        reason: line.reason.clone(),
    }
}

/// An invoice as the API shows it, without its lines.
pub fn invoice_json(invoice: &Invoice) -> InvoiceJson {
    let taxes = invoice.tax_totals().into_iter().map(|total| TaxTotalJson {
        tax_rate: total.rate.to_string(),
        taxable_yen: total.taxable.to_string(),
        tax_yen: total.tax.to_string(),
    });
    InvoiceJson {
        invoice_id: invoice.id.clone(),
        kind: invoice.kind.name().to_owned(),
        issuer_name: invoice.issuer.name.clone(),
        issuer_registration_number: invoice.issuer.registration_number.clone(),
        recipient_name: invoice.recipient_name.clone(),
        issue_date: in_japan(invoice.issued_at).date_naive().to_string(),
        due_date: invoice.due_on.to_string(),
        payment_method: invoice.payment.kind.name().to_owned(),
        total_yen: invoice.total().to_string(),
        tax_yen: invoice.tax().to_string(),
        tax_totals: taxes.collect(),
        previous_invoice_id: invoice.previous().map(str::to_owned),
    }
}

fn bill_json(view: &BillView) -> BillJson {
    BillJson {
        member_id: view.member.to_string(),
        month: view.month.to_string(),
        state: if view.closed { "closed" } else { "provisional" }.to_owned(),
        lines: (1..)
            .zip(view.lines())
            .map(|(place, (invoice, line))| line_json(place, invoice, line))
            .collect(),
        total_yen: view.total().to_string(),
        tax_yen: view.tax().to_string(),
        invoices: view.invoices.iter().map(invoice_json).collect(),
    }
}

/// Shows a member's bill: the issued invoices of a closed month, else the month as rated now.
#[utoipa::path(get, operation_id = "usage_bill", path = "/members/{member_id}/bills/{month}",
    params(("member_id" = String, Path, max_length = 32), ("month" = String, Path, pattern = r"^\d{4}-\d{2}$"), ArchiveQuery),
    responses(
        (status = 200, description = "done", body = BillJson),
    Problems,
    ))]
pub async fn bill(
    State(api): State<Arc<Api>>,
    Segment((id, text)): Segment<(String, String)>,
    QueryParams(query): QueryParams<ArchiveQuery>,
) -> Result<Json<BillJson>, Problem> {
    let view = api.app.billing.bill(&member_id(&id)?, month(&text)?, query.archive).await?;
    Ok(Json(bill_json(&view)))
}

/// An explained line: its rule, its price, and the sessions behind it.
#[derive(Serialize, ToSchema)]
pub struct ExplanationJson {
    #[serde(flatten)]
    line: LineJson,
    /// The rule in words.
    rule: String,
    sessions: Vec<ExplainedJson>,
}

/// A session behind a line: as recorded with the invoice, or for an open month as rated now.
#[derive(Serialize, ToSchema)]
pub struct ExplainedJson {
    session_id: String,
    /// The path of the session, with the messages that it came from.
    href: String,
    station_id: String,
    /// The charging site of the session.
    site: String,
    card_number: Option<String>,
    started_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
    units: i64,
    free_units: i64,
    charged_units: i64,
    /// Whether an adjustment took these units back.
    credited: bool,
}

fn explained_json(explained: &Explained) -> ExplainedJson {
    let session = &explained.session;
    ExplainedJson {
        session_id: session.reference.to_string(),
        href: format!("/api/v1/sessions/{}", session.reference),
        station_id: session.station_id.to_string(),
        site: session.site_name.clone(),
        card_number: session.card.as_ref().map(ToString::to_string),
        started_at: session.start.at,
        stopped_at: session.stop.as_ref().map(|stop| stop.edge.at),
        units: explained.free + explained.charged,
        free_units: explained.free,
        charged_units: explained.charged,
        credited: explained.is_credit,
    }
}

/// Explains a bill's line, by its place from 1, with its rule and the sessions behind it.
#[utoipa::path(get, operation_id = "usage_explain", path = "/members/{member_id}/bills/{month}/lines/{line}",
    params(("member_id" = String, Path, max_length = 32), ("month" = String, Path, pattern = r"^\d{4}-\d{2}$"),
        ("line" = String, Path, pattern = r"^\d{1,6}$"), ArchiveQuery),
    responses(
        (status = 200, description = "done", body = ExplanationJson),
    Problems,
    ))]
pub async fn explain(
    State(api): State<Arc<Api>>,
    Segment((id, text, place)): Segment<(String, String, String)>,
    QueryParams(query): QueryParams<ArchiveQuery>,
) -> Result<Json<ExplanationJson>, Problem> {
    let digits = !place.starts_with(['0', '+']);
    let place: usize = place.parse().ok().filter(|_| digits).ok_or_else(|| {
        Problem::malformed("line", "line must be a line's place in the bill, from 1")
    })?;
    let (invoice, line, sessions) =
        api.app.billing.explain(&member_id(&id)?, month(&text)?, place, query.archive).await?;
    Ok(Json(ExplanationJson {
        rule: line.code.sentence().to_owned(),
        line: line_json(place, &invoice, &line),
        sessions: sessions.iter().map(explained_json).collect(),
    }))
}
