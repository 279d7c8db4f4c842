"""What a peer has said of itself."""

from __future__ import annotations

from gateway.sip.invite.peer import Peer
from tests.support.sip_peer import invite


def test_the_last_word_counts_and_silence_says_nothing() -> None:
    peer = Peer()
    assert not peer.allows("UPDATE")
    peer.note(invite(headers=[("Allow", "INVITE, Update"), ("Supported", "Timer")]))
    peer.note(invite())
    assert peer.allows("UPDATE")
    assert peer.supports("timer")
    peer.note(invite(headers=[("Allow", "INVITE"), ("Supported", "")]))
    assert not peer.allows("UPDATE")
    assert not peer.supports("timer")


def test_what_was_refused_is_not_asked_again_whatever_allow_says() -> None:
    peer = Peer()
    peer.refused("UPDATE")
    peer.note(invite(headers=[("Allow", "INVITE, UPDATE")]))
    assert not peer.allows("UPDATE")
    assert peer.allows("INVITE")
