use super::*;

#[test]
fn the_identity_is_the_last_segment_whatever_stands_before_or_after_it() {
    for (path, expected) in [
        ("/ocpp/CP1", Some("CP1")),
        ("/ocpp/CP1/", Some("CP1")),
        ("///CP1//", Some("CP1")),
        ("/a/b/c/CP1", Some("CP1")),
        ("/ocpp/RDAM%20123", Some("RDAM 123")),
        ("/ocpp/a%2Fb", Some("a/b")),
        ("/ocpp/%E5%85%85", Some("充")),
        ("/ocpp/%FF", None),
        ("/", None),
        ("/ocpp", Some("ocpp")),
    ] {
        assert_eq!(identity(path, None).as_deref(), expected, "{path}");
    }
}

#[test]
fn the_query_names_the_identity_only_where_the_path_does_not() {
    for (path, query, expected) in [
        ("/ocpp", "id=CP1", Some("CP1")),
        ("/ocpp/", "token=x&chargePointId=RDAM%20123", Some("RDAM 123")),
        ("/", "identity=CP1", Some("CP1")),
        ("/ocpp/CP1", "id=CP2", Some("CP1")),
        ("/CP1", "id=CP2", Some("CP1")),
        ("/ocpp", "id=", Some("ocpp")),
        ("/", "name=CP1", None),
    ] {
        assert_eq!(identity(path, Some(query)).as_deref(), expected, "{path}?{query}");
    }
}

#[test]
fn a_password_may_be_any_bytes_and_hold_colons() {
    let mut headers = HeaderMap::new();
    let encoded = STANDARD.encode([b"CP1:".as_slice(), &[0xff, b':', 0x00]].concat());
    headers
        .insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("basic {encoded}")).unwrap());
    assert_eq!(credentials(&headers).basic, Some((b"CP1".to_vec(), vec![0xff, b':', 0x00])));
}

#[test]
fn subprotocols_are_read_over_commas_and_repeated_headers() {
    let mut headers = HeaderMap::new();
    headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("ocpp2.0.1 ,ocpp1.6"));
    headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("ocpp1.5"));
    assert_eq!(credentials(&headers).offered, ["ocpp2.0.1", "ocpp1.6", "ocpp1.5"]);
}
