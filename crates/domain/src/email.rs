//! The accepted forms of a member's e-mail address (rule M1).

/// The most characters of an e-mail address.
pub const EMAIL_MAX: usize = 254;

/// Whether an address keeps rule M1: letters, digits, `.`, `-` and `_`, then one `@`, then a domain
/// of letters, digits, `-` and `.`. No symbol may be first, last or beside the `@`, and no two of
/// `.` and `-` may follow each other.
pub fn is_strict(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let symbol = |c: char| matches!(c, '.' | '-' | '_');
    let pair = |text: &str| {
        text.chars()
            .zip(text.chars().skip(1))
            .any(|(a, b)| matches!(a, '.' | '-') && matches!(b, '.' | '-'))
    };
    let bounded = |text: &str| {
        !text.is_empty() && !text.starts_with(symbol) && !text.ends_with(symbol) && !pair(text)
    };
    address.len() <= EMAIL_MAX
        && bounded(local)
        && bounded(domain)
        && local.chars().all(|c| c.is_ascii_alphanumeric() || symbol(c))
        && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// The rule that decides which addresses are accepted (rule M1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmailRule {
    /// The operator's own rule, see [`is_strict`].
    #[default]
    Strict,
    /// The form that mail systems accept: RFC 5321's dot-string and a host name.
    Rfc,
}

named!(EmailRule, Strict = "strict", Rfc = "rfc");

impl EmailRule {
    /// Whether the rule accepts an address.
    pub fn takes(self, address: &str) -> bool {
        match self {
            Self::Strict => is_strict(address),
            Self::Rfc => is_rfc(address),
        }
    }

    /// The accepted form, for people.
    pub const fn allowed(self) -> &'static str {
        match self {
            Self::Strict => {
                "an address of letters, digits, '.', '-', '_' and one '@', no symbol first, beside the '@' or doubled"
            }
            Self::Rfc => {
                "an address such as name@example.jp: at most 64 characters before the '@', a host name after it"
            }
        }
    }
}

fn is_rfc(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let is_label = |label: &str| {
        let inner = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        !label.is_empty()
            && label.len() <= 63
            && inner
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    local.len() <= 64
        && address.len() <= 254
        && local.split('.').all(is_atom)
        && domain.split('.').all(is_label)
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
        for good in [
            "fleet@example.jp",
            "test.123@example.jp",
            "a_b-c.d@mail.example.co.jp",
            "A1@example.jp",
        ] {
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

    #[test]
    fn the_wider_rule_takes_what_mail_systems_take() {
        for good in
            ["a+b@example.jp", "x__y@example.jp", "first.last@mail.example.co.jp", "a@localhost"]
        {
            assert!(EmailRule::Rfc.takes(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@example.jp",
            ".a@example.jp",
            "a..b@example.jp",
            "a@-x.jp",
            "a b@example.jp",
            "a@b@example.jp",
        ] {
            assert!(!EmailRule::Rfc.takes(bad), "{bad}");
        }
        assert!(!EmailRule::Strict.takes("a+b@example.jp"));
        let at_limit = format!("{}@example.jp", "a".repeat(64));
        assert!(EmailRule::Rfc.takes(&at_limit) && !EmailRule::Rfc.takes(&format!("a{at_limit}")));
    }
}
