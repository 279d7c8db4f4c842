"""Status lines in message/sipfrag (RFC 3420), as equipment writes them."""

from __future__ import annotations

import pytest

from gateway.sip.sipfrag import make_sipfrag, parse_sipfrag


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"SIP/2.0 100 Trying\r\n", (100, "Trying")),
        (b"SIP/2.0 200 OK", (200, "OK")),
        (b"\r\n sip/2.0 486  Busy Here\r\nTo: <sip:a@b>\r\n", (486, "Busy Here")),
        (b"SIP/2.0 503", (503, "Service Unavailable")),
        (b"SIP/2.0 603 \xff\x00\x07Nein\r\n", (603, "\ufffdNein")),
        (b"", None),
        (b"INVITE sip:a@b SIP/2.0\r\n", None),
        (b"SIP/2.0 2000 OK", None),
        (b"SIP/2.0 700 X", None),
        (b"SIP/2.0 OK", None),
    ],
)
def test_the_first_line_counts(body: bytes, expected: tuple[int, str] | None) -> None:
    assert parse_sipfrag(body) == expected


def test_what_we_write_we_read() -> None:
    assert parse_sipfrag(make_sipfrag(180, "Ringing")) == (180, "Ringing")


def test_an_endless_body_is_not_read_to_its_end() -> None:
    assert parse_sipfrag(b" " * 1_000_000 + b"SIP/2.0 200 OK") is None
