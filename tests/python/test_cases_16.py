"""The OCA's test cases for central systems of OCPP 1.6: commands with each answer that a case has the charge point give, and the
messages that follow them."""

import pytest
from test_cases_station import Station, now

CARD = "04A2B3C4D5E680"
AT = "2026-11-21T00:00:00Z"
FIRMWARE = {"location": "https://example.jp/fw.bin", "retrieveDateTime": AT, "signingCertificate": "PEM", "signature": "c2ln"}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01"}
SCHEDULE = {"chargingRateUnit": "A", "startSchedule": AT, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 300, "limit": 6.0}]}


def profile(purpose, **more):
    return {"chargingProfileId": 7, "stackLevel": 1, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute", "chargingSchedule": SCHEDULE, **more}


def reservation(number, connector=1, **more):
    return {"connectorId": connector, "expiryDate": "2026-11-21T12:00:00Z", "idTag": CARD, "reservationId": number, **more}


ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}

ANSWERS = [
    ("TC_017_1_CSMS", "UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}),
    ("TC_017_2_CSMS", "UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"}),
    ("TC_030_CSMS", "UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"}),
    ("TC_031_CSMS", "UnlockConnector", {"connectorId": 9}, {"status": "NotSupported"}),
    ("TC_019_1_CSMS", "GetConfiguration", {"key": []}, {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]}),
    ("TC_019_2_CSMS", "GetConfiguration", {"key": ["SupportedFeatureProfiles"]},
     {"configurationKey": [{"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core"}], "unknownKey": []}),
    ("TC_021_CSMS", "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}, ACCEPTED),
    ("TC_040_1_CSMS", "ChangeConfiguration", {"key": "NobodyKnows", "value": "1"}, {"status": "NotSupported"}),
    ("TC_040_2_CSMS", "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "-1"}, REJECTED),
    ("TC_026_CSMS", "RemoteStartTransaction", {"idTag": CARD, "connectorId": 1}, REJECTED),
    ("TC_028_CSMS", "RemoteStopTransaction", {"transactionId": 2_000_000_000}, REJECTED),
    ("TC_042_1_CSMS", "GetLocalListVersion", {}, {"listVersion": -1}),
    ("TC_042_2_CSMS", "GetLocalListVersion", {}, {"listVersion": 0}),
    ("TC_043_1_CSMS", "SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []}, {"status": "NotSupported"}),
    ("TC_043_3_CSMS", "SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []}, {"status": "Failed"}),
    ("TC_043_4_CSMS", "SendLocalList",
     {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": CARD, "idTagInfo": {"status": "Accepted", "parentIdTag": "M-000001"}}]}, ACCEPTED),
    ("TC_043_5_CSMS", "SendLocalList",
     {"listVersion": 2, "updateType": "Differential", "localAuthorizationList": [{"idTag": "NEW", "idTagInfo": {"status": "Blocked"}}, {"idTag": CARD}]}, ACCEPTED),
    ("TC_048_1_CSMS", "ReserveNow", reservation(1), {"status": "Faulted"}),
    ("TC_048_2_CSMS", "ReserveNow", reservation(2), {"status": "Occupied"}),
    ("TC_048_3_CSMS", "ReserveNow", reservation(3), {"status": "Unavailable"}),
    ("TC_048_4_CSMS", "ReserveNow", reservation(4), REJECTED),
    ("TC_052_CSMS", "CancelReservation", {"reservationId": 5}, REJECTED),
    ("TC_055_CSMS", "TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}, REJECTED),
    ("TC_056_CSMS", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile")}, ACCEPTED),
    ("TC_061_CSMS", "ClearCache", {}, ACCEPTED),
    ("TC_067_CSMS", "ClearChargingProfile", {"id": 7}, ACCEPTED),
    ("TC_067_CSMS", "ClearChargingProfile", {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}, {"status": "Unknown"}),
    ("TC_066_CSMS", "GetCompositeSchedule", {"connectorId": 1, "duration": 600, "chargingRateUnit": "A"},
     {"status": "Accepted", "connectorId": 1, "scheduleStart": AT, "chargingSchedule": SCHEDULE}),
    ("TC_075_1_CSMS", "InstallCertificate", {"certificateType": "ManufacturerRootCertificate", "certificate": "PEM"}, ACCEPTED),
    ("TC_075_2_CSMS", "InstallCertificate", {"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"}, ACCEPTED),
]


@pytest.mark.parametrize("case, action, payload, answer", ANSWERS, ids=[row[0] if row[3] != {"status": "Unknown"} else f"{row[0]}-unknown" for row in ANSWERS])
def test_a_command_arrives_as_it_was_asked_for_and_its_answer_is_shown(server, case, action, payload, answer):
    with Station(server, "v16", f"{case}-{answer.get('status')}") as station:
        station.boots()
        station.told(action, payload, answer)
        assert station.sessions() == []


def upload(*states):
    return [("DiagnosticsStatusNotification", {"status": state}) for state in states]


def firmware(*states):
    return [("FirmwareStatusNotification", {"status": state}) for state in states]


def signed(*states):
    return [("SignedFirmwareStatusNotification", {"status": state, "requestId": 5}) for state in states]


UPDATE = {"location": "https://example.jp/fw.bin", "retrieveDate": AT, "retries": 1, "retryInterval": 10}
DIAGNOSTICS = {"location": "https://example.jp/logs", "retries": 1, "startTime": "2026-11-20T00:00:00Z", "stopTime": AT}
FOLLOWED = [
    ("TC_044_1_CSMS", "UpdateFirmware", UPDATE, {}, firmware("Downloading", "Downloaded", "Installing", "Installed")),
    ("TC_044_2_CSMS", "UpdateFirmware", UPDATE, {}, firmware("Downloading", "DownloadFailed")),
    ("TC_044_3_CSMS", "UpdateFirmware", UPDATE, {}, firmware("Downloading", "Downloaded", "Installing", "InstallationFailed")),
    ("TC_045_1_CSMS", "GetDiagnostics", DIAGNOSTICS, {"fileName": "logs.zip"}, upload("Uploading", "Uploaded")),
    ("TC_045_2_CSMS", "GetDiagnostics", DIAGNOSTICS, {"fileName": "logs.zip"}, upload("Uploading", "UploadFailed")),
    ("TC_079_CSMS", "GetLog", {"logType": "SecurityLog", "requestId": 5, "log": {"remoteLocation": "https://example.jp/log"}}, {"status": "Accepted", "filename": "log"},
     [("LogStatusNotification", {"status": state, "requestId": 5}) for state in ("Uploading", "Uploaded")]),
    ("TC_080_CSMS", "SignedUpdateFirmware", {"requestId": 5, "firmware": FIRMWARE}, ACCEPTED,
     [*signed("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"),
      ("SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": AT, "techInfo": "2.0"}), *signed("Installed")]),
    ("TC_081_CSMS", "SignedUpdateFirmware", {"requestId": 5, "firmware": FIRMWARE}, ACCEPTED,
     [*signed("Downloading", "Downloaded", "InvalidSignature"), ("SecurityEventNotification", {"type": "InvalidFirmwareSignature", "timestamp": AT, "techInfo": "x"})]),
    ("TC_077_CSMS", "CertificateSigned", {"certificateChain": "PEM"}, REJECTED,
     [("SecurityEventNotification", {"type": "InvalidChargePointCertificate", "timestamp": AT, "techInfo": "expired"})]),
    ("TC_078_CSMS", "InstallCertificate", {"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"}, REJECTED,
     [("SecurityEventNotification", {"type": "InvalidCentralSystemCertificate", "timestamp": AT, "techInfo": "x"})]),
]


@pytest.mark.parametrize("case, action, payload, answer, messages", FOLLOWED, ids=[row[0] for row in FOLLOWED])
def test_what_follows_a_command_is_confirmed_and_kept(server, case, action, payload, answer, messages):
    with Station(server, "v16", case) as station:
        station.boots()
        kept = station.told(action, payload, answer)
        station.says_all(messages)
        if "requestId" in payload:
            of_it, _ = station.reports_of(kept)
            assert of_it == [message for message in messages if "requestId" in message[1]]


@pytest.mark.parametrize("case", ["TC_076_CSMS"])
def test_a_certificate_is_deleted_by_the_hashes_that_the_station_told(server, case):
    with Station(server, "v16", case) as station:
        station.boots()
        wanted = {"certificateType": "CentralSystemRootCertificate"}
        kept = station.told("GetInstalledCertificateIds", wanted, {"status": "Accepted", "certificateHashData": [HASH]})
        (told,) = kept["answer"]["certificateHashData"]
        station.told("DeleteCertificate", {"certificateHashData": told}, ACCEPTED)
        station.told("GetInstalledCertificateIds", wanted, {"status": "NotFound"})


@pytest.mark.parametrize("case", ["TC_001_CSMS"])
def test_a_cold_boot_registers_the_station_and_shows_its_connectors(server, case):
    with Station(server, "v16", case) as station:
        station.boots(chargePointSerialNumber="S-1", firmwareVersion="2.0")
        for connector in (0, 1, 2):
            station.status(connector, "Available")
        assert station.says("Heartbeat")["currentTime"].endswith("Z")
        shown = station.get()
        assert (shown["online"], shown["vendor"], shown["model"], shown["serial"], shown["firmware"]) == (True, "V", "M", "S-1", "2.0")


def start(station, card, *, connector=1, meter=1_000, seconds=0, **more):
    """Starts a transaction: its number, and what is told of the card."""
    answer = station.says("StartTransaction", connectorId=connector, idTag=card, meterStart=meter, timestamp=now(station.server, seconds), **more)
    assert answer["transactionId"] > 0
    return answer["transactionId"], answer["idTagInfo"]


def stop(station, number, *, reason, meter=5_000, seconds=60, card=None):
    told = {"transactionId": number, "meterStop": meter, "timestamp": now(station.server, seconds), "reason": reason}
    return station.says("StopTransaction", told, **({"idTag": card} if card else {}))


def is_billed(station, number, *, reason, energy=4_000, connector=1):
    session = station.session()
    found = (session["transaction_id"], session["state"], session["stop_reason"], session["energy_wh"], session["connector_id"])
    assert found == (number, "ended", reason, energy, connector), session
    assert session["member_id"], session
    assert all(one["active_session_id"] is None for one in station.get()["connectors"])


SESSIONS = [
    ("TC_003_CSMS", ["Preparing", "Authorize", "Start", "Charging"], "Local"),
    ("TC_004_1_CSMS", ["Authorize", "Preparing", "Start", "Charging"], "Local"),
    ("TC_005_1_CSMS", ["Preparing", "Authorize", "Start", "Charging", "SuspendedEV"], "EVDisconnected"),
    ("TC_007_CSMS", ["Preparing", "Start", "Charging"], "Local"),
    ("TC_018_1_CSMS", ["Preparing", "Authorize", "Start", "Charging", "Unlock"], "UnlockCommand"),
    ("TC_013_CSMS", ["Preparing", "Start", "Charging", "Hard"], "HardReset"),
    ("TC_014_CSMS", ["Preparing", "Start", "Charging", "Soft"], "SoftReset"),
    ("TC_012_CSMS", ["Preparing", "Start", "Charging", "RemoteStop"], "Remote"),
    ("TC_010_CSMS", ["Preparing", "RemoteStart", "Authorize", "Start", "Charging"], "Local"),
    ("TC_011_1_CSMS", ["RemoteStart", "Authorize", "Preparing", "Start", "Charging"], "Local"),
    ("TC_059_CSMS", ["Preparing", "RemoteStartWithProfile", "Authorize", "Start", "Charging"], "Local"),
    ("TC_057_CSMS", ["Preparing", "Authorize", "Start", "Charging", "Profile"], "Local"),
    ("TC_046_CSMS", ["Reserve", "Reserved", "Authorize", "Preparing", "Start", "Charging"], "Local"),
    ("TC_049_CSMS", ["ReserveStation", "Authorize", "Preparing", "Start", "Charging"], "Local"),
]


@pytest.mark.parametrize("case, steps, reason", SESSIONS, ids=[row[0] for row in SESSIONS])
def test_a_session_goes_its_way_and_is_billed_once(server, case, steps, reason):
    card = f"{case[:10]}"
    server.member_with_card(card)
    with Station(server, "v16", case) as station:
        station.boots()
        number, more = None, {}
        for step in steps:
            match step:
                case "Authorize":
                    info = station.says("Authorize", idTag=card)["idTagInfo"]
                    assert info["status"] == "Accepted" and info["parentIdTag"].startswith("M-") and info["expiryDate"]
                case "Start":
                    number, info = start(station, card, **more)
                    assert info["status"] == "Accepted"
                    assert station.get()["connectors"][0]["active_session_id"] == station.session()["session_id"]
                case "Unlock":
                    station.told("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})
                case "Hard" | "Soft":
                    station.asked({"command": "reset", "type": step.lower()}, "Reset", {"type": step}, ACCEPTED)
                case "RemoteStop":
                    station.asked({"command": "remote_stop", "transaction_id": number}, "RemoteStopTransaction", {"transactionId": number}, ACCEPTED)
                case "RemoteStart":
                    wanted = {"idTag": card, "connectorId": 1}
                    station.asked({"command": "remote_start", "id_tag": card, "connector_id": 1}, "RemoteStartTransaction", wanted, ACCEPTED)
                case "RemoteStartWithProfile":
                    wanted = {"idTag": card, "connectorId": 1, "chargingProfile": profile("TxProfile")}
                    server.send("POST", f"/stations/{station.id}/ocpp/RemoteStartTransaction",
                                {**wanted, "chargingProfile": profile("TxProfile", transactionId=1)}, 422)
                    station.told("RemoteStartTransaction", wanted, ACCEPTED)
                case "Profile":
                    wanted = {"connectorId": 1, "csChargingProfiles": profile("TxProfile", transactionId=number)}
                    station.told("SetChargingProfile", wanted, ACCEPTED)
                    server.send("POST", f"/stations/{station.id}/ocpp/SetChargingProfile", {**wanted, "csChargingProfiles": profile("TxProfile")}, 422)
                case "Reserve" | "ReserveStation":
                    more = {"reservationId": 31}
                    station.told("ReserveNow", {**reservation(31, connector=int(step == "Reserve")), "idTag": card}, ACCEPTED)
                case status:
                    station.status(1, status)
        assert stop(station, number, reason=reason, card=card)["idTagInfo"]["status"] == "Accepted"
        for status in ("Finishing", "Available"):
            station.status(1, status)
        is_billed(station, number, reason=reason)
        if "Hard" in steps or "Soft" in steps:
            station.boots(firmwareVersion="1.1")
            assert station.get()["firmware"] == "1.1"
        detail = server.send("GET", f"/sessions/{number}")
        assert detail["messages"][0]["payload"].get("reservationId") == more.get("reservationId")


NOT_STARTED = [
    ("TC_004_2_CSMS", ["Authorize", "Preparing", "Available"]),
    ("TC_011_2_CSMS", ["RemoteStart", "Authorize", "Preparing", "Available"]),
    ("TC_047_CSMS", ["Reserve", "Reserved", "Available"]),
    ("TC_051_CSMS", ["Reserve", "Reserved", "Cancel", "Available"]),
    ("TC_024_CSMS", ["Preparing", "Authorize", "LockFailure"]),
]


@pytest.mark.parametrize("case, steps", NOT_STARTED, ids=[row[0] for row in NOT_STARTED])
def test_what_does_not_become_a_session_leaves_none(server, case, steps):
    card = f"{case[:10]}"
    server.member_with_card(card)
    with Station(server, "v16", case) as station:
        station.boots()
        for step in steps:
            match step:
                case "Authorize":
                    assert station.says("Authorize", idTag=card)["idTagInfo"]["status"] == "Accepted"
                case "RemoteStart":
                    station.told("RemoteStartTransaction", {"idTag": card, "connectorId": 1}, ACCEPTED)
                case "Reserve":
                    station.told("ReserveNow", {**reservation(8), "idTag": card}, ACCEPTED)
                case "Cancel":
                    station.told("CancelReservation", {"reservationId": 8}, ACCEPTED)
                case "LockFailure":
                    station.status(1, "Faulted", error="ConnectorLockFailure")
                case status:
                    station.status(1, status)
        assert station.sessions() == []


def refused_card(server, tag, how):
    if how == "Invalid":
        return
    member, card = server.member_with_card(tag)
    if how == "Blocked":
        server.send("POST", f"/cards/{card}/suspend", {"reason": "lost"})
    else:
        server.send("POST", f"/members/{member}/disqualify", {"ground": 1})


@pytest.mark.parametrize("case, status", [("TC_023_1_CSMS", "Invalid"), ("TC_023_2_CSMS", "Expired"), ("TC_023_3_CSMS", "Blocked")],
                         ids=["TC_023_1_CSMS", "TC_023_2_CSMS", "TC_023_3_CSMS"])
def test_a_card_that_is_not_valid_is_told_so_without_an_expiry(server, case, status):
    card = f"{case[:10]}"
    refused_card(server, card, status)
    with Station(server, "v16", case) as station:
        station.boots()
        station.status(1, "Preparing")
        info = station.says("Authorize", idTag=card)["idTagInfo"]
        assert (info["status"], info.get("expiryDate")) == (status, None)
        station.status(1, "Available")
        assert station.sessions() == []


@pytest.mark.parametrize("case", ["TC_053_CSMS"])
def test_a_reserved_connector_is_used_by_another_card_of_the_group(server, case):
    member, _ = server.member_with_card("TC_053_A")
    second = server.send("POST", "/cards", {"id_tag": "TC_053_B"})
    server.send("POST", f"/members/{member}/cards/activate",
                {"card_number": second["card_number"], "activation_code": second["activation_code"], "role": "additional"})
    with Station(server, "v16", case) as station:
        station.boots()
        station.told("ReserveNow", {**reservation(53), "idTag": "TC_053_A", "parentIdTag": member}, ACCEPTED)
        station.status(1, "Reserved")
        info = station.says("Authorize", idTag="TC_053_B")["idTagInfo"]
        assert (info["status"], info["parentIdTag"]) == ("Accepted", member)
        number, info = start(station, "TC_053_B", reservationId=53)
        assert (info["status"], info["parentIdTag"]) == ("Accepted", member)
        # The first card of the group may end it.
        assert stop(station, number, reason="Local", card="TC_053_A")["idTagInfo"]["parentIdTag"] == member
        is_billed(station, number, reason="Local")


@pytest.mark.parametrize("case", ["TC_032_1_CSMS"])
def test_a_session_that_a_power_failure_ended_is_stopped_after_the_next_boot(server, case):
    server.member_with_card(case)
    with Station(server, "v16", case) as station:
        station.boots()
        number, _ = start(station, case)
    with Station(server, "v16", case, known=True) as station:
        station.boots()
        assert station.session()["state"] == "open", "a boot ends nothing"
        stop(station, number, reason="PowerLoss")
        station.status(1, "Available")
        is_billed(station, number, reason="PowerLoss")


OFFLINE = [
    ("TC_037_1_CSMS", True, "Local", 30, 31),
    ("TC_037_3_CSMS", False, "DeAuthorized", 30, None),
    ("TC_039_CSMS", True, "Local", -630, 20),
]


@pytest.mark.parametrize("case, known, reason, seconds, units", OFFLINE, ids=[row[0] for row in OFFLINE])
def test_what_happened_while_the_station_was_away_is_confirmed_and_kept_with_its_own_times(server, case, known, reason, seconds, units):
    if known:
        server.member_with_card(case)
        server.send("PUT", "/clock", {"now": now(server, 3600)})
    began, ended = now(server, -1800), now(server, seconds)
    with Station(server, "v16", case) as station:
        answer = station.says("StartTransaction", connectorId=1, idTag=case, meterStart=0, timestamp=began)
        assert answer["idTagInfo"]["status"] == ("Accepted" if known else "Invalid") and answer["transactionId"] > 0
        answer = station.says("StopTransaction", transactionId=answer["transactionId"], meterStop=900, timestamp=ended, reason=reason)
        assert answer == {}
        session = station.session()
        assert (session["start_reported"], session["stop_reported"], session["stop_reason"]) == (began, ended, reason)
        assert session["started_at"][:19] == began[:19] and session["stopped_at"][:19] == ended[:19]
        assert (session["state"], session["units"]) == ("ended" if known else "quarantined", units)


TRIGGERED = [
    ("TC_054_CSMS", "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "10", "context": "Trigger"}]}]}),
    ("TC_054_CSMS", "Heartbeat", {}),
    ("TC_054_CSMS", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    ("TC_054_CSMS", "DiagnosticsStatusNotification", {"status": "Idle"}),
    ("TC_054_CSMS", "FirmwareStatusNotification", {"status": "Idle"}),
]


@pytest.mark.parametrize("case", ["TC_054_CSMS"])
def test_each_message_is_sent_when_it_is_asked_for(server, case):
    with Station(server, "v16", case) as station:
        station.boots()
        for _, message, payload in TRIGGERED:
            wanted = {"requestedMessage": message}
            body = {"command": "trigger_message", "requested_message": message}
            if "connectorId" in payload:
                wanted["connectorId"] = body["connector_id"] = 1
            station.asked(body, "TriggerMessage", wanted, ACCEPTED)
            answer = station.says(message, payload)
            assert list(answer) == (["currentTime"] if message == "Heartbeat" else []), answer
        assert [one["action"] for one in station.get("/reports")["items"]] == ["FirmwareStatusNotification", "DiagnosticsStatusNotification"]
        assert station.get()["connectors"][0]["status"] == "Available"


@pytest.mark.parametrize("case, message, data", [("TC_064_CSMS", "M", "D"), ("TC_064_CSMS", None, None)], ids=["TC_064_CSMS", "TC_064_CSMS-least"])
def test_a_vendor_that_nobody_knows_is_told_so(server, case, message, data):
    with Station(server, "v16", f"{case}-{message}") as station:
        assert station.says("DataTransfer", vendorId="nobody", **({"messageId": message, "data": data} if message else {})) == {"status": "UnknownVendorId"}
