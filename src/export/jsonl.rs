//! JSON lines: a bill a line, with the fields of the CSV's rows.

use serde_json::json;

use super::{Invoice, KIND};

/// Writes invoices.
pub fn render(invoices: &[Invoice]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for invoice in invoices {
        let bill = &invoice.bill;
        let lines: Vec<_> = (1..)
            .zip(&bill.lines)
            .map(|(number, line): (usize, _)| {
                let sessions: Vec<String> = line.sessions.iter().map(ToString::to_string).collect();
                json!({
                    "line": number,
                    "code": line.code.name(),
                    "usage_month": line.usage_month.to_string(),
                    "quantity": line.quantity,
                    "unit": line.unit,
                    "unit_price_yen": line.unit_price.to_string(),
                    "amount_yen": line.amount.to_string(),
                    "tax_rate": line.tax_rate.to_string(),
                    "tariff_version": line.tariff_version,
                    "session_ids": sessions,
                })
            })
            .collect();
        let document = json!({
            "invoice_id": bill.invoice_id(),
            "kind": KIND,
            "member_id": bill.member.as_str(),
            "member_name": invoice.member_name,
            "payment_method": invoice.payment_method,
            "usage_month": bill.month.to_string(),
            "lines": lines,
            "tax_yen_total": bill.tax().to_string(),
            "total_yen": bill.total().to_string(),
            "previous_invoice_id": null,
        });
        serde_json::to_writer(&mut text, &document)?;
        text.push(b'\n');
    }
    Ok(text)
}
