//! What is deployed beside the server speaks of the server as it is: its metrics and its settings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use juden::config::{KEYS, variable};
use serde_json::Value;

use crate::house::rust_files;

/// What Prometheus adds to a histogram's or summary's name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words of a text that begin with a prefix.
fn words(text: &str, prefix: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// The metrics that the source counts, and which of them are histograms.
fn counted() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut histograms) = (BTreeSet::new(), BTreeSet::new());
    for (_, text) in ["crates", "src"].into_iter().flat_map(rust_files) {
        for kind in ["counter", "gauge", "histogram"] {
            for rest in text.split(&format!("metrics::{kind}!(")).skip(1) {
                // A name may stand on a line of its own.
                let name =
                    rest.trim_start().trim_start_matches('"').split('"').next().unwrap().to_owned();
                if kind == "histogram" {
                    histograms.insert(name.clone());
                }
                all.insert(name);
            }
        }
    }
    (all, histograms)
}

fn exists(named: &str, all: &BTreeSet<String>, histograms: &BTreeSet<String>) -> bool {
    all.contains(named)
        || SUFFIXES
            .iter()
            .any(|suffix| named.strip_suffix(suffix).is_some_and(|name| histograms.contains(name)))
}

#[test]
fn every_metric_that_alerts_dashboard_and_guide_name_exists() {
    let (all, histograms) = counted();
    for file in ["deploy/alerts.yml", "deploy/grafana.json", "deploy/README.md"] {
        let named = words(&read(file), "juden_");
        assert!(named.len() > 4, "{file} names {named:?}");
        let missing: Vec<&String> =
            named.iter().filter(|name| !exists(name, &all, &histograms)).collect();
        assert!(
            missing.is_empty(),
            "{file} names metrics that the source does not count: {missing:?}"
        );
    }
}

#[test]
fn every_metric_is_explained_in_the_guide() {
    let named = words(&read("deploy/README.md"), "juden_");
    let (all, _) = counted();
    let missing: Vec<&String> = all.difference(&named).collect();
    assert!(missing.is_empty(), "deploy/README.md does not explain {missing:?}");
}

#[test]
fn the_dashboard_is_json_whose_panels_ask_for_something() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 8);
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(
            panel["targets"]
                .as_array()
                .unwrap()
                .iter()
                .all(|target| target["expr"].as_str().is_some_and(|expr| !expr.is_empty()))
        );
    }
}

#[test]
fn the_containers_set_settings_that_there_are() {
    let known: BTreeSet<String> = KEYS.iter().map(|key| variable(key.name)).collect();
    for file in ["Dockerfile", "docker-compose.yml", "deploy/healthy", "deploy/fleet-members"] {
        let unknown: Vec<String> =
            words(&read(file), "JUDEN_").difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{file} sets {unknown:?}");
    }
}
