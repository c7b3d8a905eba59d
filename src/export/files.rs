//! Writing an export: the file, then its manifest. A killed export leaves no half file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Format, Invoice};
use crate::domain::bill::Bill;
use crate::domain::month::BillingMonth;
use crate::domain::units::Yen;
use crate::hex;

/// Writes `juden-MONTH.FORMAT` and `juden-MONTH.FORMAT.manifest.json` into a folder; their paths.
pub fn write(folder: &Path, month: BillingMonth, format: Format, invoices: &[Invoice]) -> io::Result<[PathBuf; 2]> {
    fs::create_dir_all(folder)?;
    let bytes = format.render(invoices)?;
    let name = format!("juden-{month}.{}", format.name());
    let rows: usize = invoices.iter().map(|invoice| invoice.bill.lines.len()).sum();
    let mut versions: Vec<&str> =
        invoices.iter().flat_map(|invoice| &invoice.bill.lines).map(|line| line.tariff_version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let total: Yen = invoices.iter().map(|invoice| &invoice.bill).map(Bill::total).sum();
    let manifest = json!({
        "month": month.to_string(),
        "format": format.name(),
        "program": concat!("juden ", env!("CARGO_PKG_VERSION")),
        "tariff_versions": versions,
        "invoices": invoices.len(),
        "rows": rows,
        "total_yen": total.to_string(),
        "files": [{
            "name": name,
            "bytes": bytes.len(),
            "sha256": hex::sha256(&bytes),
        }],
    });
    let mut manifest_text = serde_json::to_vec_pretty(&manifest)?;
    manifest_text.push(b'\n');
    let file = folder.join(&name);
    let manifest_file = folder.join(format!("{name}.manifest.json"));
    write_whole(&file, &bytes)?;
    write_whole(&manifest_file, &manifest_text)?;
    Ok([file, manifest_file])
}

/// Writes beside the name, syncs, and renames: a reader finds the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("partial");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
