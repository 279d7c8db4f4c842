from __future__ import annotations

import http.server
import ipaddress
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from gateway.measure import rig
from gateway.measure.processes import ChildProcess, ProcessFailedError


def test_two_sites_do_not_meet() -> None:
    sites = [rig.choose_site(50) for _ in range(20)]
    assert len({site.address for site in sites}) == 20
    assert all(ipaddress.ip_address(site.address).is_loopback for site in sites)
    assert all(site.last_rtp_port - site.first_rtp_port >= 200 for site in sites)
    assert all(site.first_rtp_port % 2 == 0 for site in sites)


def test_a_sip_port_is_free_for_both_transports_even_beside_one_that_is_taken_everywhere() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        address = rig.loopback_address()
        port = rig.free_sip_port(address)
        assert port != taken.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((address, port))
            tcp.bind((address, port))


def test_a_large_load_still_fits_into_the_ports() -> None:
    site = rig.choose_site(4000)
    assert site.first_rtp_port + 2 * 4000 <= site.last_rtp_port <= 65_535


def test_the_settings_are_plain_and_can_be_extended() -> None:
    site = rig.choose_site(5)
    settings = rig.gateway_settings(
        site, provider_url="ws://127.0.0.1:1/x", calls=5, agent={"greeting": "none"}, further={"unknown_callers": "403"}
    )
    assert json.loads(json.dumps(settings)) == settings
    assert settings["sip"]["listen"] == [
        f"udp://{site.address}:{site.sip_port}",
        f"tcp://{site.address}:{site.sip_port}",
    ]
    assert settings["agents"] == {"bench": {"greeting": "none"}}
    assert settings["unknown_callers"] == "403"


def test_readiness_is_asked_until_it_is_there(tmp_path: Path) -> None:
    answers = [503, 200]

    class Readiness(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Readiness) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = rig.Site("127.0.0.1", 5060, server.server_address[1], 20000, 20200)
        with ChildProcess("idle", [sys.executable, "-c", "input()"], tmp_path) as child:
            rig.wait_until_ready(child, site, timeout_s=10)
            assert answers == []
        server.shutdown()


def test_a_gateway_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    site = rig.Site("127.0.0.1", 5060, rig.free_tcp_port(), 20000, 20200)
    with ChildProcess("idle", [sys.executable, "-c", "input()"], tmp_path) as child:
        with pytest.raises(ProcessFailedError, match="not ready"):
            rig.wait_until_ready(child, site, timeout_s=0.1)
        child.stop()
        with pytest.raises(ProcessFailedError, match="ended with"):
            rig.wait_until_ready(child, site)
