//! Writing an export: the file, then its manifest. A killed export leaves no half file under its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Format;
use juden_domain::hex::Sha256;
use juden_domain::month::BillingMonth;
use juden_domain::units::Yen;

/// What an export comes to; counted while it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Invoices.
    pub invoices: usize,
    /// Rows or lines.
    pub rows: usize,
    /// What they come to.
    pub total: Yen,
    /// The tariff versions that priced them.
    pub tariff_versions: std::collections::BTreeSet<String>,
}

/// The name of a month's file.
pub fn name(month: BillingMonth, format: Format) -> String {
    format!("juden-{month}.{}", format.ending())
}

/// What stands beside a file: what it comes to, its length in bytes and its hash, and what made it.
pub fn manifest(
    month: BillingMonth,
    format: Format,
    tally: &Tally,
    (bytes, sha256): (usize, String),
) -> Value {
    json!({
        "month": month.to_string(),
        "format": format.name(),
        "program": concat!("juden ", env!("CARGO_PKG_VERSION")),
        "tariff_versions": tally.tariff_versions,
        "invoices": tally.invoices,
        "rows": tally.rows,
        "total_yen": tally.total.to_string(),
        "files": [{ "name": name(month, format), "bytes": bytes, "sha256": sha256 }],
    })
}

/// An export that is being written beside its name.
pub struct ExportFile {
    file: BufWriter<File>,
    partial: PathBuf,
    folder: PathBuf,
    name: String,
    month: BillingMonth,
    format: Format,
    hash: Sha256,
    bytes: usize,
}

impl ExportFile {
    /// Begins `juden-MONTH.ENDING` in a folder, which is made where there is none.
    pub fn begin(folder: &Path, month: BillingMonth, format: Format) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = name(month, format);
        remove_left(folder, &name)?;
        let partial = folder.join(partial_name(&name));
        let file = BufWriter::new(File::create(&partial)?);
        Ok(Self {
            file,
            partial,
            folder: folder.to_path_buf(),
            name,
            month,
            format,
            hash: Sha256::default(),
            bytes: 0,
        })
    }

    /// Writes a piece.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.add(bytes);
        self.bytes += bytes.len();
        self.file.write_all(bytes)
    }

    /// Syncs the file and gives it its name, then writes the manifest; their paths.
    pub fn finish(mut self, tally: &Tally) -> io::Result<[PathBuf; 2]> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let path = self.folder.join(&self.name);
        fs::rename(&self.partial, &path)?;
        let manifest =
            manifest(self.month, self.format, tally, (self.bytes, self.hash.clone().finish()));
        let mut text = serde_json::to_vec_pretty(&manifest)?;
        text.push(b'\n');
        let manifest = write_whole(&self.folder, &format!("{}.manifest.json", self.name), &text)?;
        Ok([path, manifest])
    }
}

impl Drop for ExportFile {
    /// Removes what was not finished. What a killed process left carries its number and is never read.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

/// Removes what processes that are gone have left half written.
fn remove_left(folder: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let process = file.to_str().and_then(|file| file.strip_suffix(PARTIAL)).and_then(|file| {
            let number = file.strip_prefix('.')?.strip_prefix(name)?.rsplit('.').next()?;
            number.parse::<u32>().ok()
        });
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The ending of what is not finished.
const PARTIAL: &str = ".partial";

fn partial_name(name: &str) -> String {
    format!(".{name}.{}{PARTIAL}", std::process::id())
}

/// Writes beside the name, syncs, and renames: a reader finds the old file or the new one.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let beside = folder.join(partial_name(name));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let path = folder.join(name);
    fs::rename(&beside, &path)?;
    Ok(path)
}
