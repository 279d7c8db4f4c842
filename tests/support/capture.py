"""tcpdump on the loopback interface, filtered to one test's addresses."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.measure.processes import ChildProcess
from tests.support.pcap import Datagram, read_pcap


class Capture:
    """Captures everything to and from some hosts while the ``with`` block runs; ``datagrams()`` afterwards."""

    def __init__(self, directory: Path, *hosts: str) -> None:
        self.path = directory / "capture.pcap"
        hosts_filter = " or ".join(f"host {host}" for host in hosts)
        # Immediate mode: otherwise the last second of packets waits in the kernel's ring and is lost at the end.
        options = ["-i", "lo", "-n", "-U", "--immediate-mode", "-B", "8192", "-Z", "root"]
        command = ["tcpdump", *options, "-w", self.path, f"udp and ({hosts_filter})"]
        self._tcpdump = ChildProcess("tcpdump", command, directory)
        self._wait_until_listening()

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + 10
        while "listening on" not in self._tcpdump.errors:
            self._tcpdump.expect_running()
            assert time.monotonic() < deadline, "tcpdump does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Lets tcpdump write what it has and end."""
        if self._tcpdump.is_running:
            time.sleep(0.3)  # packets still on their way from the kernel's ring to the file
        self._tcpdump.stop()

    def datagrams(self) -> list[Datagram]:
        """What was captured; stops capturing."""
        self.stop()
        return read_pcap(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
