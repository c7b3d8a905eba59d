use super::*;

#[test]
fn yen_prints_as_short_decimal_strings() {
    for (hundredths, printed) in [
        (132_000, "1320"),
        (330, "3.3"),
        (3850, "38.5"),
        (165, "1.65"),
        (0, "0"),
        (-44_000, "-440"),
    ] {
        assert_eq!(Yen::from_hundredths(hundredths).to_string(), printed);
    }
}

#[test]
fn a_register_counts_in_whole_watt_hours() {
    for (told, whole) in [
        ("12345", 12_345),
        ("12.9", 12),
        ("-1", -1),
        ("-0.5", 0),
        ("99999999999999999999", i64::MAX),
    ] {
        assert_eq!(Register(told.parse().unwrap()).watt_hours(), WattHours(whole), "{told}");
    }
}

#[test]
fn yen_reads_what_it_prints_and_refuses_the_rest() {
    assert_eq!(Yen::parse("3.3"), Some(Yen::from_hundredths(330)));
    assert_eq!(Yen::parse("1650"), Some(Yen::whole(1650)));
    for bad in ["", "-1", "3.333", "x", "1e3", "99999999999999"] {
        assert_eq!(Yen::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_metered_total_is_floored_once() {
    assert_eq!(Yen::parse("3.3").unwrap().times(7).floor_to_whole(), Yen::whole(23));
    assert_eq!(Yen::from_hundredths(-1).floor_to_whole(), Yen::whole(-1));
}

#[test]
fn tax_is_cut_to_whole_yen_out_of_the_included_total() {
    let rate = TaxRate::parse("0.10").unwrap();
    for (total, tax) in
        [(5280, 480), (4403, 400), (4466, 406), (7480, 680), (0, 0), (-4403, -400), (-5280, -480)]
    {
        assert_eq!(rate.tax_within(Yen::whole(total)), Yen::whole(tax), "{total}");
    }
    assert_eq!(rate.to_string(), "0.10");
    assert_eq!(TaxRate::parse("0.085").unwrap().to_string(), "0.085");
    assert_eq!(TaxRate::parse("1.1"), None);
}

#[test]
fn a_tax_rate_is_told_in_per_cent_and_with_two_decimals_at_least() {
    for (text, per_cent, shown) in [
        ("0", "0", "0.00"),
        ("0.1", "10", "0.10"),
        ("0.08", "8", "0.08"),
        ("0.0825", "8.25", "0.0825"),
        ("1", "100", "1.00"),
    ] {
        let rate = TaxRate::parse(text).unwrap();
        assert_eq!(rate.per_cent().to_string(), per_cent);
        assert_eq!(rate.to_string(), shown);
    }
}

#[test]
fn an_amount_without_its_tax_is_cut_at_ten_thousandths_of_a_yen() {
    for (rate, with_tax, without) in [
        ("0.10", Yen::whole(1_320), "1200"),
        ("0.10", Yen::whole(100), "90.9090"),
        ("0.10", Yen::whole(-100), "-90.9090"),
        ("0.08", Yen::from_hundredths(330), "3.0555"),
        ("0", Yen::whole(550), "550"),
    ] {
        let exact = TaxRate::parse(rate).unwrap().without_tax(with_tax);
        assert_eq!(exact, without.parse().unwrap(), "{with_tax:?} at {rate}");
    }
}

#[test]
fn yen_are_counted_in_hundredths() {
    assert_eq!(Yen::whole(10_000).hundredths(), 1_000_000);
    assert_eq!(Yen::parse("3.3").unwrap().hundredths(), 330);
    assert_eq!(Yen::whole(-5).hundredths(), -500);
}
