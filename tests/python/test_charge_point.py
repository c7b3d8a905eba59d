"""A charge point built on the PyPI package `ocpp`, its schema validation on: it refuses every frame of
ours that breaks the standard's schema."""

import asyncio
import base64
import json
import pathlib
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import ocpp
import pytest
import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action

SCHEMAS = pathlib.Path(ocpp.__file__).parent / "v16" / "schemas"


def check(schema, payload):
    text = (SCHEMAS / f"{schema}.json").read_text(encoding="utf-8-sig")
    jsonschema.validate(payload, json.loads(text))


class Recorder:
    """A connection that checks every frame of the central system against the OCA schemas."""

    def __init__(self, connection):
        self.connection, self.asked, self.checked = connection, {}, 0

    async def send(self, text):
        frame = json.loads(text)
        if frame[0] == 2:
            self.asked[frame[1]] = frame[2]
        await self.connection.send(text)

    async def recv(self):
        text = await self.connection.recv()
        frame = json.loads(text)
        if frame[0] == 2:
            check(frame[2], frame[3])
        elif frame[0] == 3:
            check(f"{self.asked[frame[1]]}Response", frame[2])
        else:
            assert frame[0] == 4 and len(frame) == 5 and isinstance(frame[4], dict), frame
        self.checked += 1
        return text


class Station(ChargePoint):
    """Does what it is told, and remembers it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.told = []

    def tell(self, action, **payload):
        self.told.append((action, payload))

    @on(Action.change_availability)
    def on_change_availability(self, **payload):
        self.tell("ChangeAvailability", **payload)
        return call_result.ChangeAvailability(status="Accepted")

    @on(Action.change_configuration)
    def on_change_configuration(self, **payload):
        self.tell("ChangeConfiguration", **payload)
        return call_result.ChangeConfiguration(status="RebootRequired")

    @on(Action.clear_cache)
    def on_clear_cache(self, **payload):
        self.tell("ClearCache", **payload)
        return call_result.ClearCache(status="Rejected")

    @on(Action.data_transfer)
    def on_data_transfer(self, **payload):
        self.tell("DataTransfer", **payload)
        return call_result.DataTransfer(status="UnknownVendorId")

    @on(Action.get_configuration)
    def on_get_configuration(self, **payload):
        self.tell("GetConfiguration", **payload)
        return call_result.GetConfiguration(configuration_key=[{"key": "HeartbeatInterval", "readonly": False, "value": "300"}], unknown_key=["Nope"])

    @on(Action.remote_start_transaction)
    def on_remote_start_transaction(self, **payload):
        self.tell("RemoteStartTransaction", **payload)
        return call_result.RemoteStartTransaction(status="Accepted")

    @on(Action.remote_stop_transaction)
    def on_remote_stop_transaction(self, **payload):
        self.tell("RemoteStopTransaction", **payload)
        return call_result.RemoteStopTransaction(status="Rejected")

    @on(Action.reset)
    def on_reset(self, **payload):
        self.tell("Reset", **payload)
        return call_result.Reset(status="Accepted")

    @on(Action.trigger_message)
    def on_trigger_message(self, **payload):
        self.tell("TriggerMessage", **payload)
        return call_result.TriggerMessage(status="NotImplemented")

    @on(Action.unlock_connector)
    def on_unlock_connector(self, **payload):
        self.tell("UnlockConnector", **payload)
        return call_result.UnlockConnector(status="Unlocked")


class StationWithList(Station):
    """Has a local authorization list that is in use."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.version, self.listed = 0, {}

    @on(Action.get_configuration)
    def on_get_configuration(self, **payload):
        keys = {"LocalAuthListEnabled": "true", "SendLocalListMaxLength": "10", "SupportedFeatureProfiles": "Core,LocalAuthListManagement"}
        return call_result.GetConfiguration(configuration_key=[{"key": key, "readonly": False, "value": value} for key, value in keys.items()])

    @on(Action.get_local_list_version)
    def on_get_local_list_version(self, **payload):
        return call_result.GetLocalListVersion(list_version=self.version)

    @on(Action.send_local_list)
    def on_send_local_list(self, list_version, update_type, local_authorization_list=()):
        if list_version <= self.version:
            return call_result.SendLocalList(status="VersionMismatch")
        self.version = list_version
        if update_type == "Full":
            self.listed = {}
        for entry in local_authorization_list:
            info = entry.get("id_tag_info")
            if info:
                self.listed[entry["id_tag"]] = info["status"]
            else:
                self.listed.pop(entry["id_tag"], None)
        return call_result.SendLocalList(status="Accepted")


def with_station(server, station_id, story, password=None, kind=Station):
    """Runs a story against a connected station."""

    async def run():
        headers = {}
        if password:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{station_id}:{password}".encode()).decode()
        url = f"{server.ocpp_url}/{station_id}"
        async with websockets.connect(url, subprotocols=["ocpp1.6"], additional_headers=headers) as connection:
            recorder = Recorder(connection)
            station = kind(station_id, recorder)
            listening = asyncio.create_task(station.start())
            telling = asyncio.create_task(story(station))
            await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                telling.cancel()
                listening.result()
            listening.cancel()
            await telling
            assert recorder.checked > 0
            return station

    return asyncio.run(run())


def test_a_charging_session_from_boot_to_stop(server):
    server.station("PY1", password="0123456789abcdef")
    member, card = server.member_with_card("04A2B3C4D5E680")

    async def story(station):
        boot = await station.call(call.BootNotification(charge_point_vendor="V", charge_point_model="M", firmware_version="1.0"))
        assert (boot.status, boot.interval) == ("Accepted", 300)
        assert (await station.call(call.Heartbeat())).current_time.endswith("Z")
        await station.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"))
        authorized = await station.call(call.Authorize(id_tag="04a2b3c4d5e680"))
        assert authorized.id_tag_info["status"] == "Accepted"
        started = await station.call(call.StartTransaction(connector_id=1, id_tag="04A2B3C4D5E680", meter_start=100, timestamp="2026-11-21T00:00:01Z"))
        assert started.id_tag_info["status"] == "Accepted" and started.transaction_id > 0
        await station.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Charging"))
        for minute in range(1, 4):
            sample = {"timestamp": f"2026-11-21T00:0{minute}:00Z", "sampledValue": [
                {"value": str(100 + minute * 500), "context": "Sample.Periodic", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
                {"value": "49.9", "measurand": "Frequency"}, {"value": "31", "measurand": "Temperature", "unit": "Celcius"}]}
            await station.call(call.MeterValues(connector_id=1, transaction_id=started.transaction_id, meter_value=[sample]))
        during = server.send("GET", "/stations/PY1")
        assert during["online"] and during["protocol"] == "ocpp1.6" and during["boot_status"] == "Accepted"
        assert during["connectors"][0]["status"] == "Charging"
        session = server.send("GET", f"/sessions/{started.transaction_id}")
        assert during["connectors"][0]["active_session_id"] == session["session_id"]
        server.send("PUT", "/clock", {"now": "2026-11-21T00:10:00Z"})
        stopped = await station.call(call.StopTransaction(
            transaction_id=started.transaction_id, id_tag="04A2B3C4D5E680", meter_stop=4100, timestamp="2026-11-21T00:10:00Z", reason="EVDisconnected",
            transaction_data=[{"timestamp": "2026-11-21T00:10:00Z", "sampledValue": [{"value": "4100", "context": "Transaction.End"}]}]))
        assert stopped.id_tag_info["status"] == "Accepted"
        transferred = await station.call(call.DataTransfer(vendor_id="nobody", message_id="x", data="y"))
        assert transferred.status == "UnknownVendorId"
        await station.call(call.FirmwareStatusNotification(status="Installed"))
        await station.call(call.DiagnosticsStatusNotification(status="Idle"))

    with_station(server, "PY1", story, password="0123456789abcdef")
    usage = server.send("GET", f"/members/{member}/usage/2026-11")
    (session,) = usage["sessions"]
    assert (session["units"], session["free_units"], session["charged_units"], session["energy_wh"], session["state"]) == (10, 10, 0, 4000, "ended")
    assert session["card_number"] == card
    detail = server.send("GET", f"/sessions/{session['session_id']}")
    assert [message["action"] for message in detail["messages"]] == ["StartTransaction", "MeterValues", "MeterValues", "MeterValues", "StopTransaction"]
    assert server.send("GET", "/stations/PY1")["online"] is False


@pytest.mark.parametrize("status, prepare", [
    ("Invalid", None), ("Blocked", "suspend"), ("Blocked", "deactivate")])
def test_refused_cards(server, status, prepare):
    server.station("PY2")
    tag = f"REFUSED{prepare}"
    if prepare == "suspend":
        _, card = server.member_with_card(tag)
        server.send("POST", f"/cards/{card}/suspend", {"reason": "lost"})
    elif prepare == "deactivate":
        member, _ = server.member_with_card(f"{tag}1")
        card = server.send("POST", "/cards", {"id_tag": tag})
        server.send("POST", f"/members/{member}/cards/activate", {
            "card_number": card["card_number"], "activation_code": card["activation_code"], "role": "additional"})
        server.send("POST", f"/cards/{card['card_number']}/deactivate", {})

    async def story(station):
        assert (await station.call(call.Authorize(id_tag=tag))).id_tag_info["status"] == status
        started = await station.call(call.StartTransaction(connector_id=1, id_tag=tag, meter_start=0, timestamp="2026-11-21T00:10:02Z"))
        assert started.id_tag_info["status"] == status and started.transaction_id > 0
        stopped = await station.call(call.StopTransaction(transaction_id=started.transaction_id, meter_stop=0, timestamp="2026-11-21T00:10:03Z", reason="DeAuthorized"))
        assert stopped.id_tag_info is None

    with_station(server, "PY2", story)


COMMANDS = [
    ({"command": "change_availability", "connector_id": 0, "type": "inoperative"}, "ChangeAvailability", {"connector_id": 0, "type": "Inoperative"}, "accepted"),
    ({"command": "change_configuration", "key": "HeartbeatInterval", "value": "600"}, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "600"}, "reboot_required"),
    ({"command": "clear_cache"}, "ClearCache", {}, "rejected"),
    ({"command": "data_transfer", "vendor_id": "v", "message_id": "m", "data": "d"}, "DataTransfer", {"vendor_id": "v", "message_id": "m", "data": "d"}, "unknown_vendor_id"),
    ({"command": "get_configuration", "keys": ["HeartbeatInterval", "Nope"]}, "GetConfiguration", {"key": ["HeartbeatInterval", "Nope"]}, "accepted"),
    ({"command": "get_configuration"}, "GetConfiguration", {}, "accepted"),
    ({"command": "remote_start", "id_tag": "TAG", "connector_id": 1}, "RemoteStartTransaction", {"id_tag": "TAG", "connector_id": 1}, "accepted"),
    ({"command": "remote_stop", "transaction_id": 5}, "RemoteStopTransaction", {"transaction_id": 5}, "rejected"),
    ({"command": "reset", "type": "soft"}, "Reset", {"type": "Soft"}, "accepted"),
    ({"command": "trigger_message", "requested_message": "Heartbeat"}, "TriggerMessage", {"requested_message": "Heartbeat"}, "not_implemented"),
    ({"command": "unlock_connector", "connector_id": 1}, "UnlockConnector", {"connector_id": 1}, "unlocked"),
]


def test_every_command_reaches_the_station_and_its_answer_comes_back(server):
    server.station("PY3")

    async def story(station):
        await station.call(call.BootNotification(charge_point_vendor="V", charge_point_model="M"))
        for body, action, payload, outcome in COMMANDS:
            answered = await asyncio.to_thread(server.send, "POST", "/stations/PY3/commands", body)
            assert answered["outcome"] == outcome, (body, answered)
            assert station.told[-1] == (action, payload)
        raw = await asyncio.to_thread(server.send, "POST", "/stations/PY3/ocpp/RemoteStartTransaction", {
            "idTag": "TAG", "connectorId": 1, "chargingProfile": {
                "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
                "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.5}]}}})
        assert raw["outcome"] == "accepted"

    with_station(server, "PY3", story)


def test_calls_and_commands_cross_without_waiting_for_each_other(server):
    server.station("PY4")

    async def story(station):
        async def heartbeats():
            for _ in range(50):
                await station.call(call.Heartbeat())

        # The client validates on asyncio's own threads, so the waiting commands need others.
        threads = ThreadPoolExecutor(8)
        command = lambda: server.send("POST", "/stations/PY4/commands", {"command": "clear_cache"})  # noqa: E731
        commands = [asyncio.get_running_loop().run_in_executor(threads, command) for _ in range(8)]
        results = await asyncio.gather(heartbeats(), *commands)
        assert all(result["outcome"] == "rejected" for result in results[1:])

    with_station(server, "PY4", story)


def test_a_suspended_card_stands_blocked_in_the_list_until_it_comes_back(server):
    server.station("PY9")
    _, card = server.member_with_card("LISTED1")

    async def until(condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)

    def delivered():
        (delivery,) = server.send("GET", f"/cards/{card}")["block_delivery"]
        return (delivery["reach"], delivery["state"], delivery["means"])

    async def story(station):
        assert (await station.call(call.Authorize(id_tag="LISTED1"))).id_tag_info["status"] == "Accepted"
        assert server.send("POST", f"/cards/{card}/suspend", {"reason": "lost"})["stations_pending"] == 1
        await until(lambda: station.listed == {"LISTED1": "Blocked"})
        await until(lambda: delivered() == ("block", "delivered", "local_list"))
        assert server.send("POST", f"/cards/{card}/resume", {"reason": "lost"})["stations_pending"] == 1
        await until(lambda: station.listed == {})
        assert station.version == 2

    with_station(server, "PY9", story, kind=StationWithList)
