"""Charge records as partners' programs read them: each line against the models of OCPI 2.2.1 of a package from PyPI."""

import json
import pathlib
import subprocess

import pytest
import requests
from conftest import ROOT, Server
from websockets.sync.client import connect

READER = ROOT / "target" / "python-ocpi" / "bin" / "python"


def faults(lines):
    script = pathlib.Path(__file__).with_name("ocpi_records.py")
    read = subprocess.run([READER, script], input="".join(lines), capture_output=True, text=True, check=True)
    return read.stdout.splitlines()


def at(server, instant):
    server.send("PUT", "/clock", {"now": instant})


class Charger:
    def __init__(self, server, name, word):
        self.socket = connect(f"{server.ocpp_url}/{word}", subprotocols=["ocpp1.6"])
        self.server, self.name, self.sent = server, name, 0

    def call(self, action, payload):
        self.sent += 1
        self.socket.send(json.dumps([2, str(self.sent), action, payload]))
        while True:
            frame = json.loads(self.socket.recv(timeout=20))
            if frame[0] == 3 and frame[1] == str(self.sent):
                return frame[2]
            if frame[0] == 2:
                self.socket.send(json.dumps([4, frame[1], "NotSupported", "", {}]))

    def session(self, tag, begin, end, wh):
        started = self.call("StartTransaction", {"connectorId": 1, "idTag": tag, "timestamp": begin, "meterStart": 1000})
        stop = {"transactionId": started["transactionId"], "timestamp": end, "meterStop": 1000 + wh}
        self.call("StopTransaction", stop)
        sessions = self.server.send("GET", f"/sessions?station_id={self.name}")["items"]
        return max(sessions, key=lambda session: session["started_at"])["session_id"]


def export(server, month, form):
    path = f"{server.api}/months/{month}/export?format={form}"
    response = requests.get(path, headers=server.headers, timeout=60)
    assert response.ok, response.text
    return response.content.decode().splitlines(keepends=True)


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    """Two closed months: sessions with and without cost, energy and an address, and what was taken back later."""
    server = Server(tmp_path_factory.mktemp("juden"), clock="2026-11-02T00:00:00Z")
    place = {"name": "横浜みなとみらい充電ステーション", "address": "神奈川県横浜市西区みなとみらい2-2-1", "city": "横浜市西区", "postal_code": "220-8119",
             "country": "JP", "latitude": 35.4547, "longitude": 139.6314}
    server.send("PUT", "/sites/Yokohama", place)
    connectors = [{"connector_id": 1, "charger_class": "quick", "power_kw": 50, "connector_standard": "CHADEMO"}]
    names = ["CP-1_a", "A" * 48, "cp.1"]
    for name in names:
        server.send("PUT", f"/stations/{name}", {"site": "Nowhere" if name == "cp.1" else "Yokohama", "connectors": connectors})
    server.member_with_card("04A2B3C4", plan="simple")
    at(server, "2026-11-20T00:00:00Z")
    sessions = []
    for day, name in enumerate(names, 3):
        charger = Charger(server, name, name)
        sessions.append(charger.session("04A2B3C4", f"2026-11-{day:02}T01:00:00Z", f"2026-11-{day:02}T01:30:00Z", 8_000))
    free = charger.session("04A2B3C4", "2026-11-09T01:00:00Z", "2026-11-09T01:20:00Z", 5_000)
    server.send("POST", f"/sessions/{free}/corrections", {"kind": "reduce", "charged_units": 0, "reason": "the screen was dark"})
    at(server, "2026-12-06T00:00:00Z")
    server.send("POST", "/months/2026-11/close", {})
    server.send("POST", f"/sessions/{sessions[0]}/corrections", {"kind": "waive", "reason": "charged twice"})
    server.send("POST", f"/sessions/{sessions[1]}/corrections", {"kind": "reduce", "amount_yen": 500, "reason": "as promised"})
    at(server, "2027-01-06T00:00:00Z")
    server.send("POST", "/months/2026-12/close", {})
    yield [export(server, month, "ocpi-cdr") for month in ("2026-11", "2026-12")]
    server.stop()


def test_every_record_of_two_months_is_what_ocpi_says(months):
    for lines in months:
        assert lines, "a month without records shows nothing"
        assert faults(lines) == []


def test_the_reader_finds_what_is_wrong(months):
    record = json.loads(months[0][0])
    for spoiled, named in [
        ({**record, "currency": "YENS"}, "currency"),
        ({**record, "charging_periods": []}, "charging_periods"),
        ({**record, "member": "M-000001"}, "member"),
        ({**record, "cdr_location": {**record["cdr_location"], "evse_id": "E" * 49}}, "evse_id"),
        ({key: value for key, value in record.items() if key != "total_energy"}, "total_energy"),
    ]:
        found = faults([json.dumps(spoiled)])
        assert any(named in fault for fault in found), (named, found)


def test_evse_ids_are_emi3s_and_no_two_stations_share_one(months):
    places = {}
    for record in map(json.loads, months[0]):
        evse = record["cdr_location"]["evse_id"]
        assert evse.startswith("JP*JDN*E") and len(evse) <= 48, evse
        assert all(letter.isascii() and (letter.isupper() or letter.isdigit() or letter == "*") for letter in evse), evse
        places.setdefault(evse, set()).add(record["session_id"])
    assert len(places) == 3, places


def test_a_credit_takes_back_the_cost_alone(months):
    first = {record["id"]: record for record in map(json.loads, months[0])}
    credits = [record for record in map(json.loads, months[1]) if record.get("credit")]
    assert credits, "what was waived after the close is credited"
    for record in credits:
        credited = first[record["credit_reference_id"]]
        assert record["total_cost"]["excl_vat"] == -credited["total_cost"]["excl_vat"]
        for unchanged in ("total_energy", "total_time", "charging_periods"):
            assert record[unchanged] == credited[unchanged], unchanged
