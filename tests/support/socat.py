"""TLS for a peer that speaks none: socat takes its TCP connections and carries them on over TLS."""

from __future__ import annotations

import time
from pathlib import Path

from gateway.measure.processes import ChildProcess
from tests.support.network import free_tcp_port


class TlsRelay:
    """Listens on ``sip`` (TCP) and connects every connection to ``target`` over TLS, whose certificate it checks."""

    def __init__(self, directory: Path, target: tuple[str, int], ca: Path, *, address: str) -> None:
        self.sip = (address, free_tcp_port(address))
        listen = f"TCP-LISTEN:{self.sip[1]},bind={address},reuseaddr,fork"
        onward = f"OPENSSL:{target[0]}:{target[1]},bind={address},cafile={ca},verify=1"
        directory.mkdir(parents=True, exist_ok=True)
        self.process = ChildProcess("socat", ["socat", listen, onward], directory)
        self._wait_until_listening()

    def _wait_until_listening(self) -> None:
        # A connection would be carried on to the target; the table of sockets tells without one.
        deadline = time.monotonic() + 10
        host = "".join(f"{int(part):02X}" for part in reversed(self.sip[0].split(".")))
        listening = f"{host}:{self.sip[1]:04X} 00000000:0000 0A"
        while listening not in Path("/proc/net/tcp").read_text():
            self.process.expect_running()
            assert time.monotonic() < deadline, "socat does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.stop()
