//! The strict form of a member's e-mail address (rule M1).

/// The longest address that is kept.
pub const EMAIL_MAX: usize = 254;

/// Whether an address keeps rule M1: one `@`; letters, digits, `.`, `-`, `_` before it and a domain
/// of letters, digits, `-`, `.` after it; no symbol first or beside the `@`; no two of `.` and `-`
/// in a row.
pub fn is_strict(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let symbol = |c: char| matches!(c, '.' | '-' | '_');
    let pair = |text: &str| text.chars().zip(text.chars().skip(1)).any(|(a, b)| matches!(a, '.' | '-') && matches!(b, '.' | '-'));
    let bounded = |text: &str| !text.is_empty() && !text.starts_with(symbol) && !text.ends_with(symbol) && !pair(text);
    address.len() <= EMAIL_MAX
        && bounded(local)
        && bounded(domain)
        && local.chars().all(|c| c.is_ascii_alphanumeric() || symbol(c))
        && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_forms_of_the_rule_are_refused() {
        for bad in [
            "Test123.example.jp",
            "test123@.example.jp",
            "test123.@example.jp",
            "test--.123@example.jp",
            ".test@example.jp",
            "-test@example.jp",
            "a@b@example.jp",
            "@example.jp",
            "a@",
            "",
            "a b@example.jp",
            "a@exam_ple.jp",
        ] {
            assert!(!is_strict(bad), "{bad}");
        }
    }

    #[test]
    fn usual_addresses_are_taken() {
        for good in ["fleet@example.jp", "test.123@example.jp", "a_b-c.d@mail.example.co.jp", "A1@example.jp"] {
            assert!(is_strict(good), "{good}");
        }
    }

    #[test]
    fn an_address_is_taken_at_its_longest_and_not_past_it() {
        let domain = "@example.jp";
        let longest = format!("{}{domain}", "a".repeat(EMAIL_MAX - domain.len()));
        assert!(is_strict(&longest));
        assert!(!is_strict(&format!("a{longest}")));
    }
}
