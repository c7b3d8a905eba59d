"""Stations have their keys signed, come with the certificate, and are kept out once it is revoked: PyPI's charge points,
`openssl` for keys and requests."""

import asyncio
import ssl
import time

import pytest
import requests
import websockets
from authority import Authority, openssl, request
from conftest import Server, free_port
from ocpp.routing import after, on
from ocpp.v16 import ChargePoint as Older, call as older_call, call_result as older_result
from ocpp.v201 import ChargePoint as Newer, call as newer_call, call_result as newer_result

PASSWORD = "0123456789abcdef"
CPO = "Example Charging"


class OlderStation(Older):
    signed = None

    @on("CertificateSigned")
    def on_signed(self, **_):
        return older_result.CertificateSigned(status="Accepted")

    @after("CertificateSigned")
    def after_signed(self, certificate_chain, **_):
        self.signed.set_result(certificate_chain)

    def sign(self, csr):
        return self.call(older_call.SignCertificate(csr=csr))


class NewerStation(Newer):
    signed = None

    @on("CertificateSigned")
    def on_signed(self, **_):
        return newer_result.CertificateSigned(status="Accepted")

    @after("CertificateSigned")
    def after_signed(self, certificate_chain, certificate_type=None, **_):
        assert certificate_type == self.asked_for, "the type is the one that was asked for"
        self.signed.set_result(certificate_chain)

    def sign(self, csr, kind=None):
        self.asked_for = kind
        return self.call(newer_call.SignCertificate(csr=csr, certificate_type=kind))


STATIONS = {"ocpp1.6": OlderStation, "ocpp2.0.1": NewerStation}


async def asked(url, version, csr, **more):
    """What a station is answered, and the chain that it is sent where it is accepted."""
    station_id = url.rsplit("/", 1)[1]
    async with websockets.connect(url, subprotocols=[version], additional_headers=basic(station_id)) as connection:
        station = STATIONS[version](station_id, connection)
        station.signed = asyncio.get_running_loop().create_future()
        listening = asyncio.create_task(station.start())
        try:
            answer = await station.sign(csr, **more)
            chain = await asyncio.wait_for(station.signed, 20) if answer.status == "Accepted" else None
            # What we answered before this is with the server by then.
            await connection.ping()
            await (await connection.ping())
            return answer.status, chain
        finally:
            listening.cancel()


def basic(station_id):
    import base64
    return {"Authorization": "Basic " + base64.b64encode(f"{station_id}:{PASSWORD}".encode()).decode()}


def metric(server, result):
    text = requests.get(f"http://127.0.0.1:{server.http}/metrics", timeout=5).text
    lines = [line for line in text.splitlines() if line.startswith("juden_station_certificates_total") and f'"{result}"' in line]
    return int(lines[0].rsplit(" ", 1)[1]) if lines else 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    place = type("Place", (), {})()
    place.folder, place.port = folder, free_port()
    place.authority = Authority(folder, "authority")
    own = place.authority.issue("server", "/CN=localhost/O=Juden", server=True)
    place.crl = place.authority.revoke()
    place.server = Server(
        folder, "--ocpp-tls-listen", f"127.0.0.1:{place.port}", "--tls-cert", str(own[0]), "--tls-key", str(own[1]),
        "--tls-client-ca", str(place.authority.file), "--tls-client-organization", CPO, "--tls-client-crl", str(place.crl),
        "--ca-cert", str(place.authority.file), "--ca-key", str(place.authority.key), "--ca-days", "30", clock="")
    yield place
    place.server.stop()


async def enters(place, station_id, chain, key):
    trusting = ssl.create_default_context(cafile=str(place.authority.file))
    trusting.load_cert_chain(str(chain), str(key))
    url = f"wss://localhost:{place.port}/ocpp/{station_id}"
    try:
        async with websockets.connect(url, subprotocols=["ocpp2.0.1"], ssl=trusting) as connection:
            await connection.send('[2,"1","Heartbeat",{}]')
            return '"currentTime"' in await connection.recv()
    except (websockets.exceptions.WebSocketException, OSError, EOFError):
        return False


@pytest.mark.parametrize("version, kind", [("ocpp1.6", "ec"), ("ocpp2.0.1", "ec"), ("ocpp2.0.1", "rsa:2048")])
def test_a_station_has_its_key_signed_comes_with_it_and_is_kept_out_once_it_is_revoked(place, version, kind):
    station_id = f"SIGN-{version}-{kind.split(':')[0]}"
    place.server.station(station_id, password=PASSWORD)
    csr, key = request(place.folder, station_id, f"/CN={station_id}/O={CPO}", kind=kind)
    status, chain = asyncio.run(asked(f"{place.server.ocpp_url}/{station_id}", version, csr))
    assert status == "Accepted"
    file = place.folder / f"{station_id}.chain"
    file.write_text(chain)
    openssl("verify", "-CAfile", place.authority.file, "-purpose", "sslclient", file)
    shown = openssl("x509", "-in", file, "-noout", "-text")
    assert f"CN = {station_id}" in shown and "TLS Web Client Authentication" in shown and "CA:TRUE" not in shown
    place.server.station(station_id, security_profile=3)
    assert asyncio.run(enters(place, station_id, file, key))
    kept = place.server.send("GET", f"/stations/{station_id}/commands")["items"][0]
    assert (kept["action"], kept["outcome"], kept["sent_by"]) == ("CertificateSigned", "accepted", "juden")
    # The list of the revoked is read again while the server runs.
    place.authority.revoke(file)
    deadline = time.monotonic() + 20
    while asyncio.run(enters(place, station_id, file, key)):
        assert time.monotonic() < deadline, "a revoked certificate must be kept out"
        time.sleep(0.2)
    assert any(one["reason"] == "tls_certificate_revoked" for one in place.server.send("GET", "/refused-handshakes")["items"])


@pytest.mark.parametrize("version", STATIONS)
def test_a_request_that_is_not_the_stations_own_is_refused(place, version):
    station_id = f"REFUSED-{version}"
    place.server.station(station_id, password=PASSWORD)
    others, _ = request(place.folder, "others", f"/CN=ANOTHER/O={CPO}")
    strangers, _ = request(place.folder, "strangers", f"/CN={station_id}/O=Somebody")
    short, _ = request(place.folder, "short", f"/CN={station_id}/O={CPO}", kind="rsa:1024")
    good, _ = request(place.folder, "good", f"/CN={station_id}/O={CPO}")
    cut = good.replace("MI", "MJ", 1)
    url = f"{place.server.ocpp_url}/{station_id}"
    before = metric(place.server, "refused")
    refused = [others, strangers, short, cut, "no request", "-----BEGIN CERTIFICATE REQUEST-----"]
    for csr in refused:
        assert asyncio.run(asked(url, version, csr)) == ("Rejected", None), csr
    if version == "ocpp2.0.1":
        assert asyncio.run(asked(url, version, good, kind="V2GCertificate")) == ("Rejected", None), "a file signs none for vehicles"
        refused.append("V2G")
    assert metric(place.server, "refused") == before + len(refused)
    assert asyncio.run(asked(url, version, good))[0] == "Accepted"


def test_a_command_of_the_operators_signs_and_one_that_fails_sends_nothing(tmp_path):
    authority = Authority(tmp_path, "authority")
    script = tmp_path / "sign"
    script.write_text(f"""#!/bin/sh
[ "$1" = CP-BAD ] && exit 3
[ "$1" = CP-ODD ] && {{ cat {authority.file}; exit 0; }}
echo "$1 $2" >> {tmp_path}/asked
openssl x509 -req -CA {authority.file} -CAkey {authority.key} -CAcreateserial -days 2
cat {authority.file}
""")
    script.chmod(0o755)
    server = Server(tmp_path, "--ca-command", str(script), clock="")
    try:
        for station_id in ["CP1", "CP-BAD", "CP-ODD"]:
            server.station(station_id, password=PASSWORD)
        csr, _ = request(tmp_path, "cp1", "/CN=CP1")
        status, chain = asyncio.run(asked(f"{server.ocpp_url}/CP1", "ocpp2.0.1", csr, kind="V2GCertificate"))
        assert status == "Accepted" and chain.count("BEGIN CERTIFICATE") == 2
        assert (tmp_path / "asked").read_text() == "CP1 V2GCertificate\n"
        for number, station_id in enumerate(["CP-BAD", "CP-ODD"], 1):
            csr, _ = request(tmp_path, station_id, f"/CN={station_id}")

            async def fails():
                async with websockets.connect(f"{server.ocpp_url}/{station_id}", subprotocols=["ocpp1.6"], additional_headers=basic(station_id)) as connection:
                    station = OlderStation(station_id, connection)
                    listening = asyncio.create_task(station.start())
                    assert (await station.sign(csr)).status == "Accepted"
                    async with asyncio.timeout(20):
                        while await asyncio.to_thread(metric, server, "failed") < number:
                            await asyncio.sleep(0.05)
                    listening.cancel()

            asyncio.run(fails())
            assert server.send("GET", f"/stations/{station_id}/commands")["items"] == [], station_id
    finally:
        server.stop()


def test_without_an_authority_nothing_is_signed(server, tmp_path):
    server.station("CP-NONE", password=PASSWORD)
    csr, _ = request(tmp_path, "none", "/CN=CP-NONE")
    assert asyncio.run(asked(f"{server.ocpp_url}/CP-NONE", "ocpp1.6", csr)) == ("Rejected", None)
