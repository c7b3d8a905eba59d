//! TLS that ends at a terminator in front of the server, which describes the station in headers.
//! Only headers from the configured addresses are trusted.

use std::net::{IpAddr, SocketAddr};

use hyper::header::HeaderMap;

use juden_core::stations::access::{ClientCertificate, Transport};

/// `1`: the station connected over TLS.
const OVER_TLS: &str = "x-juden-tls";

/// The common name of the station's certificate, which the terminator checked; absent or empty: the
/// station showed none.
const COMMON_NAME: &str = "x-juden-tls-client-cn";

/// The organization in the certificate.
const ORGANIZATION: &str = "x-juden-tls-client-o";

/// The addresses that the connection came through.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The transport and address of a station at the terminator. `None`: the peer is not a terminator.
pub fn transport_behind_terminator(
    terminators: &[IpAddr],
    headers: &HeaderMap,
    peer: SocketAddr,
) -> Option<(Transport, SocketAddr)> {
    if !terminators.contains(&peer.ip().to_canonical()) {
        return None;
    }
    // A header that appears twice was not set by the terminator alone, and is ignored.
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?.trim();
        (values.next().is_none() && !value.is_empty()).then(|| value.to_owned())
    };
    let certificate = one(COMMON_NAME)
        .map(|common_name| ClientCertificate { common_name, organization: one(ORGANIZATION) });
    let transport = if one(OVER_TLS).as_deref() == Some("1") {
        Transport::Tls(certificate)
    } else {
        Transport::Plain
    };
    let forwarded =
        headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|value| value.to_str().ok());
    // The last address is the one that the terminator itself saw.
    let from = forwarded.and_then(|list| address(list.rsplit(',').next()?.trim()));
    Some((transport, from.map_or(peer, |ip| SocketAddr::new(ip, 0))))
}

/// Reads an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn came(peer: &str, pairs: &[(&'static str, &str)]) -> Option<(Transport, String)> {
        let terminators = ["10.0.0.1".parse().unwrap()];
        transport_behind_terminator(&terminators, &headers(pairs), peer.parse().unwrap())
            .map(|(transport, from)| (transport, from.ip().to_string()))
    }

    #[test]
    fn a_terminator_is_believed_and_nobody_else() {
        let told = [
            (OVER_TLS, "1"),
            (COMMON_NAME, "CP1"),
            (ORGANIZATION, "CPO"),
            (FORWARDED_FOR, "6.6.6.6, 192.0.2.7"),
        ];
        let certificate =
            ClientCertificate { common_name: "CP1".into(), organization: Some("CPO".into()) };
        assert_eq!(
            came("10.0.0.1:5", &told),
            Some((Transport::Tls(Some(certificate)), "192.0.2.7".into()))
        );
        assert_eq!(
            came("[::ffff:10.0.0.1]:5", &[]),
            Some((Transport::Plain, "::ffff:10.0.0.1".into()))
        );
        assert_eq!(came("10.0.0.2:5", &told), None);
        assert_eq!(came("10.0.0.1:5", &[(FORWARDED_FOR, "192.0.2.7:567")]).unwrap().1, "192.0.2.7");
    }

    #[test]
    fn a_station_without_a_certificate_shows_none_and_what_is_told_twice_is_not_told() {
        assert_eq!(
            came("10.0.0.1:5", &[(OVER_TLS, "1"), (COMMON_NAME, "")]).unwrap().0,
            Transport::Tls(None)
        );
        assert_eq!(
            came("10.0.0.1:5", &[(OVER_TLS, "1"), (COMMON_NAME, "CP1"), (COMMON_NAME, "CP2")])
                .unwrap()
                .0,
            Transport::Tls(None)
        );
        assert_eq!(
            came("10.0.0.1:5", &[(OVER_TLS, "0"), (COMMON_NAME, "CP1")]).unwrap().0,
            Transport::Plain
        );
    }
}
