//! Tariff files: `NAME/YYYY-MM.toml`, named after the first usage month that the file rates. Every
//! fault is reported with its file, line and key.

mod reader;

pub use reader::RENTAL_RATE_MAX;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use juden_domain::tariff::{BookFault, Tariff, TariffBook};
use reader::read;

/// The tariffs that come with the program.
const BUILT_IN: [(&str, &str, &str); 2] = [
    ("zesp3", "2019-12", include_str!("../../tariffs/zesp3/2019-12.toml")),
    ("zesp3", "2023-09", include_str!("../../tariffs/zesp3/2023-09.toml")),
];

/// A tariff file: its path for faults, its version's name in bills, its month, and its text.
struct TariffFile {
    file: String,
    version: String,
    month: String,
    text: String,
}

/// The tariffs that come with the program.
pub fn built_in() -> Result<TariffBook, Vec<String>> {
    let files = BUILT_IN.iter().map(|(name, month, text)| TariffFile {
        file: format!("{name}/{month}.toml"),
        version: format!("{name}/{month}"),
        month: (*month).to_owned(),
        text: (*text).to_owned(),
    });
    book(files.collect(), Vec::new())
}

fn book(files: Vec<TariffFile>, mut faults: Vec<String>) -> Result<TariffBook, Vec<String>> {
    let mut tariffs: Vec<Arc<Tariff>> = Vec::new();
    for one in &files {
        match read(&one.file, &one.version, &one.month, &one.text) {
            Ok(tariff) => tariffs.push(Arc::new(tariff)),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    TariffBook::new(tariffs)
        .map_err(|found| found.iter().map(|fault| located(fault, &files)).collect())
}

/// A fault between files, with the files and the line to be corrected.
fn located(fault: &BookFault, files: &[TariffFile]) -> String {
    let (at, with, begins) = match fault {
        BookFault::SameMonth { one, other, .. } => (other, one, ""),
        BookFault::PlanEnds { later, earlier, .. } => (later, earlier, "[plans"),
        BookFault::NameReused { version, .. } => (version, version, "[plans"),
    };
    let of = |version: &str| files.iter().rfind(|one| one.version == version);
    let Some(one) = of(at) else { return fault.to_string() };
    let line = one.text.lines().position(|line| line.starts_with(begins)).unwrap_or(0) + 1;
    let other = of(with).map(|with| format!(" (see {})", with.file)).unwrap_or_default();
    format!("{}:{line}: {fault}{other}", one.file)
}

/// Reads the tariff files in a folder, or in the folders directly in it, or returns every fault.
pub fn load(folder: &Path) -> Result<TariffBook, Vec<String>> {
    let cannot = |path: &Path, cause: std::io::Error| {
        vec![format!("{}: cannot be read: {cause}", path.display())]
    };
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    for depth in 0..2 {
        for folder in std::mem::take(&mut folders) {
            let entries = fs::read_dir(&folder).map_err(|cause| cannot(&folder, cause))?;
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() && depth == 0 {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "toml") {
                    files.push(path);
                }
            }
        }
    }
    if files.is_empty() {
        return Err(vec![format!(
            "{}: holds no tariff file: add NAME/YYYY-MM.toml",
            folder.display()
        )]);
    }
    files.sort();
    let mut faults = Vec::new();
    let mut texts = Vec::new();
    for path in &files {
        let month = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let name = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .unwrap_or("tariff");
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => {
                texts.push(TariffFile { version: format!("{name}/{month}"), file, month, text });
            }
            Err(cause) => faults.push(format!("{file}: cannot be read: {cause}")),
        }
    }
    book(texts, faults)
}

#[cfg(test)]
mod tests;
