"""INFO in a call, as keypads and video equipment send it (RFC 6086)."""

from __future__ import annotations

import pytest

from gateway.sip.events import InfoReceived
from gateway.sip.message import Response
from tests.support.calls import inbound
from tests.support.sip_peer import statuses


@pytest.mark.parametrize(
    "content_type", ["application/dtmf-relay", "application/dtmf", "application/media_control+xml"]
)
def test_it_is_told_and_answered(content_type: str) -> None:
    talk = inbound()
    body = b"Signal=5\r\nDuration=160\r\n"
    assert statuses(talk.ask("INFO", body=body, content_type=content_type)) == [200]
    (event,) = talk.events()
    assert isinstance(event, InfoReceived)
    assert (event.call, event.content_type, event.body) == (talk.call, content_type, body)


def test_an_empty_one_is_a_sign_of_life() -> None:
    talk = inbound()
    assert statuses(talk.ask("INFO")) == [200]
    assert talk.events() == []


def test_an_info_package_is_none_that_we_take() -> None:
    talk = inbound()
    (response,) = talk.ask("INFO", headers=[("Info-Package", "conference")], body=b"x", content_type="text/plain")
    assert isinstance(response, Response)
    assert (response.status, response.headers.get_all("Recv-Info")) == (469, [""])


def test_a_body_nobody_reads() -> None:
    talk = inbound()
    (response,) = talk.ask("INFO", body=b"x", content_type="text/plain")
    assert isinstance(response, Response)
    assert response.status == 415
    assert "application/dtmf-relay" in (response.headers.get("Accept") or "")
    assert talk.bench.ua.calls == 1
