"""baresip as a telephone: own directory, steered over its control socket, heard in its recordings."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.measure.g711 import Samples
from gateway.measure.processes import ChildProcess
from gateway.measure.wav import read_wav, write_wav
from tests.support.certificates import Authority
from tests.support.network import free_sip_port, free_tcp_port

MODULES = "/usr/lib/baresip/modules"
USER = "phone"

CONFIG = """\
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
module_tmp uuid.so
module_app ctrl_tcp.so
poll_method epoll
sip_listen {address}:{sip_port}
net_interface {address}
ctrl_tcp_listen 127.0.0.1:{control_port}
audio_source aufile,{voice}
audio_player aubridge,none
audio_alert aubridge,none
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtp_ports {first_port}-{last_port}
rtp_timeout 60
jitter_buffer_delay 1-5
snd_path {recordings}
call_local_timeout 60
call_max_calls 4
"""
TLS_CONFIG = """\
sip_certificate {identity}
sip_cafile {ca}
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the phone is registered, by whom and with what."""

    user: str
    password: str
    registrar: tuple[str, int]
    transport: str = "UDP"

    def line(self, codec: str) -> str:
        """The account as baresip reads it. It answers whoever calls."""
        host, port = self.registrar
        uri = f"<sip:{self.user}@{host}:{port};transport={self.transport.lower()}>"
        login = f"auth_user={self.user};auth_pass={self.password};regint=60"
        return f"{uri};{login};audio_codecs={codec}/8000/1;answermode=auto\n"


def _free_sip_ports(address: str) -> int:
    """A free port whose successor is free for TLS too."""
    while True:
        port = free_sip_port(address)
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.bind((address, port + 1))
            return port


class Baresip:
    """One baresip: ``dial``, ``hang_up``, what its events said, and afterwards what it heard and said."""

    def __init__(
        self,
        directory: Path,
        *,
        address: str,
        codec: str,
        voice: Samples,
        account: Account | None = None,
        authority: Authority | None = None,
    ) -> None:
        self.address = address
        self.port = _free_sip_ports(address)
        self.recordings = directory / "recordings"
        self.recordings.mkdir(parents=True)
        write_wav(directory / "voice.wav", voice)
        control_port = free_tcp_port()
        first_port = random.randrange(33000, 60000, 100)
        (directory / "config").write_text(
            CONFIG.format(
                modules=MODULES,
                address=address,
                sip_port=self.port,
                control_port=control_port,
                voice=directory / "voice.wav",
                first_port=first_port,
                last_port=first_port + 98,
                recordings=self.recordings,
            )
        )
        if authority is not None:
            self._take_tls(directory, authority)
        unregistered = f"<sip:{USER}@{address}>;regint=0;audio_codecs={codec}/8000/1;answermode=auto\n"
        (directory / "accounts").write_text(account.line(codec) if account is not None else unregistered)
        (directory / "contacts").write_text("")
        self.process = ChildProcess("baresip", ["baresip", "-f", directory, "-4"], directory)
        self._control = self._connect(control_port)
        self._unread = b""
        self.events: list[dict[str, Any]] = []

    def at(self, transport: str) -> str:
        """Where it can be called over UDP, TCP or TLS, for which it takes the next port."""
        port = self.port + 1 if transport == "TLS" else self.port
        return f"sip:{self.address}:{port};transport={transport.lower()}"

    def _take_tls(self, directory: Path, authority: Authority) -> None:
        pair = authority.issue(f"IP:{self.address}")
        identity = directory / "identity.pem"
        identity.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
        with (directory / "config").open("a") as config:
            config.write(TLS_CONFIG.format(identity=identity, ca=authority.ca))

    def _connect(self, port: int) -> socket.socket:
        deadline = time.monotonic() + 15
        while True:
            self.process.expect_running()
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=1)
            except OSError:
                assert time.monotonic() < deadline, "baresip does not open its control port"
                time.sleep(0.05)

    def command(self, name: str, parameters: str = "") -> None:
        """Sends a command of its menu (a JSON netstring)."""
        message = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._control.sendall(b"%d:%s," % (len(message), message))

    def dial(self, uri: str) -> None:
        self.command("dial", uri)

    def hang_up(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, uri: str) -> None:
        """Asks the other side to call somebody else (blind transfer)."""
        self.command("transfer", uri)

    def wait_for(self, is_it: Callable[[dict[str, Any]], bool], timeout_s: float = 20.0) -> dict[str, Any]:
        """Waits for an event of its own or a reply to a command."""
        deadline = time.monotonic() + timeout_s
        seen = 0
        while True:
            for event in self.events[seen:]:
                seen += 1
                if is_it(event):
                    return event
            assert time.monotonic() < deadline, f"baresip said only: {self.events}"
            self._read_events()

    def wait_for_event(self, kind: str, timeout_s: float = 20.0) -> dict[str, Any]:
        """Waits for an event by its type, such as CALL_ESTABLISHED or CALL_CLOSED."""
        return self.wait_for(lambda event: event.get("type") == kind, timeout_s)

    def _read_events(self) -> None:
        try:
            received = self._control.recv(65536)
        except TimeoutError:
            self.process.expect_running()
            return
        assert received, f"baresip closed its control socket\n{self.process.output[-2000:]}"
        self._unread += received
        while b":" in self._unread:
            length, _, rest = self._unread.partition(b":")
            if len(rest) < int(length) + 1:
                return
            self.events.append(json.loads(rest[: int(length)]))
            self._unread = rest[int(length) + 1 :]

    def heard(self) -> Samples:
        """What came out of its decoder, recorded. Ask after ``stop``."""
        return self._recording("dec")

    def all_heard(self) -> list[Samples]:
        """The recordings of several calls, in order."""
        return [read_wav(path) for path in sorted(self.recordings.glob("*-dec.wav"))]

    def said(self) -> Samples:
        """What went into its encoder, recorded."""
        return self._recording("enc")

    def _recording(self, suffix: str) -> Samples:
        found = sorted(self.recordings.glob(f"*-{suffix}.wav"))
        assert len(found) == 1, f"recordings: {sorted(path.name for path in self.recordings.iterdir())}"
        return read_wav(found[0])

    def stop(self) -> None:
        self._control.close()
        self.process.stop()
