"""A TLS terminator in front: HAProxy with the file that is deployed, and stations that know only TLS_RSA suites."""

import asyncio
import os
import pathlib
import shutil
import ssl
import subprocess
import time

import pytest
import websockets
from authority import Authority
from conftest import Server, free_port
from test_certificates import PASSWORD, basic

ROOT = pathlib.Path(__file__).parents[2]
CPO = "Example Charging"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    assert shutil.which("haproxy"), "HAProxy is needed: apt-get install haproxy"
    folder = tmp_path_factory.mktemp("terminator")
    place = type("Place", (), {})()
    place.authority, place.port = Authority(folder, "authority"), free_port()
    chain, key = place.authority.issue("rsa", "/CN=localhost/O=Juden", kind="rsa", server=True)
    both = folder / "both.pem"
    both.write_text(chain.read_text() + key.read_text())
    place.server = Server(folder, "--tls-terminators", "127.0.0.1", "--tls-client-organization", CPO)
    environment = {**os.environ, "TLS_LISTEN": f"127.0.0.1:{place.port}", "TLS_CERT": str(both),
                   "TLS_CLIENT_CA": str(place.authority.file), "JUDEN": f"127.0.0.1:{place.server.ocpp}"}
    place.proxy = subprocess.Popen(["haproxy", "-f", ROOT / "deploy" / "haproxy-tls.cfg"], env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while True:
        try:
            ssl.get_server_certificate(("127.0.0.1", place.port))
            break
        except OSError:
            assert time.monotonic() < deadline and place.proxy.poll() is None, "HAProxy must start"
            time.sleep(0.05)
    yield place
    place.proxy.terminate()
    place.proxy.wait(timeout=20)
    place.server.stop()


def rsa_only(place, certificate=None):
    trusting = ssl.create_default_context(cafile=str(place.authority.file))
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("AES128-GCM-SHA256")
    if certificate:
        trusting.load_cert_chain(*map(str, certificate))
    return trusting


async def status(url, trusting=None, headers=None):
    try:
        async with websockets.connect(url, subprotocols=["ocpp1.6"], ssl=trusting, additional_headers=headers or {}) as connection:
            await connection.send('[2,"1","Heartbeat",{}]')
            assert '"currentTime"' in await connection.recv()
            return connection.transport.get_extra_info("cipher")[0] if trusting else "plain"
    except websockets.exceptions.InvalidStatus as refused:
        return refused.response.status_code


def test_stations_of_profiles_2_and_3_come_through_a_terminator_with_the_standards_rsa_suites(place):
    place.server.station("TWO", password=PASSWORD, security_profile=2)
    place.server.station("THREE", security_profile=3)
    url = f"wss://localhost:{place.port}/ocpp"
    come = lambda station_id, *more: asyncio.run(status(f"{url}/{station_id}", *more))
    assert come("TWO", rsa_only(place), basic("TWO")) == "AES128-GCM-SHA256"
    assert come("TWO", rsa_only(place)) == 401
    own = place.authority.issue("three", f"/CN=THREE/O={CPO}")
    assert come("THREE", rsa_only(place, own)) == "AES128-GCM-SHA256"
    assert come("THREE", rsa_only(place)) == 401
    for name, subject in [("other", f"/CN=FOUR/O={CPO}"), ("stranger", "/CN=THREE/O=Somebody")]:
        assert come("THREE", rsa_only(place, place.authority.issue(name, subject))) == 401, subject


def test_what_a_station_says_of_itself_in_the_terminators_headers_is_taken_out(place):
    place.server.station("SPOOF", security_profile=3)
    spoofed = {"X-Juden-TLS": "1", "X-Juden-TLS-Client-CN": "SPOOF", "X-Juden-TLS-Client-O": CPO, "X-Forwarded-For": "192.0.2.9"}
    assert asyncio.run(status(f"wss://localhost:{place.port}/ocpp/SPOOF", rsa_only(place), spoofed)) == 401
    assert not any(one["peer"].startswith("192.0.2.9") for one in place.server.send("GET", "/refused-handshakes")["items"])


def test_who_is_no_terminator_is_not_believed(server):
    server.station("DIRECT", security_profile=3)
    told = {"X-Juden-TLS": "1", "X-Juden-TLS-Client-CN": "DIRECT", "X-Juden-TLS-Client-O": CPO}
    assert asyncio.run(status(f"{server.ocpp_url}/DIRECT", None, told)) == 401
