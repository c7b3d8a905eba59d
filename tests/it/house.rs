//! The house's own rules, held by reading its files.

use std::fs;
use std::path::{Path, PathBuf};

use juden_ocpp::protocol::Protocol;

/// Files that may be longer than the limit, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 100;
/// Nine functions in ten are at most this long.
const MOST_FUNCTIONS_LINES_MAX: usize = 45;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let from = root().join(folder);
    if from.is_file() {
        found.push(from);
    } else {
        walk(&from, &mut found);
    }
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file without its unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// Where code lies.
const CODE: [&str; 2] = ["crates", "src"];

/// Words that a room's code must not have. Which layer knows which, Cargo holds; this is what it cannot say: purity, the
/// allow-lists within a crate, and the two engines named by nobody but the store.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "crates/domain/src",
        &[
            "sqlx",
            "tokio",
            "serde",
            "axum",
            "rand::",
            "Utc::now",
            "f32",
            "f64",
            "std::time",
            "std::fs",
            "std::net",
        ],
    ),
    ("crates/ocpp/src", &["sqlx", "tokio", "axum", "Utc::now", "std::fs", "std::net"]),
    ("crates/store/src", &["axum", "juden_ocpp"]),
    ("crates/core/src", &["axum", "SqliteStore", "PostgresStore"]),
    ("crates/core/src/export", &["juden_store", "tokio"]),
    ("src/link", &["SqliteStore", "PostgresStore", "sqlx", "crate::http", "juden_store"]),
    ("src/http", &["SqliteStore", "PostgresStore", "sqlx", "crate::link", "juden_store"]),
    (
        "src/authority",
        &["juden_store", "juden_ocpp", "crate::config", "crate::link", "crate::http"],
    ),
    ("simulators", &["juden::", "juden_domain", "juden_ocpp", "juden_store", "juden_core"]),
];

/// Files that unit tests alone stand on, or are.
fn is_for_tests(name: &str) -> bool {
    ["/testing.rs", "/tests.rs", "_tests.rs"].iter().any(|ending| name.ends_with(ending))
}

/// The code of all layers, without what unit tests alone stand on.
fn all_code() -> impl Iterator<Item = (String, String)> {
    CODE.into_iter().flat_map(rust_files).filter(|(name, _)| !is_for_tests(name))
}

#[test]
fn each_room_knows_only_whom_it_may_know() {
    let mut broken = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        for (name, text) in rust_files(room).into_iter().filter(|(name, _)| !is_for_tests(name)) {
            for (number, line) in code(&text).lines().enumerate() {
                let line = line.split("//").next().unwrap();
                for word in *forbidden {
                    let stands_alone = |place: usize| {
                        !line[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    };
                    if line.match_indices(word).any(|(place, _)| stands_alone(place)) {
                        broken.push(format!("{name}:{}: {word}", number + 1));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The rooms of the core from the ground up: each knows only those before it. So there is no circle among them.
const CORE: [&str; 23] = [
    "error",
    "found",
    "clock",
    "export",
    "cluster",
    "directory",
    "station_call",
    "ledger",
    "passwords",
    "requests",
    "health",
    "stations",
    "commands",
    "deliveries",
    "changes",
    "cards",
    "programme",
    "overdue",
    "billing",
    "sessions",
    "members",
    "calls",
    "app",
];

#[test]
fn the_rooms_of_the_core_know_only_those_below_them() {
    let mut broken = Vec::new();
    for (place, room) in CORE.iter().enumerate() {
        let found: Vec<_> =
            [format!("crates/core/src/{room}.rs"), format!("crates/core/src/{room}")]
                .into_iter()
                .filter(|path| root().join(path).exists())
                .flat_map(|path| rust_files(&path))
                .filter(|(name, _)| !is_for_tests(name))
                .collect();
        assert!(!found.is_empty(), "the core has no room {room}");
        for (name, text) in found {
            let above = CORE[place + 1..]
                .iter()
                .filter(|above| code(&text).contains(&format!("crate::{above}::")));
            broken.extend(above.map(|above| format!("{name} knows {above}")));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A service holds what it needs, and not everything.
const SERVICE_FIELDS_MAX: usize = 8;

#[test]
fn no_service_has_more_than_eight_fields() {
    let mut found = 0;
    for (name, text) in rust_files("crates/core/src") {
        for (service, rest) in
            text.split("\npub struct ").skip(1).filter_map(|rest| rest.split_once(" {\n"))
        {
            let fields = rest
                .split("\n}")
                .next()
                .unwrap()
                .lines()
                .filter(|line| line.contains(": ") && !line.trim_start().starts_with("//"));
            let (count, is_service) = (
                fields.clone().count(),
                fields
                    .clone()
                    .any(|line| line.contains("Arc<") && line.starts_with("    pub(crate)")),
            );
            found += usize::from(is_service);
            assert!(
                !is_service || count <= SERVICE_FIELDS_MAX,
                "{name}: {service} has {count} fields"
            );
        }
    }
    assert!(found > 10, "the services are recognised by their fields: {found}");
}

#[test]
fn only_main_and_the_store_itself_name_a_store() {
    let names_one = |text: &str| {
        ["SqliteStore", "PostgresStore"].iter().any(|engine| code(text).contains(engine))
    };
    let named = all_code()
        .filter(|(name, text)| !name.starts_with("crates/store/") && names_one(text))
        .map(|(name, _)| name);
    assert_eq!(named.collect::<Vec<_>>(), ["src/main.rs"]);
}

/// The spellings of OCPP's versions in code: modules, variants, and the standard's own.
const VERSIONS: [&str; 8] =
    ["v16", "v201", "V16", "V201", "ocpp1.6", "ocpp2.0.1", "\"1.6\"", "\"2.0.1\""];

/// Files outside `ocpp` that may name versions, with the reason.
const VERSION_FILES: &[(&str, &str)] = &[("src/demo.rs", "the demo's fleet speaks both versions")];

#[test]
fn nothing_outside_ocpp_names_a_version() {
    let may = |name: &str| {
        name.starts_with("crates/ocpp/") || VERSION_FILES.iter().any(|(known, _)| *known == name)
    };
    let leaks: Vec<String> = all_code()
        .filter(|(name, _)| !may(name))
        .flat_map(|(name, text)| {
            let lines: Vec<String> = code(&text)
                .lines()
                .map(|line| line.split("//").next().unwrap().to_owned())
                .collect();
            lines
                .into_iter()
                .filter(|line| VERSIONS.iter().any(|word| line.contains(word)))
                .map(move |line| format!("{name}: {line}"))
        })
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| {
        let folder = fs::read_dir(root().join("migrations").join(engine)).unwrap();
        let mut names: Vec<String> =
            folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn nothing_outside_ocpp_names_a_command_as_the_wire_does() {
    let commands: Vec<String> = Protocol::ALL
        .into_iter()
        .flat_map(Protocol::command_names)
        .map(|name| format!("\"{name}\""))
        .collect();
    let names_one =
        |text: &str| commands.iter().find(|name| code(text).contains(name.as_str())).cloned();
    let outside = all_code().filter(|(name, _)| !name.starts_with("crates/ocpp/"));
    let leaks: Vec<(String, String)> =
        outside.filter_map(|(name, text)| Some((name, names_one(&text)?))).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
fn files_are_short_and_half_of_them_very_short() {
    let mut lengths: Vec<(usize, String)> = ["crates", "src", "simulators", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .map(|(name, text)| (text.lines().count(), name))
        .collect();
    lengths.sort();
    let long: Vec<&(usize, String)> = lengths
        .iter()
        .filter(|(length, name)| {
            *length > FILE_LINES_MAX && !LONG_FILES.iter().any(|(known, _)| known == name)
        })
        .collect();
    assert!(long.is_empty(), "{long:?}");
    let median = lengths[lengths.len() / 2].0;
    assert!(median <= 150, "the median file has {median} lines");
}

#[test]
fn functions_fit_a_screen() {
    let (mut long, mut lengths) = (Vec::new(), Vec::new());
    for (name, text) in ["crates", "src", "simulators"].into_iter().flat_map(rust_files) {
        let mut begun: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start();
            if word.starts_with("fn ")
                || word.contains(" fn ")
                    && (word.starts_with("pub")
                        || word.starts_with("async")
                        || word.starts_with("const"))
            {
                begun = Some((number, indent, word.to_owned()));
            }
            if let Some((from, at, what)) = &begun
                && word == "}"
                && indent == *at
            {
                lengths.push(number - from);
                if number - from > FUNCTION_LINES_MAX {
                    long.push(format!("{name}:{}: {} lines: {what}", from + 1, number - from));
                }
                begun = None;
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
    lengths.sort_unstable();
    let most = lengths[lengths.len() * 9 / 10];
    assert!(most <= MOST_FUNCTIONS_LINES_MAX, "nine functions in ten have up to {most} lines");
}

#[test]
fn the_architectures_paths_exist_and_every_room_stands_in_it() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 150, "the map must stay short");
    for path in text.split('`').skip(1).step_by(2).filter(|word| {
        word.starts_with("src/")
            || word.starts_with("crates/")
            || word.starts_with("tests/")
            || word.starts_with("docs/")
            || word.starts_with("simulators/")
            || word.starts_with("migrations/")
            || word.starts_with("tariffs/")
    }) {
        assert!(root().join(path).exists(), "{path} is on the map and not in the tree");
    }
    for folder in ["src", "crates", "crates/core/src"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                name.ends_with("_tests.rs") || text.contains(&format!("`{folder}/{name}")),
                "{folder}/{name} is in the tree and not on the map"
            );
        }
    }
}

#[test]
fn each_dependency_earns_its_place_in_a_line() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for folder in [".", "crates/domain", "crates/ocpp", "crates/store", "crates/core"] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            assert!(
                text.contains(&format!("`{name}`")),
                "{name} has no line in docs/ARCHITECTURE.md"
            );
        }
    }
}
