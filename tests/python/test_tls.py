"""Security profiles 2 and 3 against clients that we did not write: Python's ssl with `websockets`, and `openssl s_client`."""

import asyncio
import base64
import json
import os
import shutil
import ssl
import subprocess
import time

import pytest
import requests
import websockets
from authority import Authority, openssl
from conftest import ADMIN_KEY, Server, free_port

PASSWORD = "0123456789abcdef"
CPO = "Example Charging"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    place = type("Place", (), {})()
    place.folder, place.port = folder, free_port()
    place.authority = Authority(folder, "authority")
    place.other = Authority(folder, "other")
    rsa = place.authority.issue("rsa", "/CN=localhost/O=Juden", kind="rsa", server=True)
    ec = place.authority.issue("ec", "/CN=localhost/O=Juden", server=True)
    place.server = Server(
        folder, "--ocpp-tls-listen", f"127.0.0.1:{place.port}", "--tls-cert", f"{ec[0]},{rsa[0]}", "--tls-key", f"{ec[1]},{rsa[1]}",
        "--tls-client-ca", str(place.authority.file), "--tls-client-organization", CPO)
    place.server.station("TWO", password=PASSWORD, security_profile=2)
    place.server.station("THREE", security_profile=3)
    place.server.station("ONE", password=PASSWORD, security_profile=1)
    yield place
    place.server.stop()


def context(place, certificate=None):
    trusting = ssl.create_default_context(cafile=str(place.authority.file))
    if certificate:
        trusting.load_cert_chain(*map(str, certificate))
    return trusting


def basic(station_id, password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{station_id}:{password}".encode()).decode()}


async def talk(place, station_id, trusting, headers=None, protocol="ocpp2.0.1"):
    url = f"wss://localhost:{place.port}/ocpp/{station_id}"
    async with websockets.connect(url, subprotocols=[protocol], ssl=trusting, additional_headers=headers or {}) as connection:
        await connection.send(json.dumps([2, "1", "Heartbeat", {}]))
        answer = json.loads(await connection.recv())
        assert answer[0] == 3 and "currentTime" in answer[2]
        return connection.transport.get_extra_info("ssl_object").version()


def refusals(place):
    return place.server.send("GET", "/refused-handshakes")["items"]


def is_refused(place, reason, action):
    before = sum(one["reason"] == reason for one in refusals(place))
    with pytest.raises((websockets.exceptions.InvalidStatus, websockets.exceptions.ConnectionClosed, ssl.SSLError, OSError, EOFError, websockets.exceptions.InvalidMessage)):
        asyncio.run(action)
    deadline = time.monotonic() + 10
    while sum(one["reason"] == reason for one in refusals(place)) == before:
        assert time.monotonic() < deadline, refusals(place)
        time.sleep(0.02)


def test_profile_2_with_the_password_over_tls(place):
    assert asyncio.run(talk(place, "TWO", context(place), basic("TWO"))) == "TLSv1.3"
    older = context(place)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert asyncio.run(talk(place, "TWO", older, basic("TWO"), "ocpp1.6")) == "TLSv1.2"
    is_refused(place, "password", talk(place, "TWO", context(place), basic("TWO", "wrong-password-0")))
    is_refused(place, "password", talk(place, "TWO", context(place)))


def test_profile_3_with_the_stations_own_certificate(place):
    own = place.authority.issue("three", f"/CN=THREE/O={CPO}")
    asyncio.run(talk(place, "THREE", context(place, own)))
    is_refused(place, "no_certificate", talk(place, "THREE", context(place)))
    is_refused(place, "no_certificate", talk(place, "THREE", context(place), basic("THREE")))
    for name, subject in [("cn", f"/CN=FOUR/O={CPO}"), ("o", "/CN=THREE/O=Somebody"), ("no-o", "/CN=THREE")]:
        is_refused(place, "certificate_subject", talk(place, "THREE", context(place, place.authority.issue(name, subject))))
    is_refused(place, "tls_certificate_refused", talk(place, "THREE", context(place, place.other.issue("stranger", f"/CN=THREE/O={CPO}"))))
    expired = place.authority.issue("expired", f"/CN=THREE/O={CPO}", days="-1")
    is_refused(place, "tls_certificate_expired", talk(place, "THREE", context(place, expired)))


def test_a_station_comes_with_no_other_profile_than_its_own(place):
    async def plainly(station_id):
        async with websockets.connect(f"{place.server.ocpp_url}/{station_id}", subprotocols=["ocpp1.6"], additional_headers=basic(station_id)):
            pass

    is_refused(place, "security_profile", plainly("TWO"))
    is_refused(place, "security_profile", plainly("THREE"))
    is_refused(place, "security_profile", talk(place, "ONE", context(place), basic("ONE")))
    is_refused(place, "unknown_station", talk(place, "NOBODY", context(place), basic("NOBODY")))


def s_client(place, *more):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{place.port}", "-CAfile", str(place.authority.file), *more]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("arguments, suite", [
    (["-tls1_3"], "TLS_AES"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-sigalgs", "RSA+SHA256:RSA-PSS+SHA256"], "ECDHE-RSA-AES128-GCM-SHA256"),
])
def test_both_kinds_of_certificate_are_shown(place, arguments, suite):
    done = s_client(place, "-verify_return_error", *arguments)
    assert suite in done.stdout and "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
    assert "Compression: NONE" in done.stdout or "Compression" not in done.stdout


@pytest.mark.parametrize("arguments", [
    ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"],
    ["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"],
    # What rustls does not have: stations that need it come through a terminator.
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
], ids=["tls1.1", "tls1.0", "tls_rsa"])
def test_lower_tls_is_refused_and_shown(place, arguments):
    before = sum(one["reason"] == "tls_version_or_suite" for one in refusals(place))
    done = s_client(place, *arguments)
    assert "Cipher is (NONE)" in done.stdout or done.returncode != 0, done.stdout
    deadline = time.monotonic() + 10
    while sum(one["reason"] == "tls_version_or_suite" for one in refusals(place)) == before:
        assert time.monotonic() < deadline, (refusals(place), done.stdout, done.stderr)
        time.sleep(0.02)


def test_what_is_no_tls_at_all_is_refused_and_the_listener_lives(place):
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{place.port}/", timeout=5)
    assert any(one["reason"].startswith("tls_") for one in refusals(place))
    asyncio.run(talk(place, "TWO", context(place), basic("TWO")))


def serial(place):
    certificate = ssl.get_server_certificate(("127.0.0.1", place.port))
    return openssl("x509", "-noout", "-serial", text=certificate).strip()


def test_new_certificates_are_shown_without_a_restart_and_nobody_is_dropped(place):
    async def run():
        url = f"wss://localhost:{place.port}/ocpp/TWO"
        async with websockets.connect(url, subprotocols=["ocpp2.0.1"], ssl=context(place), additional_headers=basic("TWO")) as connection:
            before = await asyncio.to_thread(serial, place)
            # A key that does not go with the certificate changes nothing.
            stray = place.authority.issue("stray", "/CN=localhost/O=Juden", server=True)
            shutil.copy(place.folder / "ec.key", place.folder / "kept.key")
            replace(stray[1], place.folder / "ec.key")
            done = asyncio.Event()

            async def beating():
                beats = 0
                while not done.is_set():
                    await connection.send(json.dumps([2, str(beats), "Heartbeat", {}]))
                    assert json.loads(await connection.recv())[0] == 3
                    beats += 1
                return beats

            beats = asyncio.create_task(beating())
            metric = f"http://127.0.0.1:{place.server.http}/metrics"
            async with asyncio.timeout(20):
                while "juden_tls_reload_failures_total 1" not in (await asyncio.to_thread(requests.get, metric)).text:
                    await asyncio.sleep(0.1)
            assert await asyncio.to_thread(serial, place) == before
            fresh = place.authority.issue("fresh", "/CN=localhost/O=Juden", server=True)
            replace(fresh[1], place.folder / "ec.key")
            replace(fresh[0], place.folder / "ec.pem")
            async with asyncio.timeout(20):
                while await asyncio.to_thread(serial, place) == before:
                    await asyncio.sleep(0.1)
            done.set()
            assert await beats > 0
            await talk_on(connection)

    async def talk_on(connection):
        await connection.send(json.dumps([2, "last", "Heartbeat", {}]))
        assert json.loads(await connection.recv())[:2] == [3, "last"]

    def replace(source, target):
        shutil.copy(source, f"{target}.new")
        os.replace(f"{target}.new", target)

    asyncio.run(run())


@pytest.mark.parametrize("flags, told", [
    (["--ocpp-tls-listen", "127.0.0.1:0"], "tls-cert, tls-key: 0 and 0 files are not allowed"),
    (["--ocpp-tls-listen", "127.0.0.1:0", "--tls-cert", "/none.pem", "--tls-key", "/none.key"], "/none.key"),
    (["--ocpp-tls-listen", "127.0.0.1:0", "--tls-cert", "a.pem,b.pem", "--tls-key", "a.key"], "2 and 1 files"),
    (["--tls-client-ca", "x.pem"], "set ocpp-tls-listen too"),
    (["--ocpp-tls-listen", "here", "--tls-cert", "a", "--tls-key", "b"], "an address and port"),
])
def test_settings_that_cannot_work_are_told(tmp_path, flags, told):
    from conftest import BINARY
    done = subprocess.run([BINARY, "check-config", "--admin-key", ADMIN_KEY, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and told in done.stderr + done.stdout, done.stderr + done.stdout


class Told:
    """A connection that answers one command, and keeps it."""

    def __init__(self, place, station_id, trusting=None, password=PASSWORD, protocol="ocpp1.6"):
        url = f"wss://localhost:{place.port}/ocpp/{station_id}" if trusting else f"{place.server.ocpp_url}/{station_id}"
        self.place, self.station_id = place, station_id
        self.connecting = websockets.connect(url, subprotocols=[protocol], ssl=trusting, additional_headers=basic(station_id, password))

    async def tell(self, action, payload, answer, status=200):
        async with self.connecting as connection:
            asking = asyncio.create_task(asyncio.to_thread(
                self.place.server.send, "POST", f"/stations/{self.station_id}/ocpp/{action}", payload, status))
            if status == 200:
                frame = json.loads(await connection.recv())
                assert frame[2:] == [action, payload]
                if answer is None:
                    await connection.close()
                else:
                    await connection.send(json.dumps([3, frame[1], answer]))
            return await asking


async def enters(place, station_id, password, trusting=None):
    scheme = f"wss://localhost:{place.port}/ocpp" if trusting else place.server.ocpp_url
    try:
        async with websockets.connect(f"{scheme}/{station_id}", subprotocols=["ocpp1.6", "ocpp2.0.1"], ssl=trusting, additional_headers=basic(station_id, password)):
            return True
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 401
        return False


NEXT = "fedcba9876543210"


@pytest.mark.parametrize("answer, old, new", [
    ({"status": "Accepted"}, False, True),
    ({"status": "Rejected"}, True, False),
    ({"status": "NotSupported"}, True, False),
])
def test_a_password_that_a_station_took_is_the_only_one_and_one_that_it_refused_is_none(place, answer, old, new):
    station_id = f"PW-{answer['status']}"
    place.server.station(station_id, password=PASSWORD)

    async def run():
        change = {"key": "AuthorizationKey", "value": NEXT.encode().hex().upper()}
        await Told(place, station_id).tell("ChangeConfiguration", change, answer)
        assert (await enters(place, station_id, PASSWORD), await enters(place, station_id, NEXT)) == (old, new)

    asyncio.run(run())
    kept = json.dumps(place.server.send("GET", f"/stations/{station_id}/commands"))
    assert NEXT.encode().hex().upper() not in kept and "(redacted)" in kept


@pytest.mark.parametrize("came", [PASSWORD, NEXT])
def test_a_password_whose_answer_was_lost_stands_beside_the_old_one_until_the_station_comes_with_either(place, came):
    station_id = f"LOST-{came}"
    place.server.station(station_id, password=PASSWORD)
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": NEXT}

    async def run():
        told = await Told(place, station_id, protocol="ocpp2.0.1").tell("SetVariables", {"setVariableData": [variable]}, None)
        assert told["outcome"] == "unknown"
        assert await enters(place, station_id, came)
        other = NEXT if came == PASSWORD else PASSWORD
        assert not await enters(place, station_id, other)
        assert await enters(place, station_id, came)

    asyncio.run(run())


def test_a_station_goes_up_to_a_higher_profile_and_never_back(place):
    place.server.station("UPGRADE", password=PASSWORD, security_profile=1)

    async def run():
        await Told(place, "UPGRADE").tell("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"}, {"status": "Accepted"})
        # It has not come with it yet: both are right.
        assert await enters(place, "UPGRADE", PASSWORD)
        assert not await enters(place, "UPGRADE", "wrong-password-0", context(place))
        assert await enters(place, "UPGRADE", PASSWORD, context(place))
        assert not await enters(place, "UPGRADE", PASSWORD)
        assert place.server.send("GET", "/stations/UPGRADE")["security_profile"] == 2
        for lower in ["1", "0", "4", "none"]:
            refused = {"key": "SecurityProfile", "value": lower}
            answered = await Told(place, "UPGRADE", context(place)).tell("ChangeConfiguration", refused, None, 422)
            assert "from 2 to 3" in json.dumps(answered)
        profile = {"ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "wss://x", "messageTimeout": 30, "securityProfile": 1, "ocppInterface": "Wired0"}
        slot = {"configurationSlot": 1, "connectionData": profile}
        await Told(place, "UPGRADE", context(place), protocol="ocpp2.0.1").tell("SetNetworkProfile", slot, None, 422)
        slot["connectionData"]["securityProfile"] = 3
        await Told(place, "UPGRADE", context(place), protocol="ocpp2.0.1").tell("SetNetworkProfile", slot, {"status": "Rejected"})
        assert await enters(place, "UPGRADE", PASSWORD, context(place))

    asyncio.run(run())


def test_one_password_at_a_time_is_told_and_what_cannot_be_read_of_an_answer_decides_nothing(place):
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": NEXT}
    change = {"setVariableData": [variable]}
    other = {"component": {"name": "X"}, "variable": {"name": "Y"}, "attributeStatus": "Accepted"}
    answers = [{}, {"setVariableResult": []}, {"setVariableResult": [{k: v for k, v in variable.items() if k != "attributeValue"}]}, {"setVariableResult": [other]}]

    async def run():
        for number, answer in enumerate(answers):
            station_id = f"GARBLED-{number}"
            await asyncio.to_thread(place.server.station, station_id, password=PASSWORD)
            await Told(place, station_id, protocol="ocpp2.0.1").tell("SetVariables", change, answer)
            refused = await Told(place, station_id, protocol="ocpp2.0.1", password=NEXT).tell("SetVariables", change, {"setVariableResult": [{**other, **variable}]}) \
                if number == 0 else None
            assert refused is None or refused["outcome"] == "accepted"
            assert await enters(place, station_id, NEXT), answer
        await asyncio.to_thread(place.server.station, "WAITING", password=PASSWORD)
        told = Told(place, "WAITING", protocol="ocpp2.0.1")
        async with told.connecting as connection:
            send = lambda status: asyncio.to_thread(place.server.send, "POST", "/stations/WAITING/ocpp/SetVariables", change, status)  # noqa: E731
            asking = asyncio.create_task(send(200))
            frame = json.loads(await connection.recv())
            await connection.send(json.dumps([3, frame[1], {}]))
            await asking
            assert "credentials_pending" in json.dumps(await send(409))

    asyncio.run(run())


def test_a_password_that_is_taken_with_the_next_start_stands_beside_the_old_one_until_then(place):
    place.server.station("REBOOT", password=PASSWORD)
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    answer = {"setVariableResult": [{**variable, "attributeStatus": "RebootRequired"}]}

    async def run():
        await Told(place, "REBOOT", protocol="ocpp2.0.1").tell("SetVariables", {"setVariableData": [{**variable, "attributeValue": NEXT}]}, answer)
        assert await enters(place, "REBOOT", PASSWORD)
        assert await enters(place, "REBOOT", PASSWORD)
        # What the operator changes beside it does not touch it.
        await asyncio.to_thread(place.server.station, "REBOOT", security_profile=1)
        assert await enters(place, "REBOOT", NEXT)
        assert not await enters(place, "REBOOT", PASSWORD)

    asyncio.run(run())


def test_a_handshake_that_is_refused_settles_nothing(place):
    place.server.station("BOGUS", password=PASSWORD)

    async def run():
        change = {"key": "AuthorizationKey", "value": NEXT.encode().hex()}
        await Told(place, "BOGUS").tell("ChangeConfiguration", change, None)
        with pytest.raises(websockets.exceptions.InvalidStatus):
            async with websockets.connect(f"{place.server.ocpp_url}/BOGUS", subprotocols=["bogus"], additional_headers=basic("BOGUS")):
                pass
        assert await enters(place, "BOGUS", NEXT)

    asyncio.run(run())


def test_a_station_without_a_password_goes_up_to_one(place):
    place.server.station("ZERO", security_profile=0)

    async def run():
        await Told(place, "ZERO").tell("ChangeConfiguration", {"key": "AuthorizationKey", "value": NEXT.encode().hex()}, {"status": "Accepted"})
        await Told(place, "ZERO").tell("ChangeConfiguration", {"key": "SecurityProfile", "value": "1"}, {"status": "Accepted"})
        assert await enters(place, "ZERO", NEXT)
        assert not await enters(place, "ZERO", "wrong-password-0")

    asyncio.run(run())
