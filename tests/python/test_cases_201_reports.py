"""The OCA's test cases for central systems of OCPP 2.0.1: monitoring, logs, customers' data, displays, vendors' messages (N, O, P)."""

import pytest
from test_cases_station import BOOT, Station, Transaction, play

AT, LATER = "2026-11-21T00:00:00Z", "2026-11-21T06:00:00Z"
ACCEPTED, REJECTED, UNKNOWN = {"status": "Accepted"}, {"status": "Rejected"}, {"status": "Unknown"}
CHARGING = ("transaction", "Started CablePluggedIn Charging")
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
STATE = {"component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}, "variable": {"name": "AvailabilityState"}}


def monitors(*places, request=41, **more):
    """A report of monitors, a part for each place."""
    monitor = {"id": 1, "transaction": False, "value": 50_000.5, "type": "UpperThreshold", "severity": 5}
    part = lambda number: {"requestId": request, "seqNo": number, "generatedAt": AT, "tbc": number + 1 < len(places)}  # noqa: E731
    parts = [("NotifyMonitoringReport", {**part(number), "monitor": [{**place, "variableMonitoring": [monitor]}]}) for number, place in enumerate(places)]
    return [("GetMonitoringReport", {"requestId": request, **more}, ACCEPTED), *parts]


def monitored(*settings):
    """Monitors that are set: type, value, the answer's status."""
    data = [{"value": value, "type": kind, "severity": 5, **place} for place, kind, value, _ in settings]
    result = [{"status": status, "type": kind, "severity": 5, **place, **({"id": number} if status == "Accepted" else {})}
              for number, (place, kind, _, status) in enumerate(settings, 1)]
    return ("SetVariableMonitoring", {"setMonitoringData": data}, {"setMonitoringResult": result})


def unmonitored(*ids, status="Accepted"):
    return ("ClearVariableMonitoring", {"id": list(ids)}, {"clearMonitoringResult": [{"id": one, "status": status} for one in ids]})


def event(kind="CustomMonitor", value="51000", trigger="Alerting", number=1, **more):
    data = {"eventId": number, "timestamp": AT, "trigger": trigger, "actualValue": value, "eventNotificationType": kind, "variableMonitoringId": 1, **POWER, **more}
    return ("NotifyEvent", {"generatedAt": AT, "seqNo": 0, "tbc": False, "eventData": [data]})


def log(kind, request=42, answer=None):
    place = {"remoteLocation": "https://example.jp/log", "oldestTimestamp": "2026-11-20T00:00:00Z", "latestTimestamp": AT}
    return ("GetLog", {"requestId": request, "logType": kind, "retries": 1, "log": place}, answer or {"status": "Accepted", "filename": "log.txt"})


def uploads(*states, request=42):
    return [("LogStatusNotification", {"status": state, "requestId": request}) for state in states]


TOKEN = {"idToken": "04A2B3C4D5E680", "type": "ISO14443"}


def customer(report, clear, answer=ACCEPTED, **who):
    return ("CustomerInformation", {"requestId": 43, "report": report, "clear": clear, **(who or {"idToken": TOKEN})}, answer)


def customers_data(*texts):
    part = lambda number: {"requestId": 43, "seqNo": number, "generatedAt": AT, "tbc": number + 1 < len(texts)}  # noqa: E731
    return [("NotifyCustomerInformation", {**part(number), "data": text}) for number, text in enumerate(texts)]


NO_DATA = ("",)
CERTIFICATE = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01"}
CASES = [
    ("TC_N_01_CSMS", monitors(POWER, STATE, monitoringCriteria=["ThresholdMonitoring"])),
    ("TC_N_02_CSMS", monitors(POWER, componentVariable=[POWER])),
    ("TC_N_03_CSMS", monitors(POWER, monitoringCriteria=["ThresholdMonitoring"], componentVariable=[POWER])),
    ("TC_N_60_CSMS", monitors(POWER, STATE, monitoringCriteria=["DeltaMonitoring"], componentVariable=[POWER, STATE])),
    ("TC_N_47_CSMS", monitors(POWER, STATE, POWER)),
    ("TC_N_05_CSMS", [("SetMonitoringBase", {"monitoringBase": base}, ACCEPTED) for base in ("All", "FactoryDefault", "HardWiredOnly")]),
    ("TC_N_08_CSMS", [monitored((POWER, "UpperThreshold", 50_000.5, "Accepted"))]),
    ("TC_N_09_CSMS", [monitored((POWER, "UpperThreshold", 50_000.0, "Accepted"), (STATE, "Delta", 1.0, "UnsupportedMonitorType"))]),
    ("TC_N_16_CSMS", [("SetMonitoringLevel", {"severity": 4}, ACCEPTED)]),
    ("TC_N_21_CSMS", [event("HardWiredMonitor")]),
    ("TC_N_24_CSMS", [monitored((POWER, "Periodic", 60.0, "Accepted")), event(trigger="Periodic")]),
    ("TC_N_44_CSMS", [unmonitored(1, status="Rejected")]),
    ("TC_N_48_CSMS", [monitored((POWER, "UpperThreshold", 1.0, "Accepted")), event(value="")]),
    ("TC_N_49_CSMS", [monitored((POWER, "LowerThreshold", 10.0, "Accepted"), (POWER, "UpperThreshold", 50.0, "Accepted")), event(number=1),
                      ("boot", "PowerUp"), event(value="20", number=2, cleared=True, cause=1)]),
    ("TC_N_50_CSMS", [event(trigger="Periodic", number=number, value=str(number)) for number in (1, 2)]),
    ("TC_N_25_CSMS", [log("DiagnosticsLog"), *uploads("Uploading", "Uploaded")]),
    ("TC_N_34_CSMS", [log("DiagnosticsLog", answer=REJECTED)]),
    ("TC_N_35_CSMS", [log("SecurityLog"), *uploads("Uploading", "Uploaded")]),
    ("TC_N_36_CSMS", [log("DiagnosticsLog"), *uploads("Uploading"), log("DiagnosticsLog", 44, {"status": "AcceptedCanceled", "filename": "second"}),
                      *uploads("AcceptedCanceled"), *uploads("Uploading", "Uploaded", request=44)]),
    ("TC_N_27_CSMS", [customer(True, False), *customers_data("one", "two")]),
    ("TC_N_28_CSMS", [customer(True, False), *customers_data(*NO_DATA)]),
    ("TC_N_29_CSMS", [customer(True, False, REJECTED)]),
    ("TC_N_30_CSMS", [customer(True, True), *customers_data("one")]),
    ("TC_N_31_CSMS", [customer(True, True), *customers_data(*NO_DATA)]),
    ("TC_N_32_CSMS", [customer(False, True), *customers_data(*NO_DATA)]),
    ("TC_N_62_CSMS", [customer(True, True, customerIdentifier="C-1"), *customers_data("one")]),
    ("TC_N_63_CSMS", [customer(True, True, customerCertificate=CERTIFICATE), *customers_data("one")]),
]


@pytest.mark.parametrize("case, steps", CASES, ids=[row[0] for row in CASES])
def test_what_is_asked_for_comes_in_parts_and_stands_with_its_command(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)


@pytest.mark.parametrize("case", ["TC_N_17_CSMS"])
def test_a_severity_out_of_range_that_the_station_refuses_is_shown_and_one_beyond_all_is_not_sent(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        station.told("SetMonitoringLevel", {"severity": 9}, {"status": "Rejected", "statusInfo": {"reasonCode": "OutOfRange"}})
        for severity in (-1, 10):
            assert server.send("POST", f"/stations/{case}/ocpp/SetMonitoringLevel", {"severity": severity}, 422)["field"] == "severity"
        assert len(station.get("/commands")["items"]) == 1


def message(number=5, **more):
    return {"id": number, "priority": "AlwaysFront", "message": {"format": "UTF8", "language": "ja", "content": "こんにちは"}, **more}


def put(answer=ACCEPTED, **more):
    return ("SetDisplayMessage", {"message": message(**more)}, answer)


def got(*numbers, answer=ACCEPTED, **which):
    told = [message(number) for number in numbers]
    parts = [("NotifyDisplayMessages", {"requestId": 51, "messageInfo": [one], "tbc": one is not told[-1]}) for one in told]
    return [("GetDisplayMessages", {"requestId": 51, **which}, answer), *parts]


DISPLAYS = [
    ("TC_O_01_CSMS", [put()]),
    ("TC_O_02_CSMS", got(5, 6)),
    ("TC_O_03_CSMS", got(answer=UNKNOWN)),
    ("TC_O_04_CSMS", [put(), ("ClearDisplayMessage", {"id": 5}, ACCEPTED)]),
    ("TC_O_05_CSMS", [("ClearDisplayMessage", {"id": 7}, UNKNOWN)]),
    ("TC_O_06_CSMS", [CHARGING, put(transactionId="T-1")]),
    ("TC_O_07_CSMS", got(5, id=[5])),
    ("TC_O_08_CSMS", got(5, 6, priority="AlwaysFront")),
    ("TC_O_09_CSMS", got(5, state="Charging")),
    ("TC_O_10_CSMS", [put({"status": "UnknownTransaction"}, transactionId="T-9")]),
    ("TC_O_11_CSMS", got(answer=UNKNOWN, id=[5], priority="NormalCycle", state="Idle")),
    ("TC_O_12_CSMS", [put(), put(priority="InFront"), *got(5)]),
    ("TC_O_13_CSMS", [put(startDateTime=LATER), *got(5)]),
    ("TC_O_14_CSMS", [put(endDateTime=LATER), *got(5), ("GetDisplayMessages", {"requestId": 52}, UNKNOWN)]),
    ("TC_O_17_CSMS", [put({"status": "NotSupportedPriority"})]),
    ("TC_O_18_CSMS", [put({"status": "NotSupportedState"}, state="Faulted")]),
    ("TC_O_19_CSMS", [put({"status": "NotSupportedMessageFormat"})]),
    ("TC_O_25_CSMS", [put(number=place, state=state) for place, state in enumerate(("Charging", "Faulted", "Idle", "Unavailable"), 1)]),
    ("TC_O_26_CSMS", [put(REJECTED)]),
    ("TC_O_27_CSMS", [CHARGING, put(transactionId="T-1", startDateTime=LATER), *got(5)]),
    ("TC_O_28_CSMS", [CHARGING, put(transactionId="T-1", endDateTime=LATER), *got(5), ("GetDisplayMessages", {"requestId": 52}, UNKNOWN)]),
]


@pytest.mark.parametrize("case, steps", DISPLAYS, ids=[row[0] for row in DISPLAYS])
def test_messages_for_displays_are_set_told_and_cleared_as_the_operator_asks(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)


@pytest.mark.parametrize("case", ["TC_P_02_CSMS"])
def test_a_vendor_that_nobody_knows_is_told_so(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        for more in ({}, {"messageId": "M"}, {"messageId": "M", "data": {"any": ["JSON", 1]}}):
            assert station.says("DataTransfer", vendorId="nobody", **more) == {"status": "UnknownVendorId"}


@pytest.mark.parametrize("case", ["TC_P_03_CSMS"])
def test_custom_data_is_taken_and_the_message_means_what_it_means_without(server, case):
    custom = {"customData": {"vendorId": "org.example", "more": [1, {"deep": True}]}}
    with Station(server, "v201", case) as station:
        station.boots(**custom)
        assert "currentTime" in station.says("Heartbeat", custom)
        told = {**BOOT["v201"], **custom, "chargingStation": {**BOOT["v201"]["chargingStation"], "firmwareVersion": "3.0", **custom}}
        assert station.says("BootNotification", told)["status"] == "Accepted"
        assert station.get()["firmware"] == "3.0"
        transaction = Transaction(station, case)
        assert transaction.says("Started CablePluggedIn Charging", meter=1, **custom) == {}
        transaction.says("Ended EVCommunicationLost Idle reason:EVDisconnected", meter=2, transaction_info=custom)
        assert transaction.session()["energy_wh"] == 1
