from __future__ import annotations

import pytest

from gateway.sip.reason import reason_phrase


def test_registered_phrases() -> None:
    assert reason_phrase(200) == "OK"
    assert reason_phrase(486) == "Busy Here"
    assert reason_phrase(481) == "Call/Transaction Does Not Exist"


@pytest.mark.parametrize(
    ("status", "phrase"), [(150, "Trying"), (299, "OK"), (499, "Bad Request"), (699, "Busy Everywhere")]
)
def test_an_unregistered_code_is_treated_as_the_first_of_its_class(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase


def test_every_phrase_can_be_written_on_a_status_line() -> None:
    for status in range(100, 700):
        phrase = reason_phrase(status)
        assert phrase
        assert phrase.isprintable()
