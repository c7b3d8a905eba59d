"""Vehicles' certificates (ISO 15118): the operator's command answers for them; and charging as a vehicle asks for it."""

import base64
import json
import stat
import time

import pytest
from conftest import Server
from test_cases_station import Station, Transaction, now

EMAID = "DE8AA1A2B3C4D5"
OCSP = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01", "responderURL": "http://ocsp.example.jp"}
EXI = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "exiRequest": base64.b64encode(b"request").decode()}

# Answers as the message says; what it was called with goes to a file.
COMMAND = """#!/usr/bin/env python3
import base64, json, pathlib, sys
message = json.load(sys.stdin)
with open(pathlib.Path(__file__).with_suffix(".log"), "a") as log:
    log.write(json.dumps([sys.argv[1:], message]) + "\\n")
serial = message.get("ocspRequestData", {}).get("serialNumber", "01")
if serial == "FF":
    sys.exit("no such certificate")
if serial == "EE":
    print("<html>busy</html>")
elif serial == "DD":
    print("A" * 5501)
elif sys.argv[1] == "contract":
    revoked = message["iso15118CertificateHashData"][0]["serialNumber"] == "BAD" if "iso15118CertificateHashData" in message else False
    print("CertificateRevoked" if revoked else "Accepted")
else:
    print(base64.encodebytes(("answer to " + sys.argv[1]).encode() * 20).decode())
"""


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    script = folder / "pki"
    script.write_text(COMMAND)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    server = Server(folder, "--vehicle-pki-command", str(script))
    server.log = script.with_suffix(".log")
    yield server
    server.stop()


def expected(kind):
    return base64.b64encode(f"answer to {kind}".encode() * 20).decode()


@pytest.mark.parametrize("case, action", [("TC_M_26_CSMS", "Install"), ("TC_M_28_CSMS", "Update")])
def test_a_vehicles_certificate_comes_from_the_operators_command(pki, case, action):
    with Station(pki, "v201", case) as station:
        answer = station.says("Get15118EVCertificate", {**EXI, "action": action})
        assert answer == {"status": "Accepted", "exiResponse": expected("certificate")}
        assert station.get("/reports")["items"][0]["action"] == "Get15118EVCertificate"
    called = [json.loads(line) for line in pki.log.read_text().splitlines()]
    assert [["certificate", case], {**EXI, "action": action}] in called


@pytest.mark.parametrize("case", ["TC_M_24_CSMS"])
def test_whether_a_certificate_was_revoked_comes_from_the_operators_command(pki, case):
    with Station(pki, "v201", case) as station:
        assert station.says("GetCertificateStatus", ocspRequestData=OCSP) == {"status": "Accepted", "ocspResult": expected("status")}


@pytest.mark.parametrize("serial", ["FF", "EE", "DD"])
def test_a_command_that_fails_or_prints_something_else_is_no_answer(pki, serial):
    with Station(pki, "v201", f"FAILS-{serial}") as station:
        assert station.says("GetCertificateStatus", ocspRequestData={**OCSP, "serialNumber": serial}) == {"status": "Failed"}
        assert "currentTime" in station.says("Heartbeat")


def test_without_a_command_nobody_answers(server):
    with Station(server, "v201", "NO-PKI") as station:
        assert station.says("GetCertificateStatus", ocspRequestData=OCSP) == {"status": "Failed"}
        assert station.says("Get15118EVCertificate", {**EXI, "action": "Install"}) == {"status": "Failed", "exiResponse": ""}
        answer = station.says("Authorize", idToken={"idToken": "NOBODY", "type": "eMAID"}, iso15118CertificateHashData=[OCSP])
        assert (answer["certificateStatus"], answer["idTokenInfo"]["status"]) == ("NoCertificateAvailable", "Unknown")


@pytest.mark.parametrize("case, shown, certificate, status", [
    ("TC_C_50_CSMS", {"iso15118CertificateHashData": [OCSP]}, "Accepted", "Accepted"),
    ("TC_C_51_CSMS", {"iso15118CertificateHashData": [{**OCSP, "serialNumber": "BAD"}]}, "CertificateRevoked", "Invalid"),
    ("TC_C_52_CSMS", {"certificate": "-----BEGIN CERTIFICATE-----"}, "Accepted", "Accepted"),
])
def test_a_contract_is_a_card_whose_certificate_the_command_judges(pki, case, shown, certificate, status):
    contract = f"{EMAID}{case[5:7]}"
    pki.member_with_card(f"eMAID:{contract}")
    token = {"idToken": contract, "type": "eMAID"}
    with Station(pki, "v201", case) as station:
        answer = station.says("Authorize", idToken=token, **shown)
        assert (answer["certificateStatus"], answer["idTokenInfo"]["status"]) == (certificate, status)
        # The same text on a card is another card.
        assert station.says("Authorize", idToken={"idToken": contract, "type": "ISO14443"})["idTokenInfo"]["status"] == "Unknown"
        if status == "Accepted":
            transaction = Transaction(station)
            transaction.says("Started CablePluggedIn Charging", idToken=token, meter=0)
            transaction.says("Ended EVCommunicationLost Idle reason:EVDisconnected", meter=1_000)
            assert station.session()["card_number"] is not None


@pytest.mark.parametrize("case", ["TC_N_46_CSMS"])
def test_a_customer_whose_data_were_cleared_is_taken_out_of_the_local_list(server, case):
    _, card = server.member_with_card("N46CUSTOMER")
    with Station(server, "v201", case, site=case) as station:
        station.boots()
        station.point.answers["GetVariables"] = {"getVariableResult": [
            {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": "Enabled"}, "attributeStatus": "Accepted", "attributeValue": "true"}]}
        station.point.answers["GetLocalListVersion"] = {"versionNumber": 0}
        station.point.answers["SendLocalList"] = {"status": "Accepted"}
        server.send("PUT", f"/sites/{case}/local-list/{card}")
        sent = lists(station, 1)[0]
        assert {entry["idTokenInfo"]["status"] for entry in sent["localAuthorizationList"]} == {"Accepted"}
        station.point.answers["GetLocalListVersion"] = {"versionNumber": sent["versionNumber"]}
        token = {"idToken": "N46CUSTOMER", "type": "ISO14443"}
        station.point.answers["CustomerInformation"] = {"status": "Accepted"}
        asked = {"requestId": 7, "report": False, "clear": True, "idToken": token}
        assert server.send("POST", f"/stations/{case}/ocpp/CustomerInformation", asked)["outcome"] == "accepted"
        sent = lists(station, 2)[1]
        assert sent["updateType"] == "Differential" and sent["localAuthorizationList"]
        assert all(set(entry) == {"idToken"} and entry["idToken"]["idToken"] == "N46CUSTOMER" for entry in sent["localAuthorizationList"])
        assert server.send("GET", f"/sites/{case}/local-list")["items"] == []


DIRECT = {"requestedEnergyTransfer": "DC", "dcChargingParameters": {"evMaxCurrent": 100, "evMaxVoltage": 400}}


def sent(station, action, count):
    deadline = time.monotonic() + 20
    while True:
        found = [frame[3] for frame in station.recorder.came if frame[0] == 2 and frame[2] == action]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, [frame[2] for frame in station.recorder.came if frame[0] == 2]
        time.sleep(0.05)


def charges(station):
    transaction = Transaction(station)
    transaction.says("Started CablePluggedIn Charging", card="K15VEHICLE", meter=0)
    station.point.answers["SetChargingProfile"] = {"status": "Accepted"}
    return transaction


def limits(profile):
    return [period["limit"] for period in profile["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"]]


def schedule(server, *limits_w):
    periods = [{"startPeriod": 60 * place, "limit": limit} for place, limit in enumerate(limits_w)]
    return {"evseId": 1, "timeBase": now(server), "chargingSchedule": {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}}


@pytest.mark.parametrize("case", ["TC_K_53_CSMS", "TC_K_57_CSMS"])
def test_a_vehicle_is_told_what_it_may_have_each_time_that_it_says_what_it_needs(server, case):
    with Station(server, "v201", case) as station:
        transaction = charges(station)
        for count, (needs, limit) in enumerate([(DIRECT, 40_000), ({"requestedEnergyTransfer": "DC"}, 50_000)], 1):
            assert station.says("NotifyEVChargingNeeds", evseId=1, chargingNeeds=needs) == {"status": "Accepted"}
            profile = sent(station, "SetChargingProfile", count)[-1]
            assert profile["evseId"] == 1 and profile["chargingProfile"]["transactionId"] == transaction.name
            assert profile["chargingProfile"]["chargingProfilePurpose"] == "TxProfile" and limits(profile) == [limit]
            assert station.says("NotifyEVChargingSchedule", schedule(server, limit, limit / 2)) == {"status": "Accepted"}
        kept = [one["action"] for one in station.get("/reports")["items"]]
        assert kept == ["NotifyEVChargingSchedule", "NotifyEVChargingNeeds"] * 2


@pytest.mark.parametrize("case", ["TC_K_55_CSMS"])
def test_a_vehicle_that_means_to_take_more_is_refused_and_told_again_but_not_for_ever(server, case):
    with Station(server, "v201", case) as station:
        charges(station)
        assert station.says("NotifyEVChargingNeeds", evseId=1, chargingNeeds=DIRECT) == {"status": "Accepted"}
        first = sent(station, "SetChargingProfile", 1)[0]
        for count in range(2, 9):
            until_answered(station)
            assert station.says("NotifyEVChargingSchedule", schedule(server, 40_000, 40_000.1)) == {"status": "Rejected"}
            assert sent(station, "SetChargingProfile", min(count, 6))[-1] == first
        assert len(sent(station, "SetChargingProfile", 6)) == 6
        assert station.says("NotifyEVChargingSchedule", schedule(server, 40_000)) == {"status": "Accepted"}


def until_answered(station):
    deadline = time.monotonic() + 20
    while any(one["outcome"] is None for one in station.get("/commands?limit=5")["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("case, needs", [("TC_K_58_CSMS", False), ("TC_K_59_CSMS", True)])
def test_a_schedule_is_held_against_the_profile_that_the_operator_sent_last(server, case, needs):
    with Station(server, "v201", case) as station:
        transaction = charges(station)
        assert station.says("NotifyEVChargingNeeds", evseId=1, chargingNeeds=DIRECT) == {"status": "Accepted"}
        profile = sent(station, "SetChargingProfile", 1)[0]
        until_answered(station)
        less = json.loads(json.dumps(profile))
        less["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] = 10_000
        station.told("SetChargingProfile", less, {"status": "Accepted"})
        if needs:
            assert station.says("NotifyEVChargingNeeds", evseId=1, chargingNeeds=DIRECT) == {"status": "Accepted"}
            assert sent(station, "SetChargingProfile", 3)[-1] == less, "what the operator lets it have stands"
            until_answered(station)
        assert station.says("NotifyEVChargingSchedule", schedule(server, 10_000)) == {"status": "Accepted"}
        assert station.says("NotifyEVChargingSchedule", schedule(server, 10_001)) == {"status": "Rejected"}
        transaction.says("Ended EVCommunicationLost Idle reason:EVDisconnected", meter=1_000)
        # Where nothing charges, nobody can be told anything.
        assert station.says("NotifyEVChargingNeeds", evseId=1, chargingNeeds=DIRECT) == {"status": "Rejected"}


def lists(station, count):
    """The lists that the station was sent, once there are so many."""
    return sent(station, "SendLocalList", count)

