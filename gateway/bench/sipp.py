"""SIPp as the load's telephone exchange: its command line, the ports it is told, and what its message trace shows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.base.errors import GatewayError

SCENARIO = Path(__file__).with_name("call.xml")
TRACE_NAME = "messages.tsv"
EXIT_REASONS = {
    0: "every call went as written",
    1: "at least one call failed",
    97: "timed out: calls were still open",
    99: "ended without processing a call",
    255: "fatal error",
}


class SippMissingError(GatewayError):
    """SIPp is not installed."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """One call as SIPp saw it, in seconds of CLOCK_REALTIME."""

    call: int
    """From 0, in the order of the ports given."""
    invited_at: float
    answered_at: float | None
    ended_at: float | None
    """When SIPp said BYE, or got one."""


def require_sipp() -> str:
    """The path of SIPp."""
    program = shutil.which("sipp")
    if program is None:
        raise SippMissingError(
            "SIPp is needed for the load: install it (Debian and Ubuntu: apt-get install sip-tester)"
        )
    return program


def sipp_command(  # one argument for each thing a load needs to say
    program: str,
    *,
    target: tuple[str, int],
    local_address: str,
    calls: int,
    calls_per_second: int,
    hold_s: float,
    ports_file: Path,
    scenario: Path = SCENARIO,
) -> list[str]:
    """A run of ``calls`` calls that ends by itself. Trace and errors go into its working directory."""
    limit_s = int(calls / calls_per_second + hold_s + 40)
    options: dict[str, object] = {
        "-sf": scenario,
        "-inf": ports_file,
        "-i": local_address,
        "-mi": local_address,
        "-m": calls,
        "-l": calls,
        "-r": calls_per_second,
        "-d": int(hold_s * 1000),
        "-timeout": f"{limit_s}s",
        "-cid_str": "%u-%p@%s",
        "-shortmessage_file": TRACE_NAME,
        "-error_file": "errors.txt",
    }
    words = [str(word) for pair in options.items() for word in pair]
    flags = ["-bind_local", "-nostdin", "-timeout_error", "-trace_shortmsg", "-trace_err"]
    return [program, f"{target[0]}:{target[1]}", *words, *flags]


def write_ports(path: Path, address: str, ports: Sequence[int]) -> None:
    """The CSV of the calls, one line each: port and address for the SDP."""
    path.write_text("SEQUENTIAL\n" + "".join(f"{port};{address};\n" for port in ports))


def read_set_ups(trace: str) -> list[SetUp]:
    """The calls in SIPp's short message trace (tab-separated: date, time, epoch, S or R, Call-ID, CSeq, first line)."""
    calls: dict[int, SetUp] = {}
    for line in trace.splitlines():
        fields = line.split("\t")
        if len(fields) < 7 or not fields[4].partition("-")[0].isdigit():
            continue
        call = int(fields[4].partition("-")[0]) - 1
        calls[call] = _after(calls.get(call), call, float(fields[2]), fields[5], fields[6])
    return [calls[call] for call in sorted(calls)]


def _after(so_far: SetUp | None, call: int, at: float, cseq: str, first_line: str) -> SetUp:
    if so_far is None:
        return SetUp(call, at, None, None)
    if so_far.answered_at is None and cseq.endswith(" INVITE") and first_line.startswith("SIP/2.0 200"):
        return SetUp(call, so_far.invited_at, at, None)
    if so_far.ended_at is None and first_line.startswith("BYE "):
        return SetUp(call, so_far.invited_at, so_far.answered_at, at)
    return so_far
