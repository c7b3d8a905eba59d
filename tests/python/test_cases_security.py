"""The OCA's test cases for central systems about security, of both versions: passwords, security profiles, the station's own
certificate, the choice of a version."""

import base64
import ssl

import pytest
import websockets
from authority import Authority, openssl, request
from conftest import Server, free_port
from test_cases_station import Station, basic, run, until

OLD, NEW = "0123456789abcdef", "fedcba9876543210"
AT = "2026-11-21T00:00:00Z"
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("security")
    place = type("Place", (), {})()
    place.folder, place.port, place.authority = folder, free_port(), Authority(folder, "authority")
    own = place.authority.issue("server", "/CN=localhost/O=Juden", server=True)
    script = folder / "sign"
    script.write_text(f"#!/bin/sh\necho \"$1 $2\" >> {folder}/asked\n"
                      f"openssl x509 -req -CA {place.authority.file} -CAkey {place.authority.key} -CAcreateserial -days 2\n")
    script.chmod(0o755)
    place.server = Server(folder, "--ocpp-tls-listen", f"127.0.0.1:{place.port}", "--tls-cert", str(own[0]), "--tls-key", str(own[1]),
                          "--tls-client-ca", str(place.authority.file), "--ca-command", str(script), clock="")
    place.trusting = ssl.create_default_context(cafile=str(place.authority.file))
    yield place
    place.server.stop()


def handshake(url, protocols, headers=None, trusting=None):
    """What a handshake is answered: the protocol, or the status of its refusal."""
    async def enter():
        try:
            async with websockets.connect(url, subprotocols=protocols, additional_headers=headers or {}, ssl=trusting) as connection:
                return connection.subprotocol
        except websockets.exceptions.InvalidStatus as refused:
            return refused.response.status_code

    return run(enter())


LOGINS = [
    ("TC_085_CSMS", "ocpp1.6", "{id}", OLD, "ocpp1.6"),
    ("TC_A_01_CSMS", "ocpp2.0.1", "{id}", OLD, "ocpp2.0.1"),
    ("TC_A_02_CSMS", "ocpp2.0.1", "{id}-other", OLD, 401),
    ("TC_A_03_CSMS", "ocpp2.0.1", "{id}", NEW, 401),
]


@pytest.mark.parametrize("case, protocol, user, password, answer", LOGINS, ids=[row[0] for row in LOGINS])
def test_a_station_enters_with_its_own_name_and_password_alone(place, case, protocol, user, password, answer):
    place.server.station(case, password=OLD)
    text = f"{user.format(id=case)}:{password}".encode()
    assert handshake(f"{place.server.ocpp_url}/{case}", [protocol], {"Authorization": "Basic " + base64.b64encode(text).decode()}) == answer
    assert handshake(f"{place.server.ocpp_url}/{case}", [protocol]) == 401
    assert place.server.send("GET", "/refused-handshakes?limit=1")["items"][0]["station_id"] == case


VERSIONS = [
    ("TC_088_CSMS", ["ocpp1.6"], "ocpp1.6"), ("TC_088_CSMS", ["ocpp0.1", "ocpp1.6"], "ocpp1.6"), ("TC_088_CSMS", ["ocpp0.1"], 400),
    ("TC_B_58_CSMS", ["ocpp2.0.1"], "ocpp2.0.1"), ("TC_B_58_CSMS", ["ocpp0.1", "ocpp2.0.1", "ocpp1.6"], "ocpp2.0.1"), ("TC_B_58_CSMS", ["ocpp0.1"], 400),
]


@pytest.mark.parametrize("case", ["TC_088_CSMS", "TC_B_58_CSMS"])
def test_the_first_version_that_both_speak_is_chosen_and_without_one_there_is_no_connection(place, case):
    place.server.station(case)
    for protocols, answer in [row[1:] for row in VERSIONS if row[0] == case]:
        assert handshake(f"{place.server.ocpp_url}/{case}", protocols) == answer, protocols


def password_told(status):
    named = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    return ("SetVariables", {"setVariableData": [{**named, "attributeValue": NEW}]}, {"setVariableResult": [{**named, "attributeStatus": status}]})


PASSWORDS = [
    ("TC_073_CSMS", "v16", ("ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW.encode().hex()}, ACCEPTED), NEW),
    ("TC_A_09_CSMS", "v201", password_told("Accepted"), NEW),
    ("TC_A_10_CSMS", "v201", password_told("Rejected"), OLD),
]


@pytest.mark.parametrize("case, version, command, right", PASSWORDS, ids=[row[0] for row in PASSWORDS])
def test_a_password_counts_once_the_station_took_it(place, case, version, command, right):
    action, payload, answer = command
    with Station(place.server, version, case, password=OLD) as station:
        station.point.answers[action] = answer
        place.server.send("POST", f"/stations/{case}/ocpp/{action}", payload)
        assert station.came(action) == payload
        kept = station.get("/commands?limit=1")["items"][0]
        assert "(redacted)" in str(kept["payload"]) and NEW not in str(kept) and NEW.encode().hex() not in str(kept)
    protocols = ["ocpp1.6" if version == "v16" else "ocpp2.0.1"]
    entered = {password: handshake(f"{place.server.ocpp_url}/{case}", protocols, basic(case, password)) for password in (OLD, NEW)}
    assert entered == {password: protocols[0] if password == right else 401 for password in (OLD, NEW)}


PROFILE = {"configurationSlot": 2, "connectionData": {"ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "wss://csms.example.jp/ocpp", "messageTimeout": 30,
                                                      "securityProfile": 2, "ocppInterface": "Wired0"}}
PRIORITY = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "NetworkConfigurationPriority"}}
RAISED = [
    ("TC_083_CSMS", "v16", [("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"}, ACCEPTED), ("Reset", {"type": "Hard"}, ACCEPTED)]),
    ("TC_A_19_CSMS", "v201", [
        ("SetNetworkProfile", PROFILE, ACCEPTED),
        ("SetVariables", {"setVariableData": [{**PRIORITY, "attributeValue": "2,1"}]}, {"setVariableResult": [{**PRIORITY, "attributeStatus": "Accepted"}]}),
        ("Reset", {"type": "OnIdle"}, ACCEPTED)]),
]


@pytest.mark.parametrize("case, version, commands", RAISED, ids=[row[0] for row in RAISED])
def test_a_station_that_came_with_a_higher_profile_enters_with_no_lower_one(place, case, version, commands):
    with Station(place.server, version, case, password=OLD, security_profile=1) as station:
        station.boots()
        for command in commands:
            station.told(*command)
    secure = f"wss://localhost:{place.port}/ocpp/{case}"
    with Station(place.server, version, case, known=True, url=secure, trusting=place.trusting, password=OLD) as station:
        station.boots()
        assert station.get()["security_profile"] == 2
    protocols = ["ocpp1.6" if version == "v16" else "ocpp2.0.1"]
    assert handshake(f"{place.server.ocpp_url}/{case}", protocols, basic(case, OLD)) == 401
    assert handshake(secure, protocols, basic(case, OLD), place.trusting) == protocols[0]


def triggered(message, version):
    return ("ExtendedTriggerMessage" if version == "v16" else "TriggerMessage", {"requestedMessage": message}, ACCEPTED)


RENEWED = [
    ("TC_074_CSMS", "v16", "SignChargePointCertificate", None, ACCEPTED),
    ("TC_A_11_CSMS", "v201", "SignChargingStationCertificate", "ChargingStationCertificate", ACCEPTED),
    ("TC_A_12_CSMS", "v201", "SignV2GCertificate", "V2GCertificate", ACCEPTED),
    ("TC_A_14_CSMS", "v201", "SignChargingStationCertificate", "ChargingStationCertificate", REJECTED),
    ("TC_077_CSMS", "v16", "SignChargePointCertificate", None, REJECTED),
]


@pytest.mark.parametrize("case, version, message, kind, answer", RENEWED, ids=[row[0] for row in RENEWED])
def test_a_station_that_is_asked_to_has_its_new_key_signed(place, case, version, message, kind, answer):
    csr, _ = request(place.folder, case, f"/CN={case}")
    with Station(place.server, version, case, password=OLD) as station:
        station.boots()
        station.told(*triggered(message, version))
        station.point.answers["CertificateSigned"] = answer
        assert station.says("SignCertificate", csr=csr, **({"certificateType": kind} if kind else {})) == ACCEPTED
        until("the chain must come", lambda: any(frame[2] == "CertificateSigned" for frame in station.recorder.came if frame[0] == 2))
        sent = station.came("CertificateSigned")
        assert sent.get("certificateType") == kind
        chain = place.folder / f"{case}.chain"
        chain.write_text(sent["certificateChain"])
        assert f"CN = {case}" in openssl("x509", "-in", chain, "-noout", "-subject")
        openssl("verify", "-CAfile", place.authority.file, chain)
        outcome = answer["status"].lower()
        until("its outcome must be kept", lambda: station.get("/commands?limit=1")["items"][0]["outcome"] == outcome)
        assert (place.folder / "asked").read_text().splitlines()[-1] == f"{case} {kind or ''}"
        if answer == REJECTED:
            event = "InvalidChargePointCertificate" if version == "v16" else "InvalidChargingStationCertificate"
            told = {"type": event, "timestamp": AT, "techInfo": "the chain"}
            assert station.says("SecurityEventNotification", told) == {}
            assert station.get("/reports?action=SecurityEventNotification")["items"][0]["payload"] == told
