use super::*;

fn now() -> DateTime<Utc> {
    "2024-06-10T00:00:00Z".parse().unwrap()
}

fn list(version: i64, kind: &str, entries: &Value) -> Value {
    json!({"listVersion": version, "updateType": kind, "localAuthorizationList": entries})
}

#[test]
fn the_list_goes_before_the_cache_and_the_cache_ends_with_its_expiry() {
    let shared = SharedMemory::new(true, true);
    let mut memory = shared.lock();
    assert!(!memory.lets_charge_offline("CARD", now()), "it is not known");
    let accepted =
        json!({"idTagInfo": {"status": "Accepted", "expiryDate": "2024-06-10T00:00:01Z"}});
    memory.heard(&json!({"idTag": "card"}), &accepted);
    assert!(memory.lets_charge_offline("CARD", now()));
    assert!(!memory.lets_charge_offline("CARD", "2024-06-10T00:00:01Z".parse().unwrap()));
    let blocked = json!([{"idTag": "CARD", "idTagInfo": {"status": "Blocked"}}]);
    assert_eq!(
        memory.command("SendLocalList", &list(1, "Differential", &blocked)).unwrap()["status"],
        "Accepted"
    );
    assert!(!memory.lets_charge_offline("CARD", now()));
    assert_eq!(
        memory
            .command("SendLocalList", &list(2, "Differential", &json!([{"idTag": "CARD"}])))
            .unwrap()["status"],
        "Accepted"
    );
    assert!(memory.lets_charge_offline("CARD", now()));
    assert_eq!(memory.command("ClearCache", &json!({})).unwrap()["status"], "Accepted");
    assert!(!memory.lets_charge_offline("CARD", now()));
}

#[test]
fn a_list_takes_only_what_the_standard_lets_it_take() {
    let shared = SharedMemory::new(true, false);
    shared.set("SendLocalListMaxLength", "1");
    let mut memory = shared.lock();
    let entry = |tag: &str| json!({"idTag": tag, "idTagInfo": {"status": "Blocked"}});
    for (version, kind, entries, status) in [
        (0, "Full", json!([]), "Failed"),
        (3, "Differential", json!([entry("A")]), "Accepted"),
        (3, "Differential", json!([entry("B")]), "VersionMismatch"),
        (4, "Differential", json!([entry("B"), entry("C")]), "Failed"),
        (4, "Differential", json!([entry("ABCDEFGHIJKLMNOPQRSTU")]), "Failed"),
        (4, "Full", json!([{"idTag": "A"}]), "Failed"),
        (4, "Full", json!([entry("B")]), "Accepted"),
    ] {
        let answer = memory.command("SendLocalList", &list(version, kind, &entries)).unwrap();
        assert_eq!(answer["status"], status, "{version} {kind} {entries}");
    }
    assert_eq!(
        (memory.listed("A"), memory.listed("b"), memory.list_version()),
        (None, Some("Blocked"), 4)
    );
    assert_eq!(memory.command("ClearCache", &json!({})).unwrap()["status"], "Rejected");
    assert_eq!(
        memory.change_key(&json!({"key": "SupportedFeatureProfiles", "value": "Core"})),
        "Rejected"
    );
    assert_eq!(
        memory.change_key(&json!({"key": "LocalAuthListEnabled", "value": "false"})),
        "Accepted"
    );
    assert_eq!(memory.command("GetLocalListVersion", &json!({})).unwrap()["listVersion"], -1);
}
