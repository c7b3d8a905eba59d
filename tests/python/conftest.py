"""The real binary on free ports and a database of its own, for clients that we did not write."""

import os
import pathlib
import random
import socket
import subprocess
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("JUDEN_BINARY", ROOT / "target" / "debug" / "juden"))
ADMIN_KEY = "operator-key-of-the-tests"
STARTED = "2026-11-21T00:00:00Z"


def free_port():
    """A port below those that the kernel gives to connections: one of those can be taken before the server listens."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    def __init__(self, folder, *flags, clock=STARTED):
        self.http, self.ocpp = free_port(), free_port()
        self.api = f"http://127.0.0.1:{self.http}/api/v1"
        self.ocpp_url = f"ws://127.0.0.1:{self.ocpp}/ocpp"
        self.headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        command = [BINARY, "serve", "--database-url", f"sqlite://{folder}/juden.db", "--admin-key", ADMIN_KEY]
        command += ["--http-listen", f"127.0.0.1:{self.http}", "--ocpp-listen", f"127.0.0.1:{self.ocpp}"]
        command += ["--simulated-clock", clock, "--onboarding-delay-s", "none", "--log-level", "warn"]
        command += ["--issuer-name", "none", "--party-id", "JDN", *flags]
        self.process = subprocess.Popen(command, cwd=folder)
        deadline = time.monotonic() + 30
        while True:
            try:
                if requests.get(f"http://127.0.0.1:{self.http}/readyz", timeout=1).ok:
                    return
            except requests.ConnectionError:
                assert time.monotonic() < deadline, "the server must start"
                time.sleep(0.02)

    def send(self, method, path, body=None, status=None):
        response = requests.request(method, self.api + path, json=body, headers=self.headers, timeout=60)
        assert response.status_code == status if status else response.ok, (path, response.status_code, response.text)
        return response.json()

    def station(self, station_id, **more):
        connectors = [{"connector_id": 1, "charger_class": "quick", "power_kw": 50}]
        return self.send("PUT", f"/stations/{station_id}", {"site": "Yokohama", "connectors": connectors, **more})

    def member_with_card(self, id_tag, plan="premium_100"):
        member = self.send("POST", "/members", {
            "name": "Aoki Transport", "kind": "corporation", "email": "fleet@example.jp", "plan": plan,
            "payment_method": {"kind": "credit_card", "brand": "nissan_card"}})["member_id"]
        card = self.send("POST", "/cards", {"id_tag": id_tag})
        code = {"card_number": card["card_number"], "activation_code": card["activation_code"], "role": "primary"}
        self.send("POST", f"/members/{member}/cards/activate", code)
        return member, card["card_number"]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=12) == 0, "the server must end cleanly"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("juden"))
    yield server
    server.stop()
