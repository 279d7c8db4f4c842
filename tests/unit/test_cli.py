"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gateway import __version__
from tests.support.certificates import Authority
from tests.support.network import free_tcp_port

GATEWAY = [sys.executable, "-m", "gateway"]
ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GATEWAY, *words], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=os.environ | environ
    )


def test_version() -> None:
    done = run("version")
    assert done.returncode == 0
    assert __version__ in done.stdout


def test_check_passes_the_shipped_file_and_says_who_answers() -> None:
    done = run("check", "--config", "config/local.yaml", INWORLD_API_KEY="")
    assert done.returncode == 0
    assert "the embedded emulator" in done.stdout


def test_check_warns_of_a_certificate_that_has_expired(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example", end="20210101000000Z", file="gw")
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "inworld: {api_key: ''}\ntrunks: {lan: {accept_from: [10.0.0.0/8]}}\n"
        "routes: [{agent: desk}]\nagents: {desk: {}}\n"
        f"sip: {{listen: ['tls://0.0.0.0:5061'], tls: {{certificate: gw.pem, key: {pair.key.name}}}}}\n"
    )
    done = run("check", "--config", str(path))
    assert done.returncode == 0
    assert "gw.pem: certificate has expired; renew it" in done.stderr


EXAMPLE = {"INWORLD_API_KEY": "example", "PHONE_1001": "example"}


def test_check_tells_which_route_answers_a_call_and_why() -> None:
    call = "INVITE sip:+15550177@gw from=+15550199 header=X-Campaign:spring"
    done = run("check", "--config", "config/gateway.yaml", "--route", call, "--source", "198.51.100.7", **EXAMPLE)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "door: 198.51.100.7: of trunk carrier by trunks.carrier.accept_from; let in"
    assert lines[2:4] == ['  routes[0]: to is "+15550177", not "+15550100"', "  routes[1]: fits"]
    at = (
        (ROOT / "config" / "gateway.yaml")
        .read_text()
        .split("\n")
        .index('  - {headers: {X-Campaign: "spring*"}, agent: receptionist}')
    )
    assert lines[4] == f"answered by agent receptionist (routes[1], line {at + 1})"


def test_check_of_a_call_that_nobody_answers_exits_with_1() -> None:
    done = run("check", "--config", "config/gateway.yaml", "--route", "+44123 trunk=carrier", **EXAMPLE)
    assert done.returncode == 1
    assert "refused with 404 Not Found: no route fits (rule no_route)" in done.stdout


def test_check_of_what_is_no_call_exits_with_2_and_says_what_to_write() -> None:
    done = run("check", "--config", "config/gateway.yaml", "--route", "+1 trunk=carier", **EXAMPLE)
    assert (done.returncode, done.stderr.strip()) == (2, "trunk=carier is not one of the trunks; did you mean carrier?")
    assert run("check", "--config", "config/gateway.yaml", "--source", "::1", **EXAMPLE).returncode == 2


def test_check_hints_at_what_may_surprise(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "inworld: {api_key: ''}\ntrunks: {out: {targets: ['sip:b.example']}}\n"
        "routes: [{agent: desk}]\nagents: {desk: {}}\n"
    )
    done = run("check", "--config", str(path))
    assert done.returncode == 0
    assert "hint: trunks.out.allow_destinations: is empty" in done.stderr


def test_check_reports_every_fault_with_its_line_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("inworld: {api_key: ''}\nnode: {max_cals: 3}\nroutes:\n  - {agent: nobody}\n")
    done = run("check", "--config", str(path))
    assert done.returncode == 2
    assert f"{path}:2: node.max_cals" in done.stderr
    assert "max_calls" in done.stderr
    assert "nobody" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_reports_an_agents_wrong_session_with_its_line_beside_other_faults(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "inworld: {api_key: ''}\ntrunks: {lan: {accept_from: [10.0.0.0/8]}}\nroutes: [{agent: desk}, {agent: nobody}]\n"
        "agents:\n  desk:\n    session:\n      audio:\n        input:\n          turn_detection: null\n"
    )
    done = run("check", "--config", str(path))
    assert done.returncode == 2
    assert f"{path}:9: agents.desk.session.audio.input.turn_detection" in done.stderr
    assert f"{path}:3: routes[1].agent" in done.stderr


def test_a_missing_settings_file_is_one_clear_line() -> None:
    done = run("serve", "--config", "/nowhere.yaml")
    assert done.returncode == 2
    assert "/nowhere.yaml: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_log_level_is_refused_with_the_known_ones() -> None:
    done = run("serve", "--config", "config/local.yaml", "--log-level", "loud")
    assert done.returncode == 2
    assert "debug, info, warning or error" in done.stderr


@pytest.mark.parametrize("command", ["serve", "check", "demo", "emulate", "bench", "version"])
def test_every_command_of_the_contract_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_serve_tells_what_answers_becomes_ready_and_stops_on_sigterm(tmp_path: Path) -> None:
    sip, http = free_tcp_port(), free_tcp_port()
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config" / "local.yaml").read_text()
    path.write_text(text.replace(":5060", f":{sip}").replace(":8080", f":{http}"))
    environ = os.environ | {"INWORLD_API_KEY": ""}
    with subprocess.Popen(
        [*GATEWAY, "serve", "--config", str(path)], stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stderr is not None
        lines: list[str] = []
        try:
            while not any("gateway ready" in line for line in lines):
                lines.append(process.stderr.readline())
                assert lines[-1], f"it ended early: {lines}"
            assert any("the embedded emulator" in line for line in lines)
            assert urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=5).status == 200
        finally:
            process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(timeout=15) == 0
        assert "gateway stopped" in rest
        assert "Traceback" not in rest
