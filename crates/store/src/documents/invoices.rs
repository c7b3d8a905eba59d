//! The stored texts of invoices, of records of billed sessions, and of charging sites.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::events::read_method;
use super::text;
use crate::{StoreError, Stored};
use juden_domain::bill::{Line, LineCode};
use juden_domain::billed::{BilledGroup, BilledSession, ChargeDetails, ChargePlace, SiteRecord};
use juden_domain::ids::{CardNumber, MemberId, SessionId, SessionRef};
use juden_domain::invoice::{Invoice, InvoiceKind, Issuer};
use juden_domain::month::BillingMonth;
use juden_domain::station::ChargerClass;
use juden_domain::units::{TaxRate, WattHours, Yen};

#[derive(Serialize, Deserialize)]
struct InvoiceText {
    recipient_name: String,
    payment: String,
    brand: Option<String>,
    due_on: NaiveDate,
    #[serde(default)]
    issuer_name: String,
    #[serde(default)]
    issuer_registration_number: String,
    #[serde(default)]
    collection_agent: String,
    lines: Vec<LineText>,
}

#[derive(Serialize, Deserialize)]
struct LineText {
    code: String,
    usage_month: String,
    quantity: i64,
    unit: String,
    unit_price_hundredths: i64,
    amount_hundredths: i64,
    tax_rate: String,
    tariff_version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_invoice: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// An invoice's stored text.
pub fn invoice(invoice: &Invoice) -> String {
    let lines = invoice.lines.iter().map(|line| LineText {
        code: line.code.name().to_owned(),
        usage_month: line.usage_month.to_string(),
        quantity: line.quantity,
        unit: line.unit.clone(),
        unit_price_hundredths: line.unit_price.hundredths(),
        amount_hundredths: line.amount.hundredths(),
        tax_rate: line.tax_rate.to_string(),
        tariff_version: line.tariff_version.clone(),
        sessions: line.sessions.iter().map(ToString::to_string).collect(),
        previous_invoice: line.previous_invoice.clone(),
        reason: line.reason.clone(),
    });
    text(&InvoiceText {
        recipient_name: invoice.recipient_name.clone(),
        payment: invoice.payment.kind.name().to_owned(),
        brand: invoice.payment.brand.map(|brand| brand.name().to_owned()),
        due_on: invoice.due_on,
        issuer_name: invoice.issuer.name.clone(),
        issuer_registration_number: invoice.issuer.registration_number.clone(),
        collection_agent: invoice.issuer.collection_agent.clone(),
        lines: lines.collect(),
    })
}

/// The columns of an invoice beside its stored text.
pub struct InvoiceColumns<'a> {
    /// The invoice number.
    pub id: &'a str,
    /// The name of the invoice's kind.
    pub kind: &'a str,
    /// The month with whose close it was issued.
    pub month: &'a str,
    /// The member id.
    pub member: &'a str,
    /// The instant of issue.
    pub issued_at: DateTime<Utc>,
}

/// Reads what [`invoice`] wrote.
pub fn read_invoice(columns: &InvoiceColumns<'_>, document: &str) -> Stored<Invoice> {
    let read = || {
        let text: InvoiceText = serde_json::from_str(document).ok()?;
        Some(Invoice {
            id: columns.id.to_owned(),
            kind: InvoiceKind::parse(columns.kind)?,
            month: BillingMonth::parse(columns.month)?,
            member: MemberId::parse(columns.member).ok()?,
            issuer: Issuer {
                name: text.issuer_name,
                registration_number: text.issuer_registration_number,
                collection_agent: text.collection_agent,
            },
            recipient_name: text.recipient_name,
            payment: read_method(&text.payment, text.brand.as_deref())?,
            issued_at: columns.issued_at,
            due_on: text.due_on,
            lines: text.lines.into_iter().map(read_line).collect::<Option<_>>()?,
        })
    };
    read().ok_or(StoreError::Unreadable("invoice"))
}

fn read_line(line: LineText) -> Option<Line> {
    Some(Line {
        code: LineCode::parse(&line.code)?,
        usage_month: BillingMonth::parse(&line.usage_month)?,
        quantity: line.quantity,
        unit: line.unit,
        unit_price: Yen::from_hundredths(line.unit_price_hundredths),
        amount: Yen::from_hundredths(line.amount_hundredths),
        tax_rate: TaxRate::parse(&line.tax_rate)?,
        tariff_version: line.tariff_version,
        sessions: line
            .sessions
            .iter()
            .map(|text| SessionRef::parse(text).ok())
            .collect::<Option<_>>()?,
        previous_invoice: line.previous_invoice,
        reason: line.reason,
    })
}

#[derive(Serialize, Deserialize)]
struct GroupText {
    usage_month: String,
    charger_class: String,
    unit_s: i64,
    unit_price_hundredths: i64,
    tax_rate: String,
    tariff_version: String,
    /// Each session's reference, number, free units, charged units, version, and whether it is a
    /// credit.
    sessions: Vec<(String, i64, i64, i64, i64, bool)>,
    /// Further data for the sessions' charge records, in the same order. Empty for records that are
    /// older than this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<Option<ToldText>>,
}

#[derive(Serialize, Deserialize)]
struct ToldText {
    ended_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    energy_wh: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    card: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    standard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<SiteText>,
}

#[derive(Serialize, Deserialize)]
struct SiteText {
    site: String,
    name: String,
    address: String,
    city: String,
    postal_code: Option<String>,
    country: String,
    latitude: String,
    longitude: String,
    opening_hours: Option<String>,
    time_zone: Option<String>,
}

/// A charging site's stored text.
pub fn site(site: &SiteRecord) -> String {
    text(&site_text(site))
}

/// Reads what [`site`] wrote.
pub fn read_site(document: &str) -> Stored<SiteRecord> {
    serde_json::from_str(document).map(read_site_text).map_err(|_| StoreError::Unreadable("site"))
}

fn site_text(site: &SiteRecord) -> SiteText {
    let SiteRecord {
        site,
        name,
        address,
        city,
        postal_code,
        country,
        latitude,
        longitude,
        opening_hours,
        time_zone,
    } = site.clone();
    SiteText {
        site,
        name,
        address,
        city,
        postal_code,
        country,
        latitude,
        longitude,
        opening_hours,
        time_zone,
    }
}

fn read_site_text(text: SiteText) -> SiteRecord {
    let SiteText {
        site,
        name,
        address,
        city,
        postal_code,
        country,
        latitude,
        longitude,
        opening_hours,
        time_zone,
    } = text;
    SiteRecord {
        site,
        name,
        address,
        city,
        postal_code,
        country,
        latitude,
        longitude,
        opening_hours,
        time_zone,
    }
}

fn told_text(told: &ChargeDetails) -> ToldText {
    let place = told.place.clone().unwrap_or_default();
    ToldText {
        ended_ms: told.ended_at.timestamp_millis(),
        energy_wh: told.energy.map(|energy| energy.0),
        card: told.card.as_ref().map(ToString::to_string),
        standard: place.standard,
        site: place.site.as_ref().map(site_text),
    }
}

fn read_told(kept: ToldText) -> Option<ChargeDetails> {
    let place = ChargePlace { site: kept.site.map(read_site_text), standard: kept.standard };
    Some(ChargeDetails {
        ended_at: DateTime::from_timestamp_millis(kept.ended_ms)?,
        energy: kept.energy_wh.map(WattHours),
        card: kept.card.map(|card| CardNumber::parse(&card).ok()).unwrap_or_default(),
        place: (place != ChargePlace::default()).then_some(place),
    })
}

/// The stored text of records of billed sessions.
pub fn billed(groups: &[BilledGroup]) -> String {
    let groups: Vec<GroupText> = groups
        .iter()
        .map(|group| GroupText {
            usage_month: group.usage_month.to_string(),
            charger_class: group.charger_class.name().to_owned(),
            unit_s: group.unit_s,
            unit_price_hundredths: group.unit_price.hundredths(),
            tax_rate: group.tax_rate.to_string(),
            tariff_version: group.tariff_version.clone(),
            sessions: group
                .sessions
                .iter()
                .map(|one| {
                    (
                        one.session.to_string(),
                        one.number.0,
                        one.free,
                        one.charged,
                        one.version,
                        one.is_credit,
                    )
                })
                .collect(),
            told: group.sessions.iter().map(|one| one.told.as_ref().map(told_text)).collect(),
        })
        .collect();
    text(&groups)
}

/// Reads what [`billed`] wrote.
pub fn read_billed(document: &str) -> Stored<Vec<BilledGroup>> {
    let session =
        |(name, number, free, charged, version, is_credit): (String, i64, i64, i64, i64, bool)| {
            let session = SessionRef::parse(&name).ok()?;
            Some(BilledSession {
                session,
                number: SessionId(number),
                free,
                charged,
                version,
                is_credit,
                told: None,
            })
        };
    let group = |group: GroupText| {
        Some(BilledGroup {
            usage_month: BillingMonth::parse(&group.usage_month)?,
            charger_class: ChargerClass::parse(&group.charger_class)?,
            unit_s: group.unit_s,
            unit_price: Yen::from_hundredths(group.unit_price_hundredths),
            tax_rate: TaxRate::parse(&group.tax_rate)?,
            tariff_version: group.tariff_version,
            sessions: {
                let mut sessions: Vec<BilledSession> =
                    group.sessions.into_iter().map(session).collect::<Option<_>>()?;
                for (session, told) in sessions.iter_mut().zip(group.told) {
                    session.told = told.and_then(read_told);
                }
                sessions
            },
        })
    };
    let groups: Option<Vec<GroupText>> = serde_json::from_str(document).ok();
    groups
        .and_then(|groups| groups.into_iter().map(group).collect())
        .ok_or(StoreError::Unreadable("billed sessions"))
}
