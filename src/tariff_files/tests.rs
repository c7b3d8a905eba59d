use super::*;
use juden_domain::month::BillingMonth;
use juden_domain::units::Yen;

fn faults_of(change: impl Fn(&str) -> String) -> Vec<String> {
    read("t/2023-09.toml", "t/2023-09", "2023-09", &change(BUILT_IN[1].2)).unwrap_err()
}

#[test]
fn the_built_in_tariffs_are_good_and_know_each_others_plans() {
    let book = built_in().unwrap();
    let month = BillingMonth::parse("2026-11").unwrap();
    let (tariff, name, plan) = book.plan("premium_10", month).unwrap();
    assert_eq!(
        (tariff.version.as_str(), name, plan.quick.per_unit),
        ("zesp3/2023-09", "premium_100", Yen::whole(44))
    );
    assert!(book.in_force(BillingMonth::parse("2019-11").unwrap()).is_err());
}

#[test]
fn every_fault_names_file_line_and_key() {
    for (from, to, expected) in [
        ("base = \"1100\"", "bose = \"1100\"", "plans.simple.bose: unknown key `bose`"),
        ("base = \"1100\"", "bose = \"1100\"", "plans.simple.base: is missing"),
        (
            "reissue = \"1650\"",
            "reissue = 1650",
            "fees.reissue: 1650 is not allowed: it must be yen as a string",
        ),
        ("contract = \"1650\"", "contract = \"x\"", "fees.contract: \"x\" is not allowed"),
        ("contract = \"1650\"", "contract = \"-1\"", "fees.contract: \"-1\" is not allowed"),
        (
            "unit_s = 60, free_units = 0, per_unit = \"99\"",
            "unit_s = 0, free_units = 0, per_unit = \"99\"",
            "plans.simple.quick.unit_s: 0 is not",
        ),
        ("free_units = 100", "free_units = \"many\"", "or \"unlimited\""),
        ("tax_rate = \"0.10\"", "tax_rate = \"10\"", "tax_rate: \"10\" is not allowed"),
        (
            "normal = { unit_s = 60, free_units = 0, per_unit = \"3.3\" }",
            "",
            "plans.simple.normal: is missing",
        ),
        (
            "premium_40 = \"premium_400\"",
            "premium_40 = \"premium_9\"",
            "renames.premium_40: there is no plan \"premium_9\"",
        ),
        (
            "accepts_term = false",
            "accepts_term = \"no\"",
            "terms.accepts_term: \"no\" is not allowed: it must be true or false",
        ),
        (
            "carry_over_months = 0",
            "carry_over_months = 2",
            "carry_over_months: 2 is not allowed: it must be 0 or 1",
        ),
        ("[fees]", "[fees", "t/2023-09.toml:"),
        (
            "published = \"2023-05-17\"",
            "published = \"2023-13-01\"",
            "published: \"2023-13-01\" is not allowed: it must be a day",
        ),
        ("[fees]", "tax_rate = \"0.08\"\n[fees]", "duplicate key, at: tax_rate"),
        (
            "[fees]",
            "small_debit_fee = { threshold_yen = 2000 }\n[fees]",
            "small_debit_fee.fee_yen: is missing",
        ),
        (
            "term_discount = \"1650\"",
            "term_discount = \"99999\"",
            "it must be at most the base fee",
        ),
    ] {
        let faults = faults_of(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let place = BUILT_IN[1].2.find(from).unwrap();
        let line = BUILT_IN[1].2[..place].matches('\n').count();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{from} -> {to}: {faults:?}");
        for fault in faults {
            let told: usize = fault.split(':').nth(1).unwrap().parse().unwrap();
            assert!(told >= 1 && told <= line + 9, "{fault}");
        }
    }
}

#[test]
fn all_faults_of_a_file_are_told_in_the_order_of_their_lines() {
    let faults = faults_of(|text| {
        text.replace("reissue = \"1650\"", "reissue = 1").replace("base = \"1100\"", "base = true")
    });
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].contains("fees.reissue") && faults[1].contains("plans.simple.base"),
        "{faults:?}"
    );
}

#[test]
fn a_file_must_be_named_after_a_month() {
    let faults = read("t/september.toml", "t/september", "september", BUILT_IN[1].2).unwrap_err();
    assert!(faults[0].contains("2026-11.toml"));
}

#[test]
fn a_folder_is_read_with_all_its_faults() {
    let folder = tempfile::tempdir().unwrap();
    assert!(load(folder.path()).unwrap_err()[0].contains("holds no tariff file"));
    let tariffs = folder.path().join("tt");
    fs::create_dir(&tariffs).unwrap();
    fs::write(tariffs.join("2023-09.toml"), BUILT_IN[1].2.replace("renames", "renamed")).unwrap();
    fs::write(tariffs.join("2019-12.toml"), "tax_rate = 1").unwrap();
    let faults = load(folder.path()).unwrap_err();
    assert!(
        faults.iter().any(|fault| fault.contains("2019-12.toml:1"))
            && faults.iter().any(|fault| fault.contains("renamed")),
        "{faults:?}"
    );
    fs::write(tariffs.join("2023-09.toml"), BUILT_IN[1].2).unwrap();
    fs::write(tariffs.join("2019-12.toml"), BUILT_IN[0].2).unwrap();
    assert_eq!(load(folder.path()).unwrap().versions().len(), 2);
    assert_eq!(load(&tariffs).unwrap().versions()[0].version, "tt/2019-12");
}
