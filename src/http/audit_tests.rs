use super::*;

#[test]
fn secrets_are_hidden_wherever_they_stand() {
    let kept = detail(
        "/cards",
        br#"{"id_tag":"04A2","cards":[{"activation_code":"X"}],"role":"primary"}"#,
        "",
    );
    assert!(!kept.contains("04A2") && !kept.contains('X') && kept.contains("primary"), "{kept}");
    let profile = br#"{"connectionData":{"vpn":{"key":"X"},"apn":{"apnPassword":"X","simPin":1234}},"location":"ftp://u:X@host"}"#;
    let raw = detail("/stations/CP1/ocpp/SetNetworkProfile", profile, "");
    assert!(!raw.contains('X') && !raw.contains("1234") && raw.contains("host"), "{raw}");
    let raw = detail(
        "/stations/CP1/ocpp/ChangeConfiguration",
        br#"{"key":"AuthorizationKey","value":"X","idTag":"04A2"}"#,
        "",
    );
    assert!(
        !raw.contains("04A2") && !raw.contains('X') && raw.contains("AuthorizationKey"),
        "{raw}"
    );
}

#[test]
fn a_members_call_is_found_by_the_card_that_it_names() {
    let of = |path: &str, body: &str| other_subject(path, body.as_bytes());
    assert_eq!(
        of("/api/v1/members/M-1/cards/activate", r#"{"card_number":"C-1"}"#).as_deref(),
        Some("cards/C-1")
    );
    assert_eq!(
        of("/api/v1/members/M-1/cards/C-1/replace", r#"{"new_card_number":"C-2"}"#).as_deref(),
        Some("cards/C-2")
    );
    assert_eq!(of("/api/v1/members/M-1/hold", "{}"), None);
}

#[test]
fn a_subject_is_the_thing_that_the_request_is_about() {
    assert_eq!(subject("/api/v1/members/M-1/plan-change", ""), "members/M-1");
    assert_eq!(subject("/api/v1/benefits", "service=towing&card_number=C-1"), "cards/C-1");
    assert_eq!(subject("/api/v1/terms", ""), "terms");
}

#[test]
fn a_member_is_known_by_the_first_word() {
    assert!(
        is_member("member")
            && is_member("Member")
            && is_member(" MEMBER M-000001")
            && !is_member("members' desk")
            && !is_member("operator")
    );
}
