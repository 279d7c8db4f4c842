"""What the whole user agent answers to each torture message of RFC 4475: ours, and the originals where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.sip.message import Response
from tests.support.sip_peer import UserAgentBench
from tests.support.torture import MESSAGES, originals

ANSWERS: dict[str, int | None] = {
    # Valid messages (RFC 4475 §3.1.1)
    "wsinv": 481,  # it has a To tag, of no dialog of ours
    "intmeth": 501,
    "esc01": 100,
    "escnull": 405,
    "esc02": 501,
    "lwsdisp": 200,
    "longreq": 100,
    "dblreq": 405,
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": None,
    "noreason": None,
    # Invalid messages (§3.1.2)
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": None,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 100,  # repaired
    "trws": 200,  # repaired
    "escruri": 400,
    "baddate": 100,  # nobody needs the Date
    "regbadct": 400,
    "badaspec": 200,
    "baddn": 200,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 501,
    "bigcode": None,
    # Transaction layer (§3.2)
    "badbranch": 200,
    # Application layer (§3.3)
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "bext01": 420,
    "invut": 415,
    "regaut01": 405,
    "multi01": 400,
    "mcl01": 400,
    "bcast": None,
    "zeromf": 200,
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "sdp01": 406,
    "inv2543": 100,  # served as a call
}
"""The first answer; None where nothing may be sent."""


def assert_answer(path: Path, expected: int | None) -> None:
    bench = UserAgentBench()
    sent = bench.feed(path.read_bytes())
    if expected is None:
        assert sent == []
    else:
        (answer,) = sent
        assert isinstance(answer, Response)
        assert answer.status == expected
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)


@pytest.mark.parametrize("name", ANSWERS)
def test_each_torture_message_gets_its_answer_and_leaves_nothing(name: str) -> None:
    assert_answer(MESSAGES / f"{name}.sip", ANSWERS[name])


def test_every_message_has_its_answer() -> None:
    assert {path.stem for path in MESSAGES.glob("*.sip")} == set(ANSWERS)


def test_the_originals_get_the_same_answers() -> None:
    folder = originals()
    faults = {}
    for name, expected in ANSWERS.items():
        try:
            assert_answer(folder / f"{name}.sip", expected)
        except (AssertionError, ValueError) as fault:  # ValueError: not exactly one answer
            faults[name] = str(fault)
    assert not faults
