"""What real chargers send beside the standard: the vectors of tests/data/field-deviations.json against the server, byte by byte.

A vector: `station` goes into PUT /stations/{id}; `connect` says how the handshake deviates; `steps` are done in order; then `sessions`
must be the station's sessions, all of them, in the order in which they came, and `station_view`, `refused`, `reports` and `commands`
what the API shows.

A step is one of
  {"send": [action, payload] | whole frame | text, "answer": payload | whole frame | null}   null: nothing is answered
  {"send": ..., "error": code}             a CALLERROR under the frame's id; with "pieces": n, the text comes in fragments
  {"raw": {"opcode", "text", "rsv1", ...}} a WebSocket frame of any kind; "closed": what the connection is closed with, "pong": its answer
  {"command": body, "asked": [action, payload], "reply": payload | whole frame, "outcome": word}
  {"clock": seconds after the vector's beginning}, {"reconnect": how}, {"api": [method, path, body], "shows": body}

Patterns: an object must have the named fields, others may stand beside them; everything else must be equal. Words in braces:
{id} the station, {card} its card, {card_number}, {member}, {tx} the number of the last started transaction, {tx 1} of the first,
{at 60} the instant 60 s after the beginning, {at 60 %Y-%m-%d} in another form, {jst 60 %Y-%m-%d} on clocks in Japan.
"""

import base64
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import re
import socket
import threading
import time

import pytest
import requests
from conftest import Server

FIELD = json.loads((pathlib.Path(__file__).resolve().parents[1] / "data" / "field-deviations.json").read_text(encoding="utf-8"))
CONTINUED, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
WAIT_S = 20


class Wire:
    """A WebSocket client that can break every rule."""

    def __init__(self, server, path, offer=("ocpp1.6",), headers=(), without=(), pongs=True):
        self.pongs, self.pings, self.buffer = pongs, 0, b""
        self.socket = socket.create_connection(("127.0.0.1", server.ocpp), timeout=WAIT_S)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["Host: charging.example.jp", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {', '.join(offer)}"] if offer else []
        lines = [line for line in lines if line.split(":")[0] not in without] + list(headers)
        self.socket.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def more(self):
        piece = self.socket.recv(65_536)
        if not piece:
            raise ConnectionError("the server left")
        self.buffer += piece

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, text):
        self.raw(TEXT, text)

    def raw(self, opcode, text="", fin=True, rsv1=False, rsv2=False, rsv3=False):
        data, mask = text.encode(), os.urandom(4)
        first = fin << 7 | rsv1 << 6 | rsv2 << 5 | rsv3 << 4 | opcode
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
        self.socket.sendall(bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def send_in_pieces(self, text, pieces):
        """A text in fragments, with a ping between them."""
        size = -(-len(text) // pieces)
        parts = [text[at:at + size] for at in range(0, len(text), size)]
        for at, part in enumerate(parts):
            self.raw(CONTINUED if at else TEXT, part, fin=part is parts[-1])
            self.raw(PING, "between")

    def frame(self):
        """The next frame, whatever it is."""
        first, length = self.take(2)
        if length in (126, 127):
            length = int.from_bytes(self.take(2 if length == 126 else 8), "big")
        assert first & 0xF0 == 0x80, "the server's frames are whole, and use no extension"
        return first & 15, self.take(length)

    def receive(self):
        """The next message; pings are answered, where pings are answered."""
        while True:
            opcode, data = self.frame()
            self.pings += opcode == PING
            if opcode == PING and self.pongs:
                self.raw(PONG, data.decode())
            elif opcode == TEXT:
                return json.loads(data)
            elif opcode == CLOSE:
                raise ConnectionError(int.from_bytes(data[:2], "big"))

    def call(self, action, payload, message_id="call"):
        self.send(json.dumps([2, message_id, action, payload]))
        answer = self.receive()
        assert answer[:2] == [3, message_id], answer
        return answer[2]

    def close_code(self):
        with pytest.raises(ConnectionError) as closed:
            while True:
                self.receive()
        return closed.value.args[0]

    def drop(self):
        """Leaves without a close."""
        self.socket.close()


def difference(wanted, given, place=""):
    """Where what is given is not what is wanted; nothing where it is."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        missing = [f"{place}.{name} is missing" for name in wanted if name not in given]
        return missing or [fault for name in wanted for fault in difference(wanted[name], given[name], f"{place}.{name}")]
    if isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        return [fault for at, pair in enumerate(zip(wanted, given)) for fault in difference(*pair, f"{place}[{at}]")]
    return [] if type(wanted) is type(given) and wanted == given else [f"{place} must be {wanted!r}, not {given!r}"]


def must_be(wanted, given):
    assert not difference(wanted, given), (difference(wanted, given), given)


class Story:
    """One vector's charger, with a card and a member of its own."""

    def __init__(self, server, vector, number):
        self.server, self.vector, self.number = server, vector, number
        self.id = vector.get("id", f"FIELD-{number}")
        self.tag = vector.get("card", f"04A2{number:04X}D5E6F0")
        self.member, self.card_number = server.member_with_card(self.tag)
        self.transactions, self.numbers, self.wire, self.begin = [], itertools.count(1), None, None

    def words(self, value):
        """A value with its words in braces put in."""
        text = json.dumps(value, ensure_ascii=False)
        numbered = re.sub(r'"\{tx( \d+)?\}"', self.transaction, text)
        fixed = {"id": self.id, "card": self.tag, "card_number": self.card_number, "member": self.member}
        for word, meaning in fixed.items():
            numbered = numbered.replace("{" + word + "}", meaning)
        numbered = re.sub(r"\{tx( \d+)?\}", self.transaction, numbered)
        return json.loads(re.sub(r"\{(at|jst) (-?\d+)(?: ([^}]+))?\}", self.instant, numbered))

    def transaction(self, found):
        return str(self.transactions[int(found[1] or 0) - 1])

    def instant(self, found):
        ahead = datetime.timedelta(seconds=int(found[2]), hours=9 if found[1] == "jst" else 0)
        return (self.begin + ahead).strftime(found[3] or "%Y-%m-%dT%H:%M:%SZ")

    def connect(self, how):
        how = dict(how)
        path, chosen, refused = how.pop("path", "/ocpp/{id}"), how.pop("chosen", "ocpp1.6"), how.pop("refused", None)
        self.wire = Wire(self.server, self.words(path), **self.words(how))
        if refused:
            assert self.wire.status == refused["status"]
            newest = self.server.send("GET", "/refused-handshakes")["items"][0]
            return must_be(self.words(refused), newest)
        assert (self.wire.status, self.wire.headers.get("sec-websocket-protocol")) == (101, chosen)
        assert "sec-websocket-extensions" not in self.wire.headers

    def run(self):
        station = {"site": "Yokohama", "connectors": [{"connector_id": 1, "charger_class": "quick", "power_kw": 50}], **self.vector.get("station", {})}
        self.server.send("PUT", f"/stations/{self.id}", station)
        now = datetime.datetime.fromisoformat(self.server.send("GET", "/clock")["now"])
        self.begin = now.replace(microsecond=0)
        self.connect(self.vector.get("connect", {}))
        for step in self.vector.get("steps", []):
            try:
                self.do(step)
            except Exception as cause:
                cause.add_note(f"at {json.dumps(step)}")
                raise
        if self.wire.status == 101:
            self.lives()
        self.look()

    def lives(self):
        """The connection is alive, and nothing else was said on it."""
        barrier = f"barrier-{next(self.numbers)}"
        assert "currentTime" in self.wire.call("Heartbeat", {}, barrier)

    def do(self, step):
        if "clock" in step:
            self.server.send("PUT", "/clock", {"now": self.words(f"{{at {step['clock']}}}")})
        elif "reconnect" in step:
            self.wire.drop()
            self.connect(step["reconnect"])
        elif "api" in step:
            must_be(self.words(step.get("shows", {})), self.server.send(*self.words(step["api"])))
        elif "command" in step:
            self.command(step)
        elif "raw" in step:
            self.wire.raw(**self.words(step["raw"]))
            if "closed" in step:
                assert self.wire.close_code() == step["closed"]
            elif "pong" in step:
                assert self.wire.frame() == (PONG, step["pong"].encode())
            else:
                self.lives()
        else:
            self.send(step)

    def send(self, step):
        sent = step["send"]
        if isinstance(sent, str):
            text = self.words(sent)
            message_id = re.search(r'^[^\w]*2\s*,\s*("[^"]*"|-?\d+)', text)
            message_id = message_id and json.loads(message_id[1])
        else:
            frame = sent if isinstance(sent[0], int) else [2, f"{self.number}-{next(self.numbers)}", *sent]
            frame = self.words(frame)
            text, message_id = json.dumps(frame, separators=(",", ":")), frame[1]
        if "pieces" in step:
            self.wire.send_in_pieces(text, step["pieces"])
        else:
            self.wire.send(text)
        if step.get("answer", {}) is None:
            return self.lives()
        answer = self.wire.receive()
        # A station may be asked whether a transaction goes on while the clock is moved; this one says nothing.
        while answer[0] == 2 and answer[2] == "GetTransactionStatus":
            answer = self.wire.receive()
        if "error" in step:
            return must_be([4, message_id, step["error"]], answer[:3])
        wanted = self.words(step.get("answer", {}))
        must_be(wanted if isinstance(wanted, list) else [3, message_id, wanted], answer)
        if answer[0] == 3 and "transactionId" in answer[2]:
            assert 1 <= answer[2]["transactionId"] <= 2_147_483_647
            self.transactions.append(answer[2]["transactionId"])

    def command(self, step):
        told = {}
        body = self.words(step["command"])
        asking = threading.Thread(target=lambda: told.update(self.server.send("POST", f"/stations/{self.id}/commands", body)))
        asking.start()
        asked = self.wire.receive()
        must_be([2, *self.words(step["asked"])], [asked[0], *asked[2:]])
        reply = self.words(step["reply"])
        self.wire.send(json.dumps([4, asked[1], *reply] if isinstance(reply, list) else [3, asked[1], reply]))
        asking.join(WAIT_S)
        must_be({"outcome": step["outcome"]}, told)

    def look(self):
        """What the API shows in the end."""
        sessions = self.server.send("GET", f"/sessions?station_id={self.id}")["items"]
        wanted = self.words(self.vector.get("sessions", []))
        assert len(sessions) == len(wanted), sessions
        for one, session in zip(wanted, sessions):
            detail = self.server.send("GET", f"/sessions/{session['session_id']}")
            effects = [message["effect"] for message in detail["messages"]]
            must_be(one, {**detail, "effects": effects})
        must_be(self.words(self.vector.get("station_view", {})), self.server.send("GET", f"/stations/{self.id}"))
        for name in ("reports", "commands"):
            if name in self.vector:
                must_be(self.words(self.vector[name]), self.server.send("GET", f"/stations/{self.id}/{name}")["items"])


@pytest.fixture(scope="module")
def stories(server):
    """A story of each vector. Its card is some days old when the charger comes."""
    told = {vector["name"]: Story(server, vector, number) for number, vector in enumerate(FIELD["vectors"], 1)}
    server.send("PUT", "/clock", {"now": "2026-11-25T00:00:00Z"})
    return told


@pytest.mark.parametrize("name", [vector["name"] for vector in FIELD["vectors"]])
def test_vector(stories, name):
    stories[name].run()


def test_every_vector_says_who_saw_it_and_names_are_used_once():
    names = [vector["name"] for vector in FIELD["vectors"]]
    assert len(set(names)) == len(names)
    for vector in FIELD["vectors"]:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", vector["name"]) and vector["source"] and vector["seen"] and vector["expect"], vector
        assert set(vector) <= {
            "name", "source", "seen", "expect", "id", "card", "station", "connect", "steps", "sessions", "station_view", "reports", "commands"}, vector
    assert all(set(one) == {"source", "seen", "why"} and all(one.values()) for one in FIELD["left"])


def test_tls_on_the_plain_port_is_shown_to_the_operator(server):
    """ocpp-balanz/ocpp-2w-proxy#5: a charger opens its connection and says nothing that is HTTP."""
    with socket.create_connection(("127.0.0.1", server.ocpp), timeout=WAIT_S) as speaker:
        speaker.sendall(bytes.fromhex("160301007c0100007803035bf0"))
        with contextlib.suppress(ConnectionResetError):
            assert speaker.recv(1) == b""
    newest = server.send("GET", "/refused-handshakes")["items"][0]
    assert newest["reason"] == "tls_on_the_plain_port" and newest["peer"].startswith("127.0.0.1:")


def test_an_upgrade_by_post_is_refused(server):
    server.station("POSTS")
    with socket.create_connection(("127.0.0.1", server.ocpp), timeout=WAIT_S) as speaker:
        lines = ["POST /ocpp/POSTS HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: ocpp1.6", "", ""]
        speaker.sendall("\r\n".join(lines).encode())
        assert speaker.recv(65_536).split(b" ")[1] == b"426"


def test_a_probe_throws_out_no_working_connection(server):
    server.station("PROBED")
    working = Wire(server, "/ocpp/PROBED")
    working.call("Heartbeat", {})
    probe = Wire(server, "/ocpp/PROBED")
    assert probe.status == 101 and "currentTime" in working.call("Heartbeat", {})
    probe.drop()
    assert "currentTime" in working.call("Heartbeat", {}) and online(server, "PROBED")


def test_a_charger_that_was_taken_down_is_unknown_and_its_history_stays(server):
    """netzero-labs/netzero#156: the old charger cannot be forgotten."""
    server.station("SCRAPPED")
    wire = Wire(server, "/ocpp/SCRAPPED")
    now = server.send("GET", "/clock")["now"]
    tx = wire.call("StartTransaction", {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": now})["transactionId"]
    refused = requests.delete(f"{server.api}/stations/SCRAPPED", headers=server.headers, timeout=WAIT_S)
    assert (refused.status_code, refused.json()["reason"]) == (409, "session_running")
    wire.call("StopTransaction", {"transactionId": tx, "meterStop": 5, "timestamp": now})
    assert requests.delete(f"{server.api}/stations/SCRAPPED", headers=server.headers, timeout=WAIT_S).status_code == 204
    assert Wire(server, "/ocpp/SCRAPPED").status == 404
    assert len(server.send("GET", "/sessions?station_id=SCRAPPED")["items"]) == 1
    assert server.send("GET", "/stations/SCRAPPED")["retired_at"]


def test_a_put_that_means_maintenance_resets_nothing_else(server):
    """What GET shows is taken by PUT; what another has changed meanwhile is not overwritten."""
    full = {"site": "Kobe", "connectors": [{"connector_id": 1, "charger_class": "quick", "power_kw": 50.5, "connector_standard": "CHADEMO"}],
            "time_zone": "Asia/Tokyo", "registration": "pending", "quirks": ["no_pings"], "certificate_name": "SN-1", "may_configure": True}
    server.send("PUT", "/stations/KEPT", full)
    before = server.send("GET", "/stations/KEPT")
    after = server.send("PUT", "/stations/KEPT", {"availability": "maintenance"})
    assert {**before, "availability": "maintenance"} == after
    url = f"{server.api}/stations/KEPT"
    shown = requests.get(url, headers=server.headers, timeout=WAIT_S)
    again = requests.put(url, json=shown.json(), headers={**server.headers, "If-Match": shown.headers["ETag"]}, timeout=WAIT_S)
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, shown.json(), shown.headers["ETag"]), again.text
    other = requests.put(url, json={"availability": "open"}, headers={**server.headers, "If-Match": shown.headers["ETag"]}, timeout=WAIT_S)
    late = requests.put(url, json={"availability": "closed"}, headers={**server.headers, "If-Match": shown.headers["ETag"]}, timeout=WAIT_S)
    assert (other.status_code, late.status_code, late.json()["reason"]) == (200, 412, "changed")
    assert server.send("PUT", "/stations/KEPT", {"time_zone": None})["time_zone"] is None


def online(server, station_id):
    return server.send("GET", f"/stations/{station_id}")["online"]


def goes_offline(server, station_id):
    deadline = time.monotonic() + WAIT_S
    while online(server, station_id):
        assert time.monotonic() < deadline, "a station that left is offline"
        time.sleep(0.02)


def test_the_newer_of_two_sockets_wins_and_the_olders_end_changes_nothing(server):
    """A link lost without a close (lorenzodonini/ocpp-go#314, #358): the charger is back before its old socket is known to be dead."""
    server.station("HALF-OPEN")
    older = Wire(server, "/ocpp/HALF-OPEN")
    tx = older.call("StartTransaction", {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": "2026-11-20T00:00:00Z"})["transactionId"]
    newer = Wire(server, "/ocpp/HALF-OPEN")
    assert newer.status == 101 and "currentTime" in newer.call("Heartbeat", {})
    assert older.close_code() == 1001
    older.drop()
    for _ in range(20):
        newer.call("Heartbeat", {})
        assert online(server, "HALF-OPEN")
        time.sleep(0.01)
    newer.call("StopTransaction", {"transactionId": tx, "meterStop": 100, "timestamp": "2026-11-20T00:10:00Z"})
    (session,) = server.send("GET", "/sessions?station_id=HALF-OPEN")["items"]
    assert (session["transaction_id"], session["energy_wh"]) == (tx, 100)
    newer.drop()
    goes_offline(server, "HALF-OPEN")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that pings each second, waits three seconds for a sign of life, and a second for an answer."""
    server = Server(tmp_path_factory.mktemp("hasty"), "--ping-interval-s", "1", "--idle-timeout-s", "3", "--call-timeout-s", "1")
    yield server
    server.stop()


def test_a_station_that_never_answers_a_ping_but_speaks_is_kept(hasty):
    """mobilityhouse/ocpp#626, evcc-io/evcc#33099, mikuso/ocpp-rpc#80."""
    hasty.station("NO-PONG")
    wire = Wire(hasty, "/ocpp/NO-PONG", pongs=False)
    since = time.monotonic()
    while time.monotonic() - since < 5:
        assert "currentTime" in wire.call("Heartbeat", {})
        time.sleep(1)
    assert online(hasty, "NO-PONG")


def test_a_station_that_pings_disturb_is_sent_none(hasty):
    """mobilityhouse/ocpp#626: one that hears a ping hangs up."""
    hasty.send("PUT", "/stations/QUIET", {"site": "Test", "connectors": [], "quirks": ["no_pings"]})
    hasty.station("DISTURBED")
    quiet, disturbed = Wire(hasty, "/ocpp/QUIET"), Wire(hasty, "/ocpp/DISTURBED")
    since = time.monotonic()
    while time.monotonic() - since < 4:
        for wire in (quiet, disturbed):
            assert "currentTime" in wire.call("Heartbeat", {})
        time.sleep(0.5)
    assert (quiet.pings, disturbed.pings > 0) == (0, True)


def test_a_station_that_only_answers_pings_is_kept_and_one_that_is_silent_is_closed(hasty):
    hasty.station("PONGS")
    hasty.station("SILENT")
    pongs, silent = Wire(hasty, "/ocpp/PONGS"), Wire(hasty, "/ocpp/SILENT", pongs=False)
    since = time.monotonic()
    while time.monotonic() - since < 5:
        opcode, data = pongs.frame()
        assert (opcode, data) == (PING, b"")
        pongs.raw(PONG)
    assert "currentTime" in pongs.call("Heartbeat", {}) and online(hasty, "PONGS")
    assert silent.close_code() == 1008
    goes_offline(hasty, "SILENT")


def test_a_station_that_answers_no_command_is_closed_after_three(hasty):
    """Heartbeats go on, but commands are never answered (mobilityhouse/ocpp#626, lbbrhzn/ocpp#1096)."""
    hasty.station("ZOMBIE")
    wire, told = Wire(hasty, "/ocpp/ZOMBIE"), []
    for command in range(3):
        asking = threading.Thread(target=lambda: told.append(hasty.send("POST", "/stations/ZOMBIE/commands", {"command": "clear_cache"})))
        asking.start()
        asked = wire.receive()
        assert asked[0] == 2 and asked[2] == "ClearCache"
        assert "currentTime" in wire.call("Heartbeat", {}), "the station's own calls are answered meanwhile"
        asking.join(WAIT_S)
        assert told[command]["outcome"] == "unknown"
    assert wire.close_code() == 1008
    goes_offline(hasty, "ZOMBIE")
    assert "currentTime" in Wire(hasty, "/ocpp/ZOMBIE").call("Heartbeat", {})


def test_a_late_answer_to_a_command_is_matched_to_nothing(hasty):
    hasty.station("LATE")
    wire = Wire(hasty, "/ocpp/LATE")
    told, asked = [], []
    for answers in (False, True):
        asking = threading.Thread(target=lambda: told.append(hasty.send("POST", "/stations/LATE/commands", {"command": "clear_cache"})))
        asking.start()
        asked.append(wire.receive()[1])
        if answers:
            wire.send(json.dumps([3, asked[0], {"status": "Rejected"}]))
            wire.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
        asking.join(WAIT_S)
    assert [one["outcome"] for one in told] == ["unknown", "accepted"]


def test_a_station_that_repeats_its_stop_for_good_is_answered_each_time_and_billed_once(server):
    """dallmann-consulting/OCPP.Core#31: the same stop every ten seconds, each under a new id; what it says is not even whole."""
    server.station("LOOP")
    wire = Wire(server, "/ocpp/LOOP")
    now = server.send("GET", "/clock")["now"]
    tx = wire.call("StartTransaction", {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": now})["transactionId"]
    answers = []
    for number in range(150):
        wire.send(f'[2,"{number}","StopTransaction",{{"transactionId":{tx},"meterStop":,"timestamp":"{now}"}}]')
        answers.append(wire.receive())
    assert answers == [[3, str(number), {}] for number in range(150)]
    (session,) = server.send("GET", "/sessions?station_id=LOOP")["items"]
    assert session["stopped_at"] and "meter_unknown" in session["flags"] and "stop_differs" not in session["flags"]
    detail = server.send("GET", f"/sessions/{session['session_id']}")
    assert len(detail["messages"]) == 102, "start, stop, and a hundred repeats"
