"""A charge point of either version, built on the PyPI package `ocpp`, that answers commands as a case of the OCA has it answer, and
says what the case has it say. Every frame of ours is held against the OCA schema. And docs/CONFORMANCE.md against the cases and
the tests that it names."""

import asyncio
import base64
import csv
import importlib
import json
import pathlib
import re
import threading
import time
from datetime import datetime, timedelta

import pytest
import websockets
from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on
from test_every_message import SUBPROTOCOL, Recorder, down

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONNECTORS = [{"connector_id": number, "charger_class": "quick", "power_kw": 50} for number in (1, 2)]
BOOT = {
    "v16": {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.0"},
    "v201": {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M", "firmwareVersion": "1.0"}},
}

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def run(coroutine, within=20):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(within)


def kind_of(version):
    package = importlib.import_module(f"ocpp.{version}")

    def handler(action):
        def answer(self, **_):
            told = self.answers[action]
            if isinstance(told, Exception):
                raise told
            return getattr(package.call_result, action)(**camel_to_snake_case(told))

        answer.__name__ = f"on_{action}"
        return on(action)(answer)

    kind = type("Point", (package.ChargePoint,), {f"on_{action}": handler(action) for action in down(version)})
    return kind, package.call


KINDS = {version: kind_of(version) for version in SUBPROTOCOL}


def basic(station_id, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{station_id}:{password}".encode()).decode()}


class Station:
    """A connected charge point. `says` sends a message of its own; `told` has the operator send it a command."""

    def __init__(self, server, version, station_id, *, known=False, url=None, trusting=None, password=None, **registered):
        self.server, self.version, self.id = server, version, station_id
        if not known:
            server.station(station_id, **{"connectors": CONNECTORS, "password": password, **registered})
        self.kind, self.call = KINDS[version]
        headers = basic(station_id, password) if password else {}
        run(self.open(url or f"{server.ocpp_url}/{station_id}", trusting, headers))

    async def open(self, url, trusting, headers):
        self.connection = await websockets.connect(
            url, subprotocols=[SUBPROTOCOL[self.version]], ssl=trusting, additional_headers=headers)
        self.recorder = Recorder(self.version, self.connection)
        self.point = self.kind(self.id, self.recorder)
        self.point.answers = {}
        self.listening = asyncio.create_task(self.listen())

    async def listen(self):
        try:
            await self.point.start()
        except websockets.exceptions.ConnectionClosed:
            return
        finally:
            await self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def close():
            await self.connection.close()
            await self.listening

        run(close())

    def says(self, action, payload=None, **fields):
        """Sends a message of the station's; the payload that answers it."""
        frame = self.frame(action, {**(payload or {}), **fields})
        assert frame[0] == 3, (action, frame)
        return frame[2]

    def is_refused(self, action, payload=None, **fields):
        """Sends a message of the station's; the code of the error that answers it."""
        frame = self.frame(action, {**(payload or {}), **fields})
        assert frame[0] == 4, (action, frame)
        return frame[2]

    def frame(self, action, payload):
        async def ask():
            message = getattr(self.call, action)(**camel_to_snake_case(payload))
            asking = asyncio.create_task(self.point.call(message, suppress=True))
            await asyncio.wait({asking, self.listening}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                self.listening.result()
            await asking
            return next(frame for frame in reversed(self.recorder.came) if frame[0] in (3, 4))

        return run(ask())

    def get(self, path=""):
        return self.server.send("GET", f"/stations/{self.id}{path}")

    def told(self, action, payload, answer):
        """Has the operator send a command of this version: it arrives as it was asked for, its answer is shown and kept."""
        self.point.answers[action] = answer
        answered = self.server.send("POST", f"/stations/{self.id}/ocpp/{action}", payload)
        return self.arrived(answered, action, payload, answer)

    def asked(self, body, action, payload, answer):
        """The same by a command that is free of versions. `payload` may be a function that judges what came."""
        self.point.answers[action] = answer
        answered = self.server.send("POST", f"/stations/{self.id}/commands", body)
        return self.arrived(answered, action, payload, answer)

    def arrived(self, answered, action, payload, answer):
        frame = self.came(action)
        assert payload(frame) if callable(payload) else frame == payload, frame
        assert answered["answer"] == answer
        kept = self.get("/commands?limit=1")["items"][0]
        assert (kept["action"], kept["payload"], kept["answer"], kept["sent_by"]) == (action, frame, answer, "operator")
        if isinstance(answer.get("status"), str):
            assert answered["outcome"] == kept["outcome"] == word(answer["status"])
        return kept

    def came(self, action):
        """The payload of the newest command that reached the station."""
        command = next(frame for frame in reversed(self.recorder.came) if frame[0] == 2)
        assert command[2] == action
        return command[3]

    def says_all(self, messages):
        """Says one message after the other; each has the empty answer, and is kept as it came."""
        for action, payload in messages:
            assert self.says(action, payload) == {}, (action, payload)
        kept = [(one["action"], one["payload"]) for one in self.get("/reports?limit=500")["items"]]
        assert kept[:len(messages)] == list(reversed(messages))

    def reports_of(self, kept):
        """What a command led to, as the API shows it."""
        detail = self.get(f"/commands/{kept['command_id']}")
        return [(one["action"], one["payload"]) for one in detail["reports"]], detail["complete"]

    def boots(self, **fields):
        answer = self.says("BootNotification", {**BOOT[self.version], **fields})
        assert answer["status"] == "Accepted" and answer["interval"] > 0 and answer["currentTime"].endswith("Z")
        assert self.get()["boot_status"] == "Accepted"

    def status(self, connector, status, error="NoError", shown=None):
        """Tells a connector's state, which the API shows then."""
        if self.version == "v16":
            told = {"connectorId": connector, "errorCode": error, "status": status}
        else:
            told = {"timestamp": now(self.server), "connectorStatus": status, "evseId": connector, "connectorId": 1}
        assert self.says("StatusNotification", told) == {}
        station = self.get()
        place = station if connector == 0 else next(one for one in station["connectors"] if one["connector_id"] == connector)
        assert (place["status"], place["error_code"]) == (status, error)

    def sessions(self):
        return self.server.send("GET", f"/sessions?station_id={self.id}&limit=500")["items"]

    def session(self):
        (session,) = self.sessions()
        return session


class Transaction:
    """A transaction of a 2.0.1 station, told step by step."""

    def __init__(self, station, name="T-1", *, evse=1, first=0):
        self.station, self.name, self.evse, self.number, self.steps = station, name, evse, first, []

    def says(self, text, *, card=None, meter=None, **more):
        """`Started CablePluggedIn EVConnected reason:Local`: kind, trigger, state (`-`: none), reason. The answer."""
        kind, trigger, state, *rest = text.split()
        info = {"transactionId": self.name, **more.pop("transaction_info", {})}
        if state != "-":
            info["chargingState"] = state
        for reason in rest:
            info["stoppedReason"] = reason.removeprefix("reason:")
        at = now(self.station.server, 10 * len(self.steps))
        step = {"eventType": kind, "timestamp": at, "triggerReason": trigger, "seqNo": self.number, "transactionInfo": info}
        if self.evse and not any("evse" in known for known in self.steps):
            step["evse"] = {"id": self.evse, "connectorId": 1}
        if card:
            step["idToken"] = {"idToken": card, "type": "ISO14443"}
        if meter is not None:
            context = {"Started": "Transaction.Begin", "Updated": "Sample.Periodic", "Ended": "Transaction.End"}[kind]
            step["meterValue"] = [{"timestamp": at, "sampledValue": [{"value": meter, "context": context}]}]
        step.update(more)
        self.number += 1
        self.steps.append(step)
        answer = self.station.says("TransactionEvent", step)
        assert ("idTokenInfo" in answer) == ("idToken" in step), answer
        return answer

    def session(self):
        """The one session that it is, with all its steps as they were told."""
        (session,) = [one for one in self.station.sessions() if one["station_transaction_id"] == self.name]
        detail = self.station.server.send("GET", f"/sessions/{session['session_id']}")
        assert [one["payload"] for one in detail["messages"]] == self.steps
        return session


def play(station, steps):
    """Does what a table's row says: a command with its answer (three), a message of the station's (two), or a word of its own. What
    the station said stands in the API, with the command that asked for it where there is one."""
    commands, said, transaction = [], [], Transaction(station)
    for step in steps:
        match step:
            case ("boot", reason):
                station.boots(reason=reason)
            case ("status", evse, status):
                station.status(evse, status)
            case ("transaction", text):
                transaction.says(text, meter=100)
            case (action, payload, answer):
                commands.append(station.told(action, payload, answer))
            case (action, payload):
                assert station.says(action, payload) == {}, step
                said.append((action, payload))
    kept = [(one["action"], one["payload"]) for one in station.get("/reports?limit=500")["items"]]
    assert kept == [one for one in reversed(said) if one[0] not in ("MeterValues", "StatusNotification")]
    for command in commands:
        if (number := command["payload"].get("requestId")) is not None:
            mine = [one for one in said if one[1].get("requestId") == number]
            assert station.reports_of(command) == (mine, bool(mine)), command
    assert [one["station_transaction_id"] for one in station.sessions()] == ["T-1"] * bool(transaction.steps)
    return transaction


def word(status):
    return re.sub(r"(?<!^)([A-Z])", r"_\1", status).lower()


def now(server, seconds=0):
    moment = datetime.fromisoformat(server.send("GET", "/clock")["now"]) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def until(what, is_so, within=20):
    deadline = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_the_table_has_each_case_once_and_each_test_that_it_names_exists():
    with (ROOT / "tests" / "data" / "oca-cases.csv").open(newline="") as file:
        cases = [(row["version"], row["id"], row["title"]) for row in csv.DictReader(file)]
    shown, version = [], None
    for line in (ROOT / "docs" / "CONFORMANCE.md").read_text().splitlines():
        if heading := re.fullmatch(r"## OCPP (\S+)", line):
            version = heading[1]
        if re.match(r"\| TC_", line):
            case, title, tests, state = (cell.strip() for cell in line.strip("|").split("|"))
            shown.append((version, case, title))
            named = [test.strip() for test in tests.split(",") if test.strip()]
            assert state == "pass" and named or re.fullmatch(r"gap: .+", state) and not named, line
            for test in named:
                assert exists(test, case), (case, test)
    assert shown == cases


def exists(test, case):
    path, name = test.split("::")
    text = (ROOT / path).read_text()
    function, parameter = re.fullmatch(r"(\w+)(?:\[(\S+)\])?", name).groups()
    word = "def" if path.endswith(".py") else "fn"
    if not re.search(rf"\b{word} {function}\(", text):
        return False
    return parameter is None or parameter == case and f'"{case}"' in text


@pytest.mark.parametrize("version", SUBPROTOCOL)
def test_a_frame_that_breaks_the_schema_would_be_found(server, version):
    with Station(server, version, f"CHECKED-{version}") as station:
        with pytest.raises(Exception, match="required"):
            station.recorder.asked["x"] = "BootNotification"
            run(checked(station.recorder, json.dumps([3, "x", {"status": "Accepted"}])))


async def checked(recorder, text):
    class Told:
        async def recv(self):
            return text

    recorder.connection = Told()
    await recorder.recv()
