from __future__ import annotations

from gateway.sip.invite.cancel import make_cancel
from tests.support.sip_peer import invite


def test_a_cancel_names_its_invite_exactly() -> None:
    sent = invite(headers=[("Route", "<sip:a;lr>"), ("Route", "<sip:b;lr>")])
    cancel = make_cancel(sent, (("Reason", "SIP;cause=200"),))
    for name in ("Via", "From", "To", "Call-ID"):
        assert cancel.headers.get_all(name) == sent.headers.get_all(name)
    assert cancel.uri == sent.uri
    assert cancel.headers.get_all("Route") == ["<sip:a;lr>", "<sip:b;lr>"]
    assert cancel.cseq == (sent.cseq.number, "CANCEL")
    assert cancel.headers.get("Require") is None
