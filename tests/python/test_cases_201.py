"""The OCA's test cases for central systems of OCPP 2.0.1: provisioning, authorization, local lists, triggers, availability,
reservations (B, C, D, F, G, H)."""

import pytest
from test_cases_station import BOOT, Station, Transaction, now, play

CARD = {"idToken": "04A2B3C4D5E680", "type": "ISO14443"}
AT = "2026-11-21T00:00:00Z"
ACCEPTED, REJECTED, SCHEDULED = {"status": "Accepted"}, {"status": "Rejected"}, {"status": "Scheduled"}
CHARGING, ENDED = ("transaction", "Started CablePluggedIn Charging"), ("transaction", "Ended EVCommunicationLost Idle reason:EVDisconnected")


def variable(name, component="OCPPCommCtrlr", **more):
    return {"component": {"name": component}, "variable": {"name": name}, **more}


def got(name, value="1", status="Accepted", **more):
    return variable(name, **more, attributeStatus=status, **({"attributeValue": value} if status == "Accepted" else {}))


def report(request, *parts):
    """The parts of a report."""
    at = lambda place: {"requestId": request, "generatedAt": AT, "seqNo": place, "tbc": place + 1 < len(parts)}  # noqa: E731
    data = lambda name: {**variable(name), "variableAttribute": [{"value": "1"}]}  # noqa: E731
    return [("NotifyReport", {**at(place), "reportData": [data(name)]}) for place, name in enumerate(parts)]


def base_report(base, *parts):
    return [("GetBaseReport", {"requestId": 11, "reportBase": base}, ACCEPTED), *report(11, *parts)]


NETWORK = {"configurationSlot": 1, "connectionData": {
    "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "wss://csms.example.jp/ocpp", "messageTimeout": 30, "securityProfile": 1, "ocppInterface": "Wired0"}}


def listed(token, status="Accepted", **more):
    return {"idToken": {**CARD, "idToken": token}, "idTokenInfo": {"status": status, **more}}


def sent_list(version, kind, *entries):
    return ("SendLocalList", {"versionNumber": version, "updateType": kind, **({"localAuthorizationList": list(entries)} if entries else {})}, ACCEPTED)


def trigger(message, *evse, answer=ACCEPTED):
    place = {"evse": dict(zip(("id", "connectorId"), evse, strict=False))} if evse else {}
    return ("TriggerMessage", {"requestedMessage": message, **place}, answer)


def metered(evse):
    return ("MeterValues", {"evseId": evse, "meterValue": [{"timestamp": AT, "sampledValue": [{"value": 7, "context": "Trigger"}]}]})


def available(status, *evse, answer=ACCEPTED):
    place = {"evse": dict(zip(("id", "connectorId"), evse, strict=False))} if evse else {}
    return ("ChangeAvailability", {"operationalStatus": status, **place}, answer)


def reserved(number, answer=ACCEPTED, **more):
    return ("ReserveNow", {"id": number, "expiryDateTime": "2026-11-22T00:00:00Z", "idToken": CARD, **more}, answer)


def ended(number, why):
    return ("ReservationStatusUpdate", {"reservationId": number, "reservationUpdateStatus": why})


def event(component, name, value, **more):
    place = {"component": {"name": component, "evse": {"id": 1, "connectorId": 1}}, "variable": {"name": name}}
    data = {"eventId": 1, "timestamp": AT, "trigger": "Alerting", "actualValue": value, "eventNotificationType": "HardWiredNotification", **place, **more}
    return ("NotifyEvent", {"generatedAt": AT, "seqNo": 0, "tbc": False, "eventData": [data]})


ROWS = [
    ("TC_B_06_CSMS", [("GetVariables", {"getVariableData": [variable("OfflineThreshold")]}, {"getVariableResult": [got("OfflineThreshold")]})]),
    ("TC_B_07_CSMS", [("GetVariables", {"getVariableData": [variable("OfflineThreshold"), variable("AuthorizeRemoteStart", "AuthCtrlr")]},
                       {"getVariableResult": [got("OfflineThreshold"), got("AuthorizeRemoteStart", status="UnknownVariable", component="AuthCtrlr")]})]),
    ("TC_B_09_CSMS", [("SetVariables", {"setVariableData": [variable("OfflineThreshold", attributeValue="123")]},
                       {"setVariableResult": [variable("OfflineThreshold", attributeStatus="Accepted")]})]),
    ("TC_B_10_CSMS", [("SetVariables", {"setVariableData": [variable("OfflineThreshold", attributeValue="123"), variable("Nope", attributeValue="1")]},
                       {"setVariableResult": [variable("OfflineThreshold", attributeStatus="Accepted"), variable("Nope", attributeStatus="UnknownVariable")]})]),
    ("TC_B_12_CSMS", base_report("ConfigurationInventory", "HeartbeatInterval", "OfflineThreshold")),
    ("TC_B_13_CSMS", base_report("FullInventory", "ActiveNetworkProfile", "HeartbeatInterval", "OfflineThreshold")),
    ("TC_B_14_CSMS", base_report("SummaryInventory", "ActiveNetworkProfile")),
    ("TC_B_18_CSMS", [("GetReport", {"requestId": 12, "componentCriteria": ["Available"], "componentVariable": [variable("HeartbeatInterval")]}, ACCEPTED),
                      *report(12, "HeartbeatInterval")]),
    ("TC_B_20_CSMS", [("Reset", {"type": "OnIdle"}, ACCEPTED), ("boot", "RemoteReset"), ("status", 1, "Available")]),
    ("TC_B_25_CSMS", [("Reset", {"type": "OnIdle", "evseId": 1}, ACCEPTED), ("status", 1, "Unavailable"), ("status", 1, "Available")]),
    ("TC_B_42_CSMS", [("SetNetworkProfile", NETWORK, ACCEPTED)]),
    ("TC_B_44_CSMS", [("SetNetworkProfile", NETWORK, {"status": "Failed"})]),
    ("TC_C_37_CSMS", [("ClearCache", {}, ACCEPTED)]),
    ("TC_C_38_CSMS", [("ClearCache", {}, REJECTED)]),
    ("TC_D_01_CSMS", [sent_list(1, "Full", listed("A"), listed("B", "Blocked"))]),
    ("TC_D_02_CSMS", [sent_list(1, "Full", listed("A")), sent_list(2, "Differential", listed("B"))]),
    ("TC_D_03_CSMS", [sent_list(1, "Full", listed("A"), listed("B")), sent_list(2, "Differential", {"idToken": {**CARD, "idToken": "B"}})]),
    ("TC_D_04_CSMS", [sent_list(1, "Full", listed("A")), sent_list(2, "Full")]),
    ("TC_D_08_CSMS", [sent_list(1, "Full", listed("A")), ("GetLocalListVersion", {}, {"versionNumber": 1})]),
    ("TC_D_09_CSMS", [("GetLocalListVersion", {}, {"versionNumber": 0})]),
    ("TC_F_06_CSMS", [("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": "Unlocked"})]),
    ("TC_F_11_CSMS", [trigger("MeterValues", 1), metered(1)]),
    ("TC_F_12_CSMS", [trigger("MeterValues"), metered(1), metered(2)]),
    ("TC_F_13_CSMS", [CHARGING, trigger("TransactionEvent", 1), ("transaction", "Updated Trigger Charging")]),
    ("TC_F_14_CSMS", [CHARGING, trigger("TransactionEvent"), ("transaction", "Updated Trigger Charging")]),
    ("TC_F_15_CSMS", [trigger("LogStatusNotification"), ("LogStatusNotification", {"status": "Idle"})]),
    ("TC_F_18_CSMS", [trigger("FirmwareStatusNotification"), ("FirmwareStatusNotification", {"status": "Idle"})]),
    ("TC_F_23_CSMS", [trigger("StatusNotification", 1, 1), ("status", 1, "Available")]),
    ("TC_F_24_CSMS", [trigger("StatusNotification", 1, 1), ("status", 1, "Occupied")]),
    ("TC_F_27_CSMS", [trigger("SignV2GCertificate", answer={"status": "NotImplemented"})]),
    ("TC_G_03_CSMS", [available("Inoperative", 1), ("status", 1, "Unavailable")]),
    ("TC_G_04_CSMS", [("status", 1, "Unavailable"), available("Operative", 1), ("status", 1, "Available")]),
    ("TC_G_05_CSMS", [available("Inoperative"), ("status", 1, "Unavailable"), ("status", 2, "Unavailable")]),
    ("TC_G_06_CSMS", [("status", 1, "Unavailable"), available("Operative"), ("status", 1, "Available"), ("status", 2, "Available")]),
    ("TC_G_07_CSMS", [available("Inoperative", 1, 1), ("status", 1, "Unavailable")]),
    ("TC_G_08_CSMS", [("status", 1, "Unavailable"), available("Operative", 1, 1), ("status", 1, "Available")]),
    ("TC_G_11_CSMS", [CHARGING, available("Inoperative", 1, answer=SCHEDULED), ENDED, ("status", 1, "Unavailable")]),
    ("TC_G_14_CSMS", [CHARGING, available("Inoperative", answer=SCHEDULED), ("status", 2, "Unavailable"), ENDED, ("status", 1, "Unavailable")]),
    ("TC_G_17_CSMS", [CHARGING, available("Inoperative", 1, 1, answer=SCHEDULED), ENDED, ("status", 1, "Unavailable")]),
    ("TC_G_20_CSMS", [event("ConnectorPlugRetentionLock", "Problem", "true"), event("ConnectorPlugRetentionLock", "Problem", "false", cleared=True)]),
    ("TC_H_07_CSMS", [reserved(7, evseId=1), ("status", 1, "Reserved"), ended(7, "Expired"), ("status", 1, "Available")]),
    ("TC_H_14_CSMS", [reserved(7), ("status", 1, "Available"), reserved(8), ("status", 1, "Reserved"), ("status", 2, "Reserved")]),
    ("TC_H_17_CSMS", [reserved(7, evseId=1), ("status", 1, "Reserved"), ("CancelReservation", {"reservationId": 7}, ACCEPTED), ("status", 1, "Available")]),
    ("TC_H_20_CSMS", [reserved(7, evseId=1), ("status", 1, "Reserved"), ("status", 1, "Faulted"), ended(7, "Removed")]),
    ("TC_H_22_CSMS", [reserved(7, REJECTED, evseId=1)]),
]


@pytest.mark.parametrize("case, steps", ROWS, ids=[row[0] for row in ROWS])
def test_a_command_and_what_the_station_says_then_come_and_go_as_they_are(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)
        names = [f"{data['variable']['name']}" for step in steps if step[0] == "NotifyReport" for data in step[1]["reportData"]]
        model = station.get("/device-model")["items"]
        assert sorted(one["variable"] for one in model) == sorted(names)


@pytest.mark.parametrize("case", ["TC_D_01_CSMS", "TC_D_04_CSMS"])
def test_a_list_has_a_version_above_nought(server, case):
    with Station(server, "v201", f"{case}-NOUGHT") as station:
        action, payload, _ = sent_list(0, "Full", *([listed("A")] if case == "TC_D_01_CSMS" else []))
        assert server.send("POST", f"/stations/{station.id}/ocpp/{action}", payload, 422)["field"] == "versionNumber"
        assert station.get("/commands")["items"] == []


@pytest.mark.parametrize("case, status", [("TC_F_23_CSMS", "Available"), ("TC_F_24_CSMS", "Occupied")], ids=["TC_F_23_CSMS", "TC_F_24_CSMS"])
def test_a_state_is_asked_for_by_evse_and_connector(server, case, status):
    with Station(server, "v201", f"{case}-ASKED") as station:
        body = {"command": "trigger_message", "requested_message": "StatusNotification", "connector_id": 2}
        station.asked(body, *trigger("StatusNotification", 2, 1))
        station.status(2, status)


@pytest.mark.parametrize("case", ["TC_F_20_CSMS"])
def test_a_heartbeat_that_was_asked_for_is_told_the_time(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        station.asked({"command": "trigger_message", "requested_message": "Heartbeat"}, "TriggerMessage", {"requestedMessage": "Heartbeat"}, ACCEPTED)
        before = now(server)
        assert before <= station.says("Heartbeat")["currentTime"] <= now(server)


@pytest.mark.parametrize("case", ["TC_B_01_CSMS"])
def test_a_cold_boot_registers_the_station_and_shows_its_connectors(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        for evse in (1, 2):
            station.status(evse, "Available")
        # The same is told by an event, too (G01.FR.07).
        assert station.says(*event("Connector", "AvailabilityState", "Occupied", trigger="Delta")) == {}
        shown = station.get()
        assert (shown["vendor"], shown["model"], shown["firmware"], shown["online"]) == ("V", "M", "1.0", True)
        assert [one["status"] for one in shown["connectors"]] == ["Occupied", "Available"]


def boots_waiting(station, reason="PowerUp"):
    answer = station.says("BootNotification", {**BOOT["v201"], "reason": reason})
    assert answer["status"] == "Pending" and answer["interval"] > 0 and answer["currentTime"]


@pytest.mark.parametrize("case", ["TC_B_02_CSMS"])
def test_a_station_that_waits_is_configured_and_then_accepted(server, case):
    with Station(server, "v201", case, registration="pending") as station:
        boots_waiting(station)
        station.told("SetVariables", {"setVariableData": [variable("OfflineThreshold", attributeValue="9")]},
                     {"setVariableResult": [variable("OfflineThreshold", attributeStatus="Accepted")]})
        station.told("GetVariables", {"getVariableData": [variable("OfflineThreshold")]}, {"getVariableResult": [got("OfflineThreshold", "9")]})
        station.told("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"}, ACCEPTED)
        for action, payload in report(3, "HeartbeatInterval", "OfflineThreshold"):
            assert station.says(action, payload) == {}
        for action, payload in (("RequestStartTransaction", {"remoteStartId": 1, "idToken": CARD}), ("RequestStopTransaction", {"transactionId": "T"})):
            assert server.send("POST", f"/stations/{case}/ocpp/{action}", payload, 409)["reason"] == "station_not_accepted"
        assert len(station.get("/device-model")["items"]) == 2 and station.get()["boot_status"] == "Pending"
        server.station(case, registration="accepted")
        station.boots()
        station.status(1, "Available")


@pytest.mark.parametrize("case", ["TC_B_30_CSMS"])
@pytest.mark.parametrize("registration", ["pending", "rejected"])
def test_a_station_that_is_not_accepted_has_other_calls_refused(server, case, registration):
    with Station(server, "v201", f"{case}-{registration}", registration=registration) as station:
        assert station.is_refused("Heartbeat") == "SecurityError"
        assert station.says("BootNotification", BOOT["v201"])["status"] == registration.capitalize()
        told = {"timestamp": AT, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
        event = {"type": "StartupOfTheDevice", "timestamp": AT}
        step = {"eventType": "Started", "timestamp": AT, "triggerReason": "CablePluggedIn", "seqNo": 0, "transactionInfo": {"transactionId": "T-1"}}
        readings = {"evseId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [{"value": 1.0}]}]}
        for action, payload in (
            ("StatusNotification", told), ("Authorize", {"idToken": CARD}), ("Heartbeat", {}), ("SecurityEventNotification", event),
            ("TransactionEvent", step), ("MeterValues", readings),
        ):
            assert station.is_refused(action, payload) == "SecurityError", action
        assert station.get("/reports")["items"] == []
        assert server.send("GET", f"/sessions?station_id={station.id}")["items"] == []
        assert station.get()["connectors"][0]["status"] is None


@pytest.mark.parametrize("case", ["TC_B_31_CSMS"])
def test_a_station_that_waits_boots_again_when_it_is_asked_to(server, case):
    with Station(server, "v201", case, registration="pending") as station:
        boots_waiting(station)
        station.told(*trigger("BootNotification"))
        server.station(case, registration="accepted")
        station.boots(reason="Triggered")


REFUSED = [("TC_C_02_CSMS", "Unknown"), ("TC_C_06_CSMS", "Blocked"), ("TC_C_07_CSMS", "Expired")]


@pytest.mark.parametrize("case, status", REFUSED, ids=[row[0] for row in REFUSED])
def test_a_card_that_is_not_valid_is_told_so_and_is_not_to_be_remembered(server, case, status):
    if status != "Unknown":
        member, card = server.member_with_card(case)
        if status == "Blocked":
            server.send("POST", f"/cards/{card}/suspend", {"reason": "lost"})
        else:
            server.send("POST", f"/members/{member}/disqualify", {"ground": 1})
    with Station(server, "v201", case) as station:
        station.boots()
        info = station.says("Authorize", idToken={**CARD, "idToken": case})["idTokenInfo"]
        assert info["status"] == status and "cacheExpiryDateTime" not in info
        assert station.says("TransactionEvent", {
            "eventType": "Started", "timestamp": now(server), "triggerReason": "Authorized", "seqNo": 0, "idToken": {**CARD, "idToken": case},
            "transactionInfo": {"transactionId": case}, "evse": {"id": 1}})["idTokenInfo"]["status"] == status


def two_cards(server, name):
    """A member with two cards, `name-A` and `name-B`; the member's id is their group."""
    member, _ = server.member_with_card(f"{name}-A")
    second = server.send("POST", "/cards", {"id_tag": f"{name}-B"})
    code = {"card_number": second["card_number"], "activation_code": second["activation_code"], "role": "additional"}
    server.send("POST", f"/members/{member}/cards/activate", code)
    return member


def group_of(info):
    assert info["groupIdToken"]["type"] == "Central"
    return info["status"], info["groupIdToken"]["idToken"]


@pytest.mark.parametrize("case", ["TC_C_39_CSMS", "TC_C_40_CSMS", "TC_C_43_CSMS", "TC_H_19_CSMS", "TC_H_01_CSMS", "TC_H_08_CSMS", "TC_H_15_CSMS"])
def test_a_session_begun_with_one_card_of_a_group_is_ended_with_the_other(server, case):
    name = case.removesuffix("_CSMS")
    member = two_cards(server, name)
    first, second = f"{name}-A", f"{name}-B"
    group = {"idToken": member, "type": "Central"}
    with Station(server, "v201", case) as station:
        station.boots()
        more, opened = {}, first
        match case:
            case "TC_C_40_CSMS":
                station.told(*sent_list(1, "Full", *(listed(card, groupIdToken=group) for card in (first, second))))
            case "TC_C_43_CSMS":
                station.told(*sent_list(1, "Full", listed(first, groupIdToken=group), listed(second, "Invalid", groupIdToken=group)))
            case "TC_H_19_CSMS":
                station.told(*reserved(19, evseId=1, groupIdToken=group))
                more, opened = {"reservationId": 19}, second
            case "TC_H_01_CSMS" | "TC_H_08_CSMS" | "TC_H_15_CSMS":
                place = {"TC_H_01_CSMS": {"evseId": 1}, "TC_H_08_CSMS": {}, "TC_H_15_CSMS": {"connectorType": "cG105"}}[case]
                station.told(*reserved(19, **{**place, "idToken": {**CARD, "idToken": first}}))
                more = {"reservationId": 19}
        if "_H_" in case:
            station.status(1, "Reserved")
        assert group_of(station.says("Authorize", idToken={**CARD, "idToken": opened})["idTokenInfo"]) == ("Accepted", member)
        transaction = Transaction(station, case)
        answer = transaction.says("Started Authorized Charging", card=opened, meter=10, **more)
        assert group_of(answer["idTokenInfo"]) == ("Accepted", member)
        other = second if opened == first else first
        assert group_of(station.says("Authorize", idToken={**CARD, "idToken": other})["idTokenInfo"]) == ("Accepted", member)
        answer = transaction.says("Ended StopAuthorized EVConnected reason:Local", card=other, meter=30)
        assert group_of(answer["idTokenInfo"]) == ("Accepted", member)
        session = transaction.session()
        assert (session["state"], session["member_id"], session["energy_wh"]) == ("ended", member, 20), session


MASTER = [("TC_C_47_CSMS", [1, 2]), ("TC_C_48_CSMS", [2]), ("TC_C_49_CSMS", [1, 2])]


@pytest.mark.parametrize("case, stopped", MASTER, ids=[row[0] for row in MASTER])
def test_the_cards_of_the_group_that_the_station_holds_for_its_masters_stop_others_sessions(server, case, stopped):
    name = case.removesuffix("_CSMS")
    master, _ = server.member_with_card(f"{name}-M")
    drivers = [server.member_with_card(f"{name}-{evse}")[0] for evse in (1, 2)]
    with Station(server, "v201", case) as station:
        station.boots()
        station.told("SetVariables", {"setVariableData": [variable("MasterPassGroupId", "AuthCtrlr", attributeValue=master)]},
                     {"setVariableResult": [variable("MasterPassGroupId", "AuthCtrlr", attributeStatus="Accepted")]})
        running = [Transaction(station, f"{case}-{evse}", evse=evse) for evse in (1, 2)]
        for evse, transaction in enumerate(running, 1):
            transaction.says("Started Authorized Charging", card=f"{name}-{evse}", meter=0)
        assert group_of(station.says("Authorize", idToken={**CARD, "idToken": f"{name}-M"})["idTokenInfo"]) == ("Accepted", master)
        for evse in stopped:
            answer = running[evse - 1].says("Ended StopAuthorized EVConnected reason:MasterPass", card=f"{name}-M", meter=10)
            assert group_of(answer["idTokenInfo"]) == ("Accepted", master)
        for evse, (transaction, driver) in enumerate(zip(running, drivers, strict=True), 1):
            session = transaction.session()
            ended = ("ended", "MasterPass") if evse in stopped else ("open", None)
            assert (session["state"], session["stop_reason"], session["member_id"]) == (*ended, driver), session
