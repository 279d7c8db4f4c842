"""A telephone made of pyVoIP, for a process and an environment of its own (tests/pyvoip_env.sh; not the gateway's).

It registers, then obeys its standard input: ``call NUMBER``, ``hangup``, ``quit``. It answers whoever calls. In every
call it speaks what is in ``voice.u8`` and writes what it hears to ``heard.u8``: unsigned 8-bit samples at 8 kHz, as
pyVoIP has them. What happens is told in lines of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from pyVoIP.VoIP import CallState, VoIPCall, VoIPPhone
from pyVoIP.VoIP.status import PhoneStatus

SAMPLES = 160
"""20 ms."""


def say(**event: object) -> None:
    print(json.dumps(event), flush=True)


class Telephone:
    """One phone with one call at a time."""

    def __init__(self, server: tuple[str, int], user: str, password: str, address: str, ports: tuple[int, int]) -> None:
        sip_port, rtp_port = ports
        self.phone = VoIPPhone(
            *server,
            user,
            password,
            myIP=address,
            callCallback=self.is_called,
            sipPort=sip_port,
            rtpPortLow=rtp_port,
            rtpPortHigh=rtp_port + 20,
        )
        self.active: VoIPCall | None = None

    def register(self) -> None:
        self.phone.start()
        deadline = time.monotonic() + 10
        while self.phone.get_status() is not PhoneStatus.REGISTERED and time.monotonic() < deadline:
            time.sleep(0.02)
        say(event="registered", status=self.phone.get_status().value)

    def call(self, number: str) -> None:
        placed = self.phone.call(number)
        threading.Thread(target=self.follow, args=(placed,), daemon=True).start()

    def is_called(self, incoming: VoIPCall) -> None:
        say(event="called", by=incoming.request.headers["From"]["number"])
        incoming.answer()
        self.follow(incoming)

    def follow(self, followed: VoIPCall) -> None:
        """Speaks and listens until the call is over."""
        self.active = followed
        while followed.state in (CallState.DIALING, CallState.RINGING):
            time.sleep(0.01)
        say(event="answered" if followed.state is CallState.ANSWERED else "refused")
        voice = Path("voice.u8")
        if voice.exists():
            followed.write_audio(voice.read_bytes())
        with Path("heard.u8").open("ab") as heard:
            while followed.state is CallState.ANSWERED:
                heard.write(followed.read_audio(SAMPLES, blocking=False))
                heard.flush()
                time.sleep(SAMPLES / 8000)
        say(event="ended")


def main() -> None:
    server, port, user, password, address, sip_port, rtp_port = sys.argv[1:]
    telephone = Telephone((server, int(port)), user, password, address, (int(sip_port), int(rtp_port)))
    telephone.register()
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "call":
            telephone.call(argument)
        elif command == "hangup" and telephone.active is not None:
            telephone.active.hangup()
        elif command == "quit":
            break
    telephone.phone.stop()
    say(event="stopped")


if __name__ == "__main__":
    main()
