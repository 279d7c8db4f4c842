"""Kamailio in the foreground, with a configuration of tests/interop/kamailio, on an address of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.measure.processes import ChildProcess
from tests.support.certificates import Authority
from tests.support.network import free_sip_port, free_tcp_port, loopback_address

CONFIGURATIONS = Path(__file__).parents[1] / "interop" / "kamailio"


class Kamailio:
    """One Kamailio: UDP and TCP on ``port``, TLS on ``tls_port`` when an authority signs for it."""

    def __init__(
        self,
        configuration: str,
        directory: Path,
        defines: Mapping[str, str | int],
        *,
        advertised: str = "",
        authority: Authority | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # The path of a Unix socket may have 107 bytes, which a test's own directory exceeds.
        self._run = Path(tempfile.mkdtemp(prefix="kamailio-"))
        self.address = loopback_address()
        self.port = free_sip_port(self.address)
        self.tls_port = free_tcp_port(self.address)
        suffix = f"/{advertised}" if advertised else ""
        listen = [f"{transport}:{self.address}:{self.port}{suffix}" for transport in ("udp", "tcp")]
        words: dict[str, str | int] = {"CONTROL": f"unix:{self._run}/ctl", **defines}
        flags = []
        if authority is not None:
            pair = authority.issue(f"IP:{self.address}")
            listen.append(f"tls:{self.address}:{self.tls_port}")
            flags = ["-A", "WITH_TLS"]
            words |= {"CERTIFICATE": str(pair.certificate), "KEY": str(pair.key), "CA": str(authority.ca)}
        path = CONFIGURATIONS / f"{configuration}.cfg"
        where = [word for address in listen for word in ("-l", address)]
        settings = [word for name, value in words.items() for word in ("-A", f"{name}={_literal(value)}")]
        run = ["-Y", str(self._run), "-P", str(self._run / "pid"), "-w", str(self._run)]
        self.process = ChildProcess(
            "kamailio",
            ["kamailio", "-DD", "-E", "-m", "32", "-n", "2", "-f", path, *run, *where, *flags, *settings],
            directory,
        )
        self._wait_until_listening()

    @property
    def sip(self) -> tuple[str, int]:
        return self.address, self.port

    def at(self, transport: str) -> tuple[str, int]:
        """Where it is reached over UDP, TCP or TLS."""
        return (self.address, self.tls_port) if transport == "TLS" else self.sip

    def uri(self, transport: str = "udp") -> str:
        """Where it is reached over a transport."""
        port = self.tls_port if transport == "tls" else self.port
        return f"sip:{self.address}:{port};transport={transport}"

    def _wait_until_listening(self, timeout_s: float = 15.0) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            self.process.expect_running()
            try:
                socket.create_connection(self.sip, timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, f"Kamailio does not listen\n{self.process.errors[-2000:]}"
                time.sleep(0.05)

    def contacts(self) -> list[str]:
        """The contacts registered with it."""
        return re.findall(r"Address: (\S+)", self._control("ul.dump"))

    def add_contact(self, name: str, uri: str) -> None:
        """Makes a contact known, as if it had registered."""
        # kamcmd would take what looks like a number for one.
        self._control("ul.add", "location", f"s:{name}", f"s:{uri}", "3600", "1.0", "s:.", "0", "0", "0")
        assert uri in self.contacts()

    def _control(self, *words: str) -> str:
        command = ["kamcmd", "-s", f"unix:{self._run}/ctl", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def wait_for_contacts(self, count: int, timeout_s: float = 10.0) -> list[str]:
        """Waits until so many contacts are registered."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.contacts()) != count:
            assert time.monotonic() < deadline, f"registered: {found}\n{self.process.errors[-2000:]}"
            time.sleep(0.05)
        return found

    def stop(self) -> None:
        """Ends it (its main process ends its children)."""
        self.process.stop()
        shutil.rmtree(self._run, ignore_errors=True)


def _literal(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
