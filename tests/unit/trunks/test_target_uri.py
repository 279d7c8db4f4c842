"""What targets and proxies of the settings become on the wire."""

from __future__ import annotations

import pytest

from gateway.sip.resolution import ResolutionError
from gateway.sip.uri import SipUri
from gateway.trunks.target_uri import loose, request_uri, uri_of_route


def test_the_number_at_the_targets_host_without_the_transport() -> None:
    target = SipUri.parse("sip:edge.example:5080;transport=tls;user=phone")
    assert str(request_uri(target, "+1*#7")) == "sip:+1*%237@edge.example:5080;user=phone"
    assert str(request_uri(SipUri.parse("sips:edge.example"), "a b")) == "sips:a%20b@edge.example"


def test_a_proxy_of_the_settings_is_a_loose_router() -> None:
    assert str(loose(SipUri.parse("sip:p.example;transport=tcp"))) == "sip:p.example;transport=tcp;lr"
    assert str(loose(SipUri.parse("sip:p.example;lr"))) == "sip:p.example;lr"


def test_the_uri_of_a_route() -> None:
    assert uri_of_route("<sip:p.example;lr>").host == "p.example"
    assert uri_of_route("<sip:p.example;lr>;x=1").host == "p.example"
    with pytest.raises(ResolutionError):
        uri_of_route("<tel:+1>")
