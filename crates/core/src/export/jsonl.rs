//! JSON lines: an invoice a line, with the fields of the CSV's rows and those of a qualified invoice
//! (consumption tax act, article 57-4).

use std::io;

use serde_json::{Value, json};

use super::LAYOUT;
use juden_domain::bill::Line;
use juden_domain::hex;
use juden_domain::invoice::Invoice;
use juden_domain::month::in_japan;

/// Invoices' lines; the first is the month's `first`th.
pub fn lines(invoices: &[Invoice], first: usize, layout: i64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for (sequence, invoice) in (first..).zip(invoices) {
        let mut document = document(invoice, sequence, layout);
        let hash = hex::sha256(document.to_string().as_bytes());
        document["sha256"] = json!(hash);
        serde_json::to_writer(&mut text, &document)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn document(invoice: &Invoice, sequence: usize, layout: i64) -> Value {
    let taxes: Vec<Value> = invoice
        .tax_totals()
        .iter()
        .map(
            |total| json!({"tax_rate": total.rate.to_string(), "taxable_yen": total.taxable.to_string(), "tax_yen": total.tax.to_string()}),
        )
        .collect();
    json!({
        "invoice_id": invoice.id,
        "sequence": sequence,
        "kind": invoice.kind.name(),
        "issuer_name": text_or_null(&invoice.issuer.name),
        "issuer_registration_number": text_or_null(&invoice.issuer.registration_number),
        "collection_agent": text_or_null(&invoice.issuer.collection_agent),
        "member_id": invoice.member.as_str(),
        "member_name": invoice.recipient_name,
        "payment_method": invoice.payment.kind.name(),
        "usage_month": invoice.month.to_string(),
        "issue_date": in_japan(invoice.issued_at).date_naive().to_string(),
        "due_date": invoice.due_on.to_string(),
        "lines": (1..).zip(&invoice.lines).map(|(number, line)| line_json(number, line, layout)).collect::<Vec<_>>(),
        "tax_totals": taxes,
        "tax_yen_total": invoice.tax().to_string(),
        "total_yen": invoice.total().to_string(),
        "previous_invoice_id": invoice.previous(),
    })
}

fn text_or_null(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn line_json(number: usize, line: &Line, layout: i64) -> Value {
    let sessions: Vec<&str> =
        line.sessions.iter().map(juden_domain::ids::SessionRef::as_str).collect();
    let mut told = json!({
        "line": number,
        "code": line.code.name(),
        "article": line.code.article(),
        "usage_month": line.usage_month.to_string(),
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price_yen": line.unit_price.to_string(),
        "amount_yen": line.amount.to_string(),
        "tax_rate": line.tax_rate.to_string(),
        "tariff_version": line.tariff_version,
        "session_ids": sessions,
        "previous_invoice_id": line.previous_invoice,
    });
    if layout >= LAYOUT {
        told["name_ja"] = line.code.japanese().into();
        told["reason"] = line.reason.clone().into();
    }
    told
}
