use super::*;
use chrono::NaiveTime;

fn gathered(flags: &[(&str, &str)], environment: &[(&str, &str)], file: Option<&Path>) -> Texts {
    let find = |set: &[(&str, &str)], name: &str| {
        set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    Texts::gather(|name| find(flags, name), |name| find(environment, name), file)
}

#[test]
fn the_defaults_are_good() {
    let config = gathered(&[], &[], None).into_config().unwrap();
    assert_eq!(config.http_listen.port(), 8080);
    assert_eq!(config.link.idle_timeout, Duration::from_secs(900));
    assert_eq!(config.app.month_close, Some((5, NaiveTime::from_hms_opt(3, 0, 0).unwrap())));
}

#[test]
fn a_flag_stands_above_the_environment_above_the_file_above_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("juden.toml");
    std::fs::write(
        &file,
        "call-timeout-s = 7\nmonth-close-day = \"manual\"\nlog-format = \"json\"\n",
    )
    .unwrap();
    let environment = [("JUDEN_CALL_TIMEOUT_S", "8"), ("JUDEN_LOG_FORMAT", "text")];
    let config =
        gathered(&[("call-timeout-s", "9")], &environment, Some(&file)).into_config().unwrap();
    assert_eq!(config.link.call_timeout, Duration::from_secs(9));
    assert!(!config.log_json);
    assert_eq!(config.app.month_close, None);
}

#[test]
fn every_fault_is_told_with_key_value_and_what_is_allowed() {
    let wrong = [
        ("http-listen", "here"),
        ("call-timeout-s", "0"),
        ("simulated-clock", "soon"),
        ("month-close-day", "29"),
        ("otlp-endpoint", "collector"),
    ];
    let faults = gathered(&wrong, &[], None).into_config().unwrap_err();
    assert_eq!(faults.len(), wrong.len(), "{faults:?}");
    assert!(faults.iter().any(|fault| fault
        == "call-timeout-s: \"0\" is not allowed: it must be a whole number from 1 to 600"));
}

#[test]
fn a_secret_is_read_out_of_the_file_that_is_named_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "a-key-out-of-a-file\n").unwrap();
    let named = file.display().to_string();
    let config = gathered(&[("admin-key-file", &named)], &[], None).into_config().unwrap();
    assert_eq!(config.admin_key.as_deref(), Some("a-key-out-of-a-file"));
    let printed = gathered(&[("admin-key-file", &named)], &[], None).printed();
    assert!(printed.iter().all(|(_, value)| !value.contains("a-key-out")), "{printed:?}");
    let both = gathered(&[("admin-key-file", &named), ("admin-key", "another")], &[], None)
        .into_config()
        .unwrap_err();
    assert_eq!(both, ["admin-key, admin-key-file: both are set: leave one out"]);
    std::fs::write(&file, " \n").unwrap();
    assert!(
        gathered(&[("admin-key-file", &named)], &[], None).into_config().is_err(),
        "an empty file"
    );
    assert!(gathered(&[("redis-url-file", "/no/such/file")], &[], None).into_config().is_err());
}

#[test]
fn an_unknown_key_in_the_file_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("juden.toml");
    std::fs::write(&file, "htpp-listen = \"x\"\n").unwrap();
    let faults = gathered(&[], &[], Some(&file)).into_config().unwrap_err();
    assert!(faults[0].contains("htpp-listen: no such setting"), "{faults:?}");
}

#[test]
fn the_reference_file_holds_every_key_with_its_default() {
    let reference = include_str!("../juden.reference.toml");
    let mut listed: Vec<(String, String)> = reference
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    let mut known: Vec<(String, String)> =
        KEYS.iter().map(|key| (key.name.to_owned(), key.default.to_owned())).collect();
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
}
