"""How faults look."""

from __future__ import annotations

import pytest

from gateway.settings.faults import Fault, Path, print_faults, write_path


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ((), ""),
        (("sip",), "sip"),
        (("trunks", "carrier", "accept_from", 0), "trunks.carrier.accept_from[0]"),
        (("routes", 2, "to"), "routes[2].to"),
        (("trunks", "*", "max_calls"), "trunks.*.max_calls"),
        (("agents", "a b", "x"), 'agents."a b".x'),
        (("a.b",), '"a.b"'),
    ],
)
def test_write_path(path: Path, written: str) -> None:
    assert write_path(path) == written


def test_faults_come_in_the_files_order_each_once() -> None:
    faults = [
        Fault(("b",), 9, "is wrong; right it"),
        Fault(("a",), 9, "is wrong; right it"),
        Fault((), 2, "this is not YAML; write some"),
        Fault(("b",), 9, "is wrong; right it"),
    ]
    assert print_faults("gw.yaml", faults) == [
        "gw.yaml:2: this is not YAML; write some",
        "gw.yaml:9: a: is wrong; right it",
        "gw.yaml:9: b: is wrong; right it",
    ]
