"""Every message of OCPP 1.6 and 2.0.1, in its direction, between Juden and the charge points of the PyPI package `ocpp` with
schema validation on. Each once with the least that it may hold and once with the most; every frame of ours is held against
the OCA schema."""

import asyncio
import importlib
import json

import jsonschema
import pytest
import websockets
from messages import actions, objects, payload, schema
from ocpp.charge_point import camel_to_snake_case, remove_nones, snake_to_camel_case
from ocpp.routing import on

SUBPROTOCOL = {"v16": "ocpp1.6", "v201": "ocpp2.0.1"}
UP = {
    "v16": "Authorize BootNotification DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat LogStatusNotification MeterValues "
           "SecurityEventNotification SignCertificate SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction",
    "v201": "Authorize BootNotification ClearedChargingLimit FirmwareStatusNotification Get15118EVCertificate GetCertificateStatus Heartbeat "
            "LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds "
            "NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport PublishFirmwareStatusNotification ReportChargingProfiles "
            "ReservationStatusUpdate SecurityEventNotification SignCertificate StatusNotification TransactionEvent",
}
BOTH = {"DataTransfer"}


def up(version):
    return [name for name in actions(version) if name in UP[version].split() or name in BOTH]


def down(version):
    return [name for name in actions(version) if name not in UP[version].split()]


def test_the_directions_are_those_of_all_messages():
    assert [len(up("v16")), len(down("v16"))] == [14, 26]
    assert [len(up("v201")), len(down("v201"))] == [25, 40]


def check(version, name, thing):
    jsonschema.validate(thing, schema(version, name))


class Recorder:
    """A connection that checks every frame of the central system."""

    def __init__(self, version, connection):
        self.version, self.connection, self.asked, self.came = version, connection, {}, []

    async def send(self, text):
        frame = json.loads(text)
        if frame[0] == 2:
            self.asked[frame[1]] = frame[2]
        await self.connection.send(text)

    async def recv(self):
        text = await self.connection.recv()
        frame = json.loads(text)
        self.came.append(frame)
        if frame[0] == 2:
            check(self.version, frame[2], frame[3])
        elif frame[0] == 3:
            check(self.version, f"{self.asked[frame[1]]}Response", frame[2])
        else:
            assert frame[0] == 4 and len(frame) == 5 and isinstance(frame[4], dict), frame
        return text


def charge_point(version, most):
    """A charge point that answers every command with the least, or the most, that its answer may hold."""
    package = importlib.import_module(f"ocpp.{version}")
    told = {}

    def handler(action):
        def answer(self, **arguments):
            told[action] = arguments
            fields = camel_to_snake_case(payload(version, f"{action}Response", most))
            return getattr(package.call_result, action)(**fields)

        # The package finds its handlers by their names.
        answer.__name__ = f"on_{action}"
        return on(action)(answer)

    handlers = {f"on_{action}": handler(action) for action in down(version)}
    return type("Station", (package.ChargePoint,), handlers), package.call, told


def exchange(server, version, station_id, most, story):
    async def run():
        async with websockets.connect(f"{server.ocpp_url}/{station_id}", subprotocols=[SUBPROTOCOL[version]]) as connection:
            kind, call, told = charge_point(version, most)
            recorder = Recorder(version, connection)
            station = kind(station_id, recorder)
            listening = asyncio.create_task(station.start())
            telling = asyncio.create_task(story(station, call, told))
            await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                telling.cancel()
                listening.result()
            listening.cancel()
            await telling

    asyncio.run(run())


@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("version", ["v16", "v201"])
def test_every_message_of_a_station_is_answered(server, version, most):
    station_id = f"UP-{version}-{most}"
    server.station(station_id)

    async def story(station, call, _):
        for action in up(version):
            kind = getattr(call, action)
            try:
                message = kind(**camel_to_snake_case(payload(version, action, most)))
            except TypeError:
                # The package asks for more here than the schema does.
                message = kind(**camel_to_snake_case(payload(version, action, True)))
            answer = await station.call(message, suppress=False)
            assert answer is not None, action

    exchange(server, version, station_id, most, story)
    if version == "v201":
        kept = {report["action"] for report in server.send("GET", f"/stations/{station_id}/reports?limit=500")["items"]}
        meant = set(up(version)) - {"Authorize", "BootNotification", "DataTransfer", "Heartbeat", "MeterValues", "StatusNotification", "TransactionEvent"}
        assert kept == meant


@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("version", ["v16", "v201"])
def test_every_command_reaches_the_station_as_it_was_asked_for(server, version, most):
    station_id = f"DOWN-{version}-{most}"
    server.station(station_id)

    async def story(station, _, told):
        for action in down(version):
            body = payload(version, action, most)
            answered = await asyncio.to_thread(server.send, "POST", f"/stations/{station_id}/ocpp/{action}", body)
            assert answered["answer"] == payload(version, f"{action}Response", most), action
            arrived = snake_to_camel_case(remove_nones(told[action]))
            assert arrived == body, action

    exchange(server, version, station_id, most, story)
    commands = server.send("GET", f"/stations/{station_id}/commands?limit=500")["items"]
    assert sorted(command["action"] for command in commands) == down(version)
    assert all(command["outcome"] and command["sent_by"] == "operator" for command in commands)


@pytest.mark.parametrize("version", ["v16", "v201"])
def test_a_command_that_breaks_the_schema_is_refused_with_its_field_and_sends_nothing(server, version):
    station_id = f"BAD-{version}"
    server.station(station_id)

    async def story(station, _, told):
        for action in down(version):
            body = payload(version, action, True)
            # Whatever a vendor's message carries is right.
            body.pop("data", None)
            for broken, field in spoilt(body):
                answered = await asyncio.to_thread(server.send, "POST", f"/stations/{station_id}/ocpp/{action}", broken, 422)
                assert field in json.dumps(answered), (action, answered)
        assert told == {}

    exchange(server, version, station_id, True, story)


def spoilt(body):
    """Broken copies of a payload with the name of what is broken."""
    yield {**body, "odd": 1}, "odd"
    for name, item in body.items():
        yield {**body, name: [] if not isinstance(item, list) else {}}, name
    for place, inner in enumerate(objects(body)):
        if place and inner:
            copy = json.loads(json.dumps(body))
            target = list(objects(copy))[place]
            target["odd"] = None
            yield copy, "odd"


@pytest.mark.parametrize("version", ["v201"])
def test_custom_data_and_fields_that_nobody_knows_do_not_matter(server, version):
    station_id = "CUSTOM"
    server.station(station_id)

    async def run():
        async with websockets.connect(f"{server.ocpp_url}/{station_id}", subprotocols=[SUBPROTOCOL[version]]) as connection:
            for number, action in enumerate(up(version)):
                body = payload(version, action, False)
                for inner in list(objects(body)):
                    inner["customData"] = {"vendorId": "V", "more": [1]}
                    inner["nobodyKnows"] = None
                await connection.send(json.dumps([2, str(number), action, body]))
                answer = json.loads(await connection.recv())
                assert answer[:2] == [3, str(number)], (action, answer)

    asyncio.run(run())
