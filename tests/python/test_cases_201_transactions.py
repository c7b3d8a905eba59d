"""The OCA's test cases for central systems of OCPP 2.0.1: transactions, remote starts, meter values (E, F, J)."""

import pytest
from test_cases_station import Station, Transaction, now

ACCEPTED = {"status": "Accepted"}
AT = "2026-11-21T00:00:00Z"
CHARGING = "Updated ChargingStateChanged Charging"
STOPPED = "Ended StopAuthorized EVConnected reason:Local card"
PLUGGED = "Updated CablePluggedIn EVConnected evse"


def shown(case):
    return case.removesuffix("_CSMS")


def tell(transaction, text, card, meter):
    """A step as the tables write it: `card`: it is shown; `evse`: only now it is known where."""
    words = text.split()
    if "evse" in words:
        transaction.evse = 1
    more = {"card": card} if "card" in words else {}
    text = " ".join(one for one in words if one not in ("card", "evse"))
    return transaction.says(text, meter=meter, **more)


# What the case has the station tell, in its order, and why its session ends.
STORIES = [
    ("TC_E_01_CSMS", ["Authorize", "Started Authorized EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_E_02_CSMS", ["Authorize", "Started ChargingStateChanged Charging card", STOPPED], "Local"),
    ("TC_E_03_CSMS", ["Started CablePluggedIn EVConnected", "Authorize", "Updated Authorized EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_E_04_CSMS", ["Authorize", "Started Authorized Idle card", "Updated CablePluggedIn EVConnected", CHARGING, STOPPED], "Local"),
    ("TC_E_07_CSMS", ["Started Authorized EVConnected card", CHARGING, "Ended StopAuthorized EVConnected reason:Local"], "Local"),
    ("TC_E_08_CSMS", ["Started ChargingStateChanged Charging card", "Authorize", "Ended StopAuthorized EVConnected reason:Local card"], "Local"),
    ("TC_E_09_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_E_10_CSMS", ["Authorize", "Started Authorized Idle card", PLUGGED, CHARGING, STOPPED], "Local"),
    ("TC_E_11_CSMS", ["Authorize", "Started SignedDataReceived EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_E_12_CSMS", ["Started EVDetected Idle", "Updated CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_E_14_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING, "Updated StopAuthorized EVConnected card",
                      "Ended EVCommunicationLost Idle reason:Local"], "Local"),
    ("TC_E_15_CSMS", ["Started Authorized EVConnected card", CHARGING, "Authorize", "Ended StopAuthorized EVConnected reason:Local card"], "Local"),
    ("TC_E_17_CSMS", ["Started Authorized EVConnected card", CHARGING, "Ended EVCommunicationLost Idle reason:EVDisconnected"], "EVDisconnected"),
    ("TC_E_19_CSMS", ["Started EVDetected Idle", "Updated Authorized EVConnected card", CHARGING, "Updated StopAuthorized EVConnected card",
                      "Updated EVCommunicationLost Idle", "Ended EVDeparted Idle reason:Local"], "Local"),
    ("TC_E_20_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING,
                      "Ended EVCommunicationLost Idle reason:EVDisconnected"], "EVDisconnected"),
    ("TC_E_21_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING, "Stop",
                      "Ended RemoteStop EVConnected reason:Remote"], "Remote"),
    ("TC_E_22_CSMS", ["Started ChargingStateChanged Charging card", "Ended ChargingStateChanged SuspendedEV reason:StoppedByEV"], "StoppedByEV"),
    ("TC_E_26_CSMS", ["Started Authorized EVConnected card", CHARGING, "Updated EVCommunicationLost Idle", "Updated CablePluggedIn EVConnected",
                      CHARGING, STOPPED], "Local"),
    ("TC_E_38_CSMS", ["Authorize", "Started Authorized Idle card", "Updated CablePluggedIn EVConnected", "Updated ChargingStateChanged SuspendedEV",
                      CHARGING, STOPPED], "Local"),
    ("TC_C_08_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", CHARGING, STOPPED], "Local"),
    ("TC_B_21_CSMS", ["Started Authorized EVConnected card", CHARGING, "OnIdle", STOPPED, "Boot RemoteReset"], "Local"),
    ("TC_B_22_CSMS", ["Started Authorized EVConnected card", CHARGING, "Immediate", "Ended ResetCommand EVConnected reason:ImmediateReset",
                      "Boot RemoteReset"], "ImmediateReset"),
    ("TC_B_26_CSMS", ["Started Authorized EVConnected card", CHARGING, "OnIdle 1", STOPPED], "Local"),
    ("TC_B_27_CSMS", ["Started Authorized EVConnected card", CHARGING, "Immediate 1", "Ended ResetCommand EVConnected reason:ImmediateReset"],
     "ImmediateReset"),
]


@pytest.mark.parametrize("case, steps, reason", STORIES, ids=[row[0] for row in STORIES])
def test_a_transaction_told_step_by_step_is_one_session_and_billed(server, case, steps, reason):
    card = shown(case)
    server.member_with_card(card)
    with Station(server, "v201", case) as station:
        station.boots()
        late = any("evse" in step.split() for step in steps)
        transaction = Transaction(station, case, evse=None if late else 1)
        for step in steps:
            match step.split():
                case ["Authorize"]:
                    info = station.says("Authorize", idToken={"idToken": card, "type": "ISO14443"})["idTokenInfo"]
                    assert info["status"] == "Accepted" and info["groupIdToken"]["idToken"].startswith("M-")
                case ["Stop"]:
                    station.asked({"command": "remote_stop", "transaction_id": case}, "RequestStopTransaction", {"transactionId": case}, ACCEPTED)
                case ["OnIdle" | "Immediate" as kind, *evse]:
                    answer = {"status": "Scheduled"} if kind == "OnIdle" else ACCEPTED
                    station.told("Reset", {"type": kind, **({"evseId": 1} if evse else {})}, answer)
                    assert transaction.session()["state"] == "open"
                case ["Boot", why]:
                    station.boots(reason=why)
                case [kind, *_]:
                    meter = 1_000 + 10 * len(transaction.steps)
                    answer = tell(transaction, step, card, meter)
                    assert answer.get("idTokenInfo", ACCEPTED)["status"] == "Accepted"
        session = transaction.session()
        began = next(step["timestamp"] for step in transaction.steps if step["transactionInfo"].get("chargingState") == "Charging")
        assert (session["state"], session["stop_reason"], session["flags"], session["connector_id"]) == ("ended", reason, [], 1), session
        assert session["start_reported"] == began and session["stop_reported"] == transaction.steps[-1]["timestamp"]
        assert session["energy_wh"] == 10 * (len(transaction.steps) - 1) and session["units"] > 0 and session["member_id"]


NOT_CHARGED = [
    ("TC_E_16_CSMS", ["Started Authorized EVConnected card", "Ended Deauthorized EVConnected reason:DeAuthorized"], False, "Unknown", "DeAuthorized"),
    ("TC_C_20_CSMS", ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected card", "Ended Deauthorized EVConnected reason:DeAuthorized"],
     False, "Unknown", "DeAuthorized"),
    ("TC_E_39_CSMS", ["Started Authorized Idle card", "Ended EVConnectTimeout Idle reason:Timeout"], True, "Accepted", "Timeout"),
    ("TC_F_04_CSMS", ["Remote", "Started RemoteStart Idle card", "Ended EVConnectTimeout Idle reason:Timeout"], True, "Accepted", "Timeout"),
]


@pytest.mark.parametrize("case, steps, known, status, reason", NOT_CHARGED, ids=[row[0] for row in NOT_CHARGED])
def test_a_transaction_in_which_nothing_is_charged_is_kept_and_costs_nothing(server, case, steps, known, status, reason):
    card = shown(case)
    if known:
        server.member_with_card(card)
    with Station(server, "v201", case) as station:
        station.boots()
        transaction = Transaction(station, case)
        for step in steps:
            if step == "Remote":
                station.told("RequestStartTransaction", {"remoteStartId": 4, "idToken": {"idToken": card, "type": "ISO14443"}, "evseId": 1}, ACCEPTED)
                continue
            answer = tell(transaction, step, card, 1_000)
            assert answer.get("idTokenInfo", {"status": status})["status"] == status
        session = transaction.session()
        assert session["stop_reason"] == reason and session["energy_wh"] == 0, session
        assert (session["state"], session["units"]) == (("ended", 0) if known else ("quarantined", None)), session
        assert "never_charged" in session["flags"] and ("unknown_card" in session["flags"]) != known


REMOTE = [
    ("TC_F_01_CSMS", ["Started CablePluggedIn EVConnected", "Remote", "Authorize", "Updated RemoteStart EVConnected card", CHARGING]),
    ("TC_F_02_CSMS", ["Remote", "Authorize", "Started RemoteStart Idle card", "Updated CablePluggedIn EVConnected", CHARGING]),
    ("TC_F_03_CSMS", ["Remote", "Started RemoteStart Idle card", "Updated CablePluggedIn EVConnected", CHARGING]),
    ("TC_K_37_CSMS", ["RemoteWithProfile", "Started RemoteStart Idle card", "Updated CablePluggedIn EVConnected", CHARGING]),
]


def start_profile(**more):
    return {"id": 9, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative", **more,
            "chargingSchedule": [{"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}]}


@pytest.mark.parametrize("case, steps", REMOTE, ids=[row[0] for row in REMOTE])
def test_a_remote_start_becomes_a_session_of_the_card_that_it_named(server, case, steps):
    card = shown(case)
    _, number = server.member_with_card(card)
    with Station(server, "v201", case) as station:
        station.boots()
        transaction, remote = Transaction(station, case), None
        for step in steps:
            match step:
                case "Remote":
                    def is_right(frame):
                        assert frame["remoteStartId"] > 0
                        return {**frame, "remoteStartId": 0} == {"remoteStartId": 0, "idToken": {"idToken": card, "type": "ISO14443"}, "evseId": 1}

                    running = {"transactionId": case} if transaction.steps else {}
                    kept = station.asked({"command": "remote_start", "id_tag": card, "connector_id": 1}, "RequestStartTransaction", is_right, {**ACCEPTED, **running})
                    remote = kept["payload"]["remoteStartId"]
                case "RemoteWithProfile":
                    remote = 77
                    wanted = {"remoteStartId": 77, "idToken": {"idToken": card, "type": "ISO14443"}, "evseId": 1, "chargingProfile": start_profile()}
                    for broken in (start_profile(transactionId="T"), {**start_profile(), "chargingProfilePurpose": "TxDefaultProfile"}):
                        server.send("POST", f"/stations/{station.id}/ocpp/RequestStartTransaction", {**wanted, "chargingProfile": broken}, 422)
                    station.told("RequestStartTransaction", wanted, ACCEPTED)
                case "Authorize":
                    assert station.says("Authorize", idToken={"idToken": card, "type": "ISO14443"})["idTokenInfo"]["status"] == "Accepted"
                case _:
                    words = step.split()
                    told = {"card": card, "transaction_info": {"remoteStartId": remote}} if "card" in words else {}
                    transaction.says(" ".join(one for one in words if one != "card"), meter=500, **told)
        assert transaction.session()["state"] == "open" and transaction.session()["card_number"] == number
        transaction.says("Ended StopAuthorized EVConnected reason:Local", card=card, meter=520)
        session = transaction.session()
        assert (session["state"], session["energy_wh"], session["flags"]) == ("ended", 20, []), session


STATUS = [
    ("TC_E_29_CSMS", {"transactionId": "T-1"}, {"ongoingIndicator": True, "messagesInQueue": True}),
    ("TC_E_30_CSMS", {"transactionId": "T-1"}, {"ongoingIndicator": True, "messagesInQueue": False}),
    ("TC_E_31_CSMS", {"transactionId": "T-1"}, {"ongoingIndicator": False, "messagesInQueue": True}),
    ("TC_E_33_CSMS", {}, {"messagesInQueue": True}),
    ("TC_E_34_CSMS", {}, {"messagesInQueue": False}),
]


@pytest.mark.parametrize("case, payload, answer", STATUS, ids=[row[0] for row in STATUS])
def test_a_station_is_asked_for_what_it_knows_of_a_transaction(server, case, payload, answer):
    with Station(server, "v201", case) as station:
        station.boots()
        transaction = Transaction(station)
        transaction.says("Started CablePluggedIn EVConnected")
        if answer.get("ongoingIndicator") is False:
            transaction.says("Ended EVCommunicationLost Idle reason:EVDisconnected")
        station.told("GetTransactionStatus", payload, answer)
        # What waited in the queue is still taken.
        if answer["messagesInQueue"]:
            transaction.number = 7
            assert transaction.says("Updated MeterValuePeriodic -", meter=5, offline=True) == {}
        assert (transaction.session()["stopped_at"] is None) == answer.get("ongoingIndicator", True)


@pytest.mark.parametrize("case", ["TC_E_53_CSMS"])
def test_the_numbers_of_steps_begin_anew_with_each_transaction_or_go_on(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        for name, first in (("A", 0), ("B", 0), ("C", 41)):
            transaction = Transaction(station, name, first=first)
            transaction.says("Started CablePluggedIn EVConnected", meter=0)
            transaction.says(CHARGING)
            transaction.says("Ended EVCommunicationLost Idle reason:EVDisconnected", meter=10)
            session = transaction.session()
            assert session["energy_wh"] == 10 and not {"steps_missing", "step_differs", "start_missing"} & set(session["flags"])
        assert len(station.sessions()) == 3


SIGNED = {"signedMeterData": "T0NNRnx7fQ==", "signingMethod": "ECDSA-secp256r1-SHA256", "encodingMethod": "OCMF", "publicKey": ""}


def sample(value, context, **more):
    return {"meterValue": [{"timestamp": AT, "sampledValue": [{"value": value, "context": context, "measurand": "Energy.Active.Import.Register", **more}]}]}


BEGIN, END = sample(100, "Transaction.Begin"), sample(1_100, "Transaction.End")
WHOLE = [one["meterValue"][0] for one in (BEGIN, sample(0.5, "Sample.Periodic", unitOfMeasure={"unit": "kWh"}), END)]
METERED = [
    ("TC_J_02_CSMS", [("Started Authorized EVConnected", BEGIN), ("Updated MeterValueClock Charging", sample(600, "Sample.Clock"))], 600 - 100),
    ("TC_J_03_CSMS", [("Started Authorized EVConnected", BEGIN), (CHARGING, {}), ("Ended StopAuthorized -", sample(1_100, "Sample.Clock"))], 1_000),
    ("TC_J_07_CSMS", [("Started Authorized EVConnected", BEGIN), (CHARGING, {}), ("Ended StopAuthorized -", END)], 1_000),
    ("TC_J_08_CSMS", [("Started Authorized Idle", {}), ("Updated CablePluggedIn EVConnected evse", BEGIN), (CHARGING, {}), ("Ended StopAuthorized -", END)], 1_000),
    ("TC_J_09_CSMS", [("Started Authorized EVConnected", BEGIN), ("Updated MeterValuePeriodic Charging", sample(900, "Sample.Periodic"))], 900 - 100),
    ("TC_J_10_CSMS", [("Started Authorized EVConnected", {}), (CHARGING, {}), ("Ended StopAuthorized -", {"meterValue": WHOLE})], 1_000),
    ("TC_J_11_CSMS", [("Started Authorized EVConnected", sample(100, "Transaction.Begin", signedMeterValue=SIGNED)), (CHARGING, {}),
                      ("Ended StopAuthorized -", sample(1_100, "Transaction.End", signedMeterValue=SIGNED))], 1_000),
]


@pytest.mark.parametrize("case, steps, energy", METERED, ids=[row[0] for row in METERED])
def test_meter_values_of_a_transaction_are_kept_as_they_came_and_make_its_energy(server, case, steps, energy):
    card = shown(case)
    server.member_with_card(card)
    with Station(server, "v201", case) as station:
        station.boots()
        transaction = Transaction(station, case, evse=None if any("evse" in text for text, _ in steps) else 1)
        for place, (text, more) in enumerate(steps):
            if "evse" in text:
                transaction.evse = 1
            transaction.says(text.removesuffix(" evse"), card=None if place else card, **more)
        session = transaction.session()
        if session["state"] == "open":
            assert session["meter_start_wh"] == 100
            transaction.says("Ended StopAuthorized EVConnected reason:Local")
            session = transaction.session()
        assert (session["state"], session["meter_start_wh"], session["energy_wh"], session["connector_id"]) == ("ended", 100, energy, 1), session


@pytest.mark.parametrize("case, evse, more", [("TC_J_01_CSMS", 0, {}), ("TC_J_04_CSMS", 1, {"signedMeterValue": SIGNED})], ids=["TC_J_01_CSMS", "TC_J_04_CSMS"])
def test_meter_values_without_a_transaction_are_confirmed_and_make_no_session(server, case, evse, more):
    with Station(server, "v201", case) as station:
        station.boots()
        assert station.says("MeterValues", evseId=evse, **sample(5_000, "Sample.Clock", **more)) == {}
        assert station.sessions() == []


@pytest.mark.parametrize("case", ["TC_J_04_CSMS"])
def test_signed_meter_values_at_the_clock_are_kept_word_for_word_with_their_transaction(server, case):
    with Station(server, "v201", f"{case}-RUNNING") as station:
        transaction = Transaction(station, case)
        transaction.says("Started CablePluggedIn EVConnected", **BEGIN)
        assert transaction.says("Updated MeterValueClock Charging", **sample(700, "Sample.Clock", signedMeterValue=SIGNED)) == {}
        assert transaction.session()["state"] in ("open", "quarantined")


@pytest.mark.parametrize("case", ["TC_J_02_CSMS"])
def test_meter_values_at_the_clock_beside_a_transactions_steps_belong_to_it(server, case):
    with Station(server, "v201", f"{case}-BESIDE") as station:
        transaction = Transaction(station, case)
        transaction.says("Started CablePluggedIn EVConnected", **BEGIN)
        assert station.says("MeterValues", evseId=1, meterValue=[{"timestamp": now(server, 15), "sampledValue": [{"value": 800, "context": "Sample.Clock"}]}]) == {}
        detail = server.send("GET", f"/sessions/{station.session()['session_id']}")
        assert [one["action"] for one in detail["messages"]] == ["TransactionEvent", "MeterValues"]
