//! The house's own rules, held by reading its files.

use std::fs;
use std::path::{Path, PathBuf};

use juden::ocpp::protocol::Protocol;

/// Files that may be longer than the limit, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 100;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file without its unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// Who may know whom: a room's code must not name these.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "src/domain/",
        &[
            "crate::app",
            "crate::ocpp",
            "crate::store",
            "crate::ledger",
            "crate::link",
            "crate::http",
            "crate::cluster",
            "crate::export",
            "crate::clock",
            "sqlx",
            "tokio",
            "serde",
            "axum",
            "rand::",
            "Utc::now",
            "f32",
            "f64",
            "std::time",
        ],
    ),
    (
        "src/ocpp/",
        &[
            "crate::app",
            "crate::store",
            "crate::ledger",
            "crate::link",
            "crate::http",
            "crate::cluster",
            "crate::export",
            "crate::clock",
            "sqlx",
            "tokio",
            "axum",
        ],
    ),
    (
        "src/store/",
        &["crate::app", "crate::ocpp", "crate::ledger::", "crate::link", "crate::http", "crate::cluster", "crate::export", "axum"],
    ),
    ("src/ledger/", &["crate::app", "crate::link", "crate::http", "crate::export", "v16", "axum"]),
    (
        "src/cluster/",
        &["crate::app", "crate::store::sqlite", "crate::store::postgres", "sqlx", "crate::link", "crate::http", "v16", "axum"],
    ),
    ("src/export/", &["crate::app", "crate::store", "crate::ocpp", "crate::link", "crate::http", "sqlx", "tokio"]),
    ("src/app/", &["crate::link", "crate::http", "SqliteStore", "PostgresStore", "v16", "axum", "sqlx"]),
    ("src/link/", &["SqliteStore", "PostgresStore", "v16", "sqlx", "crate::http"]),
    ("src/http/", &["SqliteStore", "PostgresStore", "v16", "sqlx", "crate::link"]),
    ("simulators/", &["juden::"]),
];

#[test]
fn each_room_knows_only_whom_it_may_know() {
    let mut broken = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        let folder = room.trim_end_matches('/');
        for (name, text) in rust_files(folder) {
            for (number, line) in code(&text).lines().enumerate() {
                let line = line.split("//").next().unwrap();
                for word in *forbidden {
                    let stands_alone = |place: usize| !line[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    if line.match_indices(word).any(|(place, _)| stands_alone(place)) {
                        broken.push(format!("{name}:{}: {word}", number + 1));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn only_main_and_the_store_itself_name_a_store() {
    let named: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|(name, text)| {
            !name.starts_with("src/store/") && ["SqliteStore", "PostgresStore"].iter().any(|engine| code(text).contains(engine))
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(named, ["src/main.rs"]);
}

#[test]
fn nothing_outside_ocpp_names_a_version() {
    let leaks: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|(name, text)| {
            !name.starts_with("src/ocpp/") && code(text).lines().any(|line| line.split("//").next().unwrap().contains("v16"))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
fn nothing_outside_ocpp_names_a_command_as_the_wire_does() {
    let commands: Vec<String> = Protocol::ALL.into_iter().flat_map(Protocol::command_names).map(|name| format!("\"{name}\"")).collect();
    let names_one = |text: &str| commands.iter().find(|name| code(text).contains(name.as_str())).cloned();
    let outside = rust_files("src").into_iter().filter(|(name, _)| !name.starts_with("src/ocpp/"));
    let leaks: Vec<(String, String)> = outside.filter_map(|(name, text)| Some((name, names_one(&text)?))).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
fn files_are_short_and_half_of_them_very_short() {
    let mut lengths: Vec<(usize, String)> =
        ["src", "simulators", "tests"].into_iter().flat_map(rust_files).map(|(name, text)| (text.lines().count(), name)).collect();
    lengths.sort();
    let long: Vec<&(usize, String)> =
        lengths.iter().filter(|(length, name)| *length > FILE_LINES_MAX && !LONG_FILES.iter().any(|(known, _)| known == name)).collect();
    assert!(long.is_empty(), "{long:?}");
    let median = lengths[lengths.len() / 2].0;
    assert!(median <= 170, "the median file has {median} lines");
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    for (name, text) in ["src", "simulators"].into_iter().flat_map(rust_files) {
        let mut begun: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start();
            if word.starts_with("fn ")
                || word.contains(" fn ") && (word.starts_with("pub") || word.starts_with("async") || word.starts_with("const"))
            {
                begun = Some((number, indent, word.to_owned()));
            }
            if let Some((from, at, what)) = &begun
                && word == "}"
                && indent == *at
            {
                if number - from > FUNCTION_LINES_MAX {
                    long.push(format!("{name}:{}: {} lines: {what}", from + 1, number - from));
                }
                begun = None;
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_architectures_paths_exist_and_every_room_stands_in_it() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 150, "the map must stay short");
    for path in text.split('`').skip(1).step_by(2).filter(|word| {
        word.starts_with("src/")
            || word.starts_with("tests/")
            || word.starts_with("docs/")
            || word.starts_with("simulators/")
            || word.starts_with("migrations/")
            || word.starts_with("tariffs/")
    }) {
        assert!(root().join(path).exists(), "{path} is on the map and not in the tree");
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("`src/{name}")), "src/{name} is in the tree and not on the map");
    }
}

#[test]
fn each_dependency_earns_its_place_in_a_line() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        assert!(text.contains(&format!("`{name}`")), "{name} has no line in docs/ARCHITECTURE.md");
    }
}
