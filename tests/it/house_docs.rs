//! The documents' own rules, held by reading them: rules that are cited stand in docs/RULES.md with tests that exist, prose
//! fits a page, decisions say what was weighed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::house::rust_files;

const COLUMNS_MAX: usize = 120;
const DECISION_LINES_MAX: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn all_rust() -> impl Iterator<Item = (String, String)> {
    ["crates", "src", "simulators", "tests"].into_iter().flat_map(rust_files)
}

/// Words of a text: letters, digits and points.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .map(|word| word.trim_matches('.'))
}

/// Whether a word is a rule's number: a letter, numbers with points between them, and perhaps a letter.
fn is_number(word: &str) -> bool {
    let Some(rest) = word.strip_prefix(['R', 'C', 'B', 'M', 'W']) else { return false };
    let rest = rest.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(rest);
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
    };
    !rest.is_empty()
        && (rest.split('.').all(is_part)
            || rest.ends_with(".0") && is_part(rest.trim_end_matches(".0")))
}

/// The rules that a file cites: worked examples and articles' rules anywhere in its comments and names of tests, others
/// behind the word "rule".
fn cited(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some((_, comment)) = line.split_once("//") {
            let mut behind_rule = false;
            for word in words(comment) {
                behind_rule = matches!(word, "rule" | "rules")
                    || behind_rule && (is_number(word) || matches!(word, "" | "and" | "to" | "or"));
                let always = word.starts_with('W') || word.starts_with('R') && word.contains('.');
                if is_number(word) && (always || behind_rule) {
                    found.insert(word.to_owned());
                }
            }
        }
        if let Some((_, name)) = line.split_once("fn w") {
            let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
            let is_example = !digits.is_empty() && name[digits.len()..].starts_with('_');
            // Tests name an example without its letter, and perhaps with a nought before it.
            let number = digits.trim_start_matches('0');
            found.extend(is_example.then(|| format!("W{number}")));
        }
    }
    found
}

#[test]
fn each_rule_that_is_cited_stands_among_the_rules() {
    let rules = read("docs/RULES.md");
    let known: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split("**").next())
        .flat_map(words)
        .filter(|word| is_number(word))
        .collect();
    assert!(known.len() > 200, "{} rules are listed", known.len());
    let stands = |number: &str| {
        known.contains(number)
            || known.iter().any(|rule| {
                rule.strip_prefix(number).is_some_and(|rest| {
                    rest.starts_with('.')
                        || rest.len() == 1 && rest.starts_with(char::is_alphabetic)
                })
            })
    };
    let unknown: BTreeSet<String> = all_rust()
        .flat_map(|(name, text)| {
            let cited = cited(&text).into_iter().filter(|number| !stands(number));
            cited.map(|number| format!("{number} in {name}")).collect::<Vec<_>>()
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn each_test_that_a_rule_names_exists() {
    let rules = read("docs/RULES.md");
    let python =
        fs::read_dir(root().join("tests/python")).unwrap().map(|file| file.unwrap().path());
    let python = python.filter(|path| path.extension().is_some_and(|ending| ending == "py"));
    let code: String = all_rust()
        .map(|(_, text)| text)
        .chain(python.map(|path| fs::read_to_string(path).unwrap()))
        .collect();
    // An entry names tests behind "Held by", and behind "No test yet" what none holds.
    let entries = rules.split("\n- **").skip(1).filter_map(|entry| entry.split_once("Held by"));
    let held = entries
        .map(|(_, held)| held.split("\n\n").next().unwrap())
        .map(|held| held.split("No test yet").next().unwrap());
    let named = held.flat_map(|held| held.split('`').skip(1).step_by(2)).filter(|name| {
        name.contains('_')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    });
    let (mut count, mut gone) = (0, Vec::new());
    for name in named {
        count += 1;
        if !code.contains(&format!("fn {name}(")) && !code.contains(&format!("def {name}(")) {
            gone.push(name);
        }
    }
    assert!(count > 300, "{count} tests are named");
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn the_documents_fit_the_page() {
    let decisions = fs::read_dir(root().join("docs/decisions")).unwrap();
    let mut files: Vec<String> = decisions
        .map(|file| format!("docs/decisions/{}", file.unwrap().file_name().into_string().unwrap()))
        .collect();
    for file in &files {
        let text = read(file);
        assert!(text.lines().count() <= DECISION_LINES_MAX, "{file} is long");
        for part in ["\nDate: 20", "\n## Decision", "\n## Alternatives", "\n## Price"] {
            assert!(text.contains(part), "{file} has no {}", part.trim());
        }
    }
    files.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "docs/OPERATIONS.md",
            "docs/PROGRAMME.md",
            "docs/RULES.md",
        ]
        .map(str::to_owned),
    );
    files.push("deploy/README.md".to_owned());
    for file in files {
        for (number, line) in (1..).zip(read(&file).lines()) {
            assert!(
                line.chars().count() <= COLUMNS_MAX,
                "{file}:{number} has over {COLUMNS_MAX} columns"
            );
        }
    }
}
