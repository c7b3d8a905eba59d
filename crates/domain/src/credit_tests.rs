use super::super::month::BillingMonth;
use super::*;

fn line(code: LineCode, rate: &str, yen: i64) -> Line {
    of(
        code,
        TaxRate::parse(rate).unwrap(),
        if yen < 0 { -Yen::whole(-yen) } else { Yen::whole(yen) },
    )
}

fn of(code: LineCode, tax_rate: TaxRate, amount: Yen) -> Line {
    Line {
        code,
        usage_month: BillingMonth::parse("2024-05").unwrap(),
        quantity: 1,
        unit: "month".into(),
        unit_price: amount,
        amount,
        tax_rate,
        tariff_version: "t".into(),
        sessions: Vec::new(),
        previous_invoice: None,
        reason: None,
    }
}

fn codes(lines: &[Line]) -> Vec<(&'static str, String)> {
    lines.iter().map(|line| (line.code.name(), line.amount.to_string())).collect()
}

#[test]
fn w115_what_a_credit_leaves_over_is_carried_until_it_is_used_up() {
    let mut balance = Balance::default();
    let mut first =
        vec![line(LineCode::Base, "0.10", 1_100), line(LineCode::Credit, "0.10", -5_940)];
    balance.settle(&mut first, &of);
    assert_eq!((bill::total(&first), balance.total()), (Yen::ZERO, Yen::whole(4_840)));
    let mut second = vec![line(LineCode::Base, "0.10", 1_100)];
    balance.settle(&mut second, &of);
    let shown = [("carried_credit", "-4840"), ("base", "1100"), ("carried_forward", "3740")];
    assert_eq!(codes(&second), shown.map(|(code, yen)| (code, yen.to_owned())));
    let mut last = vec![line(LineCode::Base, "0.10", 4_400)];
    balance.settle(&mut last, &of);
    assert_eq!((bill::total(&last), balance.is_left()), (Yen::whole(660), false));
}

#[test]
fn credit_stays_with_the_rate_that_it_came_from() {
    let mut balance = Balance::default();
    let mut lines =
        vec![line(LineCode::Base, "0.10", 1_000), line(LineCode::Credit, "0.08", -1_500)];
    balance.settle(&mut lines, &of);
    assert_eq!(codes(&lines)[2], ("carried_forward", "500".to_owned()));
    assert_eq!(lines[2].tax_rate.to_string(), "0.08");
    assert_eq!(bill::total(&balance.pay_out(&of)), Yen::whole(500));
    assert!(!balance.is_left());
}
