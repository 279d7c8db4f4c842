"""The bridge one would write first: asyncio's datagram protocol, a task and a sleep per call, websockets, json, base64.

It does half of the gateway's work (no SIP, no validation, no reordering, no ledger) the straightforward way, with the
same chunk size and the same provider, and stands beside the gateway in the bench. Run as
``python -m gateway.bench.naive``; prints one JSON line with its ports and ends when its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import struct
import sys
import uuid
from collections import deque
from typing import cast

from websockets.asyncio.client import ClientConnection, connect

FRAME_BYTES = 160
FRAME_S = 0.02
FRAMES_PER_CHUNK = 3


class NaiveCall(asyncio.DatagramProtocol):
    """One port, one provider session, one pacing task."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}?key={uuid.uuid4()}&protocol=realtime"
        self._transport: asyncio.DatagramTransport | None = None
        self._remote: tuple[str, int] | None = None
        self._uplink: asyncio.Queue[bytes] = asyncio.Queue()
        self._playout: deque[bytes] = deque()
        self._has_begun = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._remote = addr
        self._has_begun.set()
        self._uplink.put_nowait(data[12:])

    async def run(self) -> None:
        """The call's whole life, from its first packet on."""
        await self._has_begun.wait()
        headers = {"Authorization": "Basic bmFpdmU6bmFpdmU="}
        async with connect(self._url, additional_headers=headers, compression=None) as socket:
            await self._configure(socket)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(socket))
                group.create_task(self._speak(socket))
                group.create_task(self._pace())

    async def _configure(self, socket: ClientConnection) -> None:
        audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}
        await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}}))
        while json.loads(await socket.recv())["type"] != "session.updated":
            pass
        await socket.send(json.dumps({"type": "response.create"}))

    async def _listen(self, socket: ClientConnection) -> None:
        rest = b""
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "response.output_audio.delta":
                audio = rest + base64.b64decode(event["delta"])
                whole = len(audio) - len(audio) % FRAME_BYTES
                self._playout.extend(audio[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
                rest = audio[whole:]
            elif event["type"] == "input_audio_buffer.speech_started":
                self._playout.clear()

    async def _speak(self, socket: ClientConnection) -> None:
        while True:
            chunk = b"".join([await self._uplink.get() for _ in range(FRAMES_PER_CHUNK)])
            audio = base64.b64encode(chunk).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        sequence, deadline = 0, loop.time()
        while True:
            deadline += FRAME_S
            await asyncio.sleep(max(0.0, deadline - loop.time()))
            payload = self._playout.popleft() if self._playout else b"\xff" * FRAME_BYTES
            header = struct.pack(">BBHII", 0x80, 0, sequence & 0xFFFF, (sequence * FRAME_BYTES) & 0xFFFFFFFF, 1)
            sequence += 1
            if self._remote and self._transport:
                self._transport.sendto(header + payload, self._remote)


async def serve(calls: int, address: str, provider_url: str) -> None:
    """Opens the calls, prints their ports, and runs them until standard input ends."""
    loop = asyncio.get_running_loop()
    ports: list[int] = []
    running: list[NaiveCall] = []
    for _ in range(calls):
        transport, call = await loop.create_datagram_endpoint(lambda: NaiveCall(provider_url), local_addr=(address, 0))
        ports.append(transport.get_extra_info("sockname")[1])
        running.append(call)
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call.run()) for call in running]
        sys.stdout.write(json.dumps({"ports": ports}) + "\n")
        sys.stdout.flush()
        await over.wait()
        for task in tasks:
            task.cancel()


def main(words: list[str] | None = None) -> int:
    """The command line of the process."""
    parser = argparse.ArgumentParser(prog="python -m gateway.bench.naive")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--provider", required=True, help="the provider's URL without its query")
    arguments = parser.parse_args(words)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.calls, arguments.address, arguments.provider))
    return 0


if __name__ == "__main__":
    sys.exit(main())
