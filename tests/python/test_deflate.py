"""permessage-deflate with a WebSocket client that is not ours, and what an idle connection costs with and without it."""

import asyncio
import base64
import json
import os
import socket as sockets
import zlib

import pytest
import websockets
from conftest import Server
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

CONNECTIONS = 200
# A compressor and decompressor take some 300 KiB.
MOST_KIB_MORE = 32


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("deflate"), "--max-message-bytes", "65536")
    yield server
    server.stop()


async def connected(server, station_id, compression="deflate", **more):
    return await websockets.connect(f"{server.ocpp_url}/{station_id}", subprotocols=["ocpp2.0.1"], compression=compression, **more)


async def call(connection, action, payload, message_id="1"):
    await connection.send(json.dumps([2, message_id, action, payload]))
    return json.loads(await connection.recv())


def agreed(connection):
    return connection.response.headers.get("Sec-WebSocket-Extensions")


def test_a_station_that_offers_it_speaks_compressed_and_one_that_does_not_speaks_plainly(quiet):
    quiet.station("CP1")

    async def run():
        async with await connected(quiet, "CP1") as connection:
            assert agreed(connection) == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            long = {"vendorId": "jp.example", "data": "x" * 60_000}
            for number in range(3):
                assert (await call(connection, "Heartbeat", {}, f"h{number}"))[:2] == [3, f"h{number}"]
                assert (await call(connection, "DataTransfer", long, f"d{number}"))[2] == {"status": "UnknownVendorId"}
            unknown = await call(connection, "Nonsense", {}, "a" * 500)
            assert unknown[0] == 4 and unknown[1] == "a" * 500, "what we send long is compressed and read"
            await (await connection.ping(b"x"))
        async with await connected(quiet, "CP1", None) as connection:
            assert agreed(connection) is None
            assert (await call(connection, "Heartbeat", {}))[0] == 3
        small = ClientPerMessageDeflateFactory(server_max_window_bits=9)
        async with await connected(quiet, "CP1", None, extensions=[small]) as connection:
            assert agreed(connection) is None, "a window that we do not have is not agreed on"
            assert (await call(connection, "Heartbeat", {}))[0] == 3

    asyncio.run(run())


def raw(server, station_id, extensions):
    """A connection on which a test writes frames itself."""
    connection = sockets.create_connection(("127.0.0.1", server.ocpp), timeout=20)
    lines = [f"GET /ocpp/{station_id} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Protocol: ocpp2.0.1", "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]
    lines += [f"Sec-WebSocket-Extensions: {extensions}"] if extensions else []
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1024)
    assert b" 101 " in answer
    return connection


def frame(first, payload):
    mask = b"\1\2\3\4"
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def deflated(data):
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def close_code(connection):
    """The code of the close frame that comes next, past other frames."""
    def exactly(count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            assert part, "the connection ended without a close frame"
            data += part
        return data

    while True:
        first, length = exactly(2)
        if length == 126:
            length = int.from_bytes(exactly(2), "big")
        payload = exactly(length)
        if first & 15 == 8:
            return int.from_bytes(payload[:2], "big")


@pytest.mark.parametrize("offered, sent, code", [
    (None, frame(0xC1, deflated(b'[2,"1","Heartbeat",{}]')), 1002),
    ("permessage-deflate", frame(0xC1, b"\xff\xff\xff\xff no deflate"), 1011),
    ("permessage-deflate", frame(0xC1, deflated(b"\xff\xfe")), 1007),
    # 20 KiB that become 20 MiB.
    ("permessage-deflate", frame(0xC1, deflated(b"[" + b" " * 20_000_000)), 1009),
    ("permessage-deflate", frame(0xA1, b"x"), 1002),
], ids=["never-agreed", "no-deflate", "no-utf8", "bomb", "reserved-bit"])
def test_what_cannot_be_read_closes_the_connection_cleanly_and_no_other(quiet, offered, sent, code):
    quiet.station("CP2")
    with raw(quiet, "CP2", offered) as connection:
        connection.sendall(sent)
        assert close_code(connection) == code

    async def lives():
        async with await connected(quiet, "CP2") as connection:
            assert (await call(connection, "Heartbeat", {}))[0] == 3

    asyncio.run(lives())


def resident_kib(server):
    status = open(f"/proc/{server.process.pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0])


def test_an_idle_connection_keeps_no_compressor(quiet):
    for number in range(CONNECTIONS):
        quiet.station(f"IDLE{number}")

    async def grown(compression):
        before = resident_kib(quiet)
        connections = []
        for number in range(CONNECTIONS):
            connection = await connected(quiet, f"IDLE{number}", compression, ping_interval=None)
            # It has compressed and decompressed: long enough to be.
            assert (await call(connection, "Nonsense", {"x": "y" * 2_000}, "m" * 1_000))[0] == 4
            connections.append(connection)
        after = resident_kib(quiet)
        await asyncio.gather(*(connection.close() for connection in connections))
        return (after - before) / CONNECTIONS

    plain = asyncio.run(grown(None))
    compressed = asyncio.run(grown("deflate"))
    print(f"an idle connection: {plain:.0f} KiB plain, {compressed:.0f} KiB more with deflate")
    assert compressed < MOST_KIB_MORE, (plain, compressed)
