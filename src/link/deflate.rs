//! permessage-deflate (RFC 7692; OCPP 2.0.1 part 4 section 3.3). It is used if a station offers it,
//! always without context takeover, so that a silent connection keeps no compressor in memory.

use hyper::header::{self, HeaderMap};

/// The extension's parameters in the handshake's answer.
pub const AGREED: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Whether one of a station's offers can be accepted.
pub fn is_agreed(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(can_be_taken)
}

/// Whether an offer can be accepted. One with a parameter that is unknown, repeated or has a wrong
/// value is declined (RFC 7692 section 7).
fn can_be_taken(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case("permessage-deflate")) {
        return false;
    }
    let mut known: Vec<&str> = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| {
            (name.trim(), Some(value.trim().trim_matches('"')))
        });
        let bits = || {
            value
                .and_then(|value| value.parse::<u8>().ok())
                .is_some_and(|bits| (8..=15).contains(&bits))
        };
        let fits = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "client_max_window_bits" => value.is_none() || bits(),
            // We would have to answer with that size, but our window has only one size. A station
            // that can do without it also sends an offer without it.
            "server_max_window_bits" => false,
            _ => false,
        };
        if !fits || known.contains(&name) {
            return false;
        }
        known.push(name);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offer_that_can_be_taken_is() {
        for (offers, agreed) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", true),
            ("permessage-deflate;server_max_window_bits=\"15\"", false),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits=7", false),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits", false),
            ("permessage-deflate; unknown", false),
            ("x-webkit-deflate-frame", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, offers.parse().unwrap());
            assert_eq!(is_agreed(&headers), agreed, "{offers}");
        }
        assert!(!is_agreed(&HeaderMap::new()));
    }
}
