from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve

from gateway.measure.processes import ChildProcess

GREETING = bytes(range(160)) * 2 + b"\x55" * 80
CALLER = b"\x21" * 160


async def test_it_bridges_rtp_and_events_in_both_directions(tmp_path: Path) -> None:
    appended: asyncio.Queue[bytes] = asyncio.Queue()

    async def provide(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "session.created"}))
        async for message in connection:
            event = json.loads(message)
            if event["type"] == "session.update":
                await connection.send(json.dumps({"type": "session.updated"}))
            elif event["type"] == "response.create":
                delta = base64.b64encode(GREETING).decode()
                await connection.send(json.dumps({"type": "response.output_audio.delta", "delta": delta}))
            else:
                appended.put_nowait(base64.b64decode(event["audio"]))

    async with serve(provide, "127.0.0.1", 0) as provider:
        url = f"ws://127.0.0.1:{provider.sockets[0].getsockname()[1]}/session"
        command = [sys.executable, "-m", "gateway.bench.naive", "--calls", "1", "--provider", url]
        naive = ChildProcess("naive", command, tmp_path)
        try:
            line = await asyncio.to_thread(naive.first_line)
            (port,) = json.loads(line)["ports"]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
                caller.settimeout(5)
                for _ in range(3):
                    caller.sendto(struct.pack(">BBHII", 0x80, 0, 0, 0, 1) + CALLER, ("127.0.0.1", port))
                async with asyncio.timeout(10):
                    assert await appended.get() == CALLER * 3
                heard = [await asyncio.to_thread(caller.recv, 2048) for _ in range(20)]
        finally:
            naive.end_input()
            status = await asyncio.to_thread(naive.wait, 5)
    assert status == 0
    assert len({struct.unpack_from(">I", packet, 4)[0] for packet in heard}) == 20
    assert all(len(packet) == 172 for packet in heard)
