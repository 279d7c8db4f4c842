"""What a call is made of, seen from below: who owns whom, so that a call that is over is gone at once."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


class CallPart:
    """Lives and dies with its call: the call owns it, and it knows the call without keeping it.

    Were both to keep each other, every ended call would wait for the garbage collector, which comes rarely. What must
    outlive the call, such as the owner of a request under way, keeps the call instead and is kept by no part of it.
    """

    def __init__(self, call: Call) -> None:
        self._owner = weakref.ref(call)

    @property
    def _call(self) -> Call:
        call = self._owner()
        assert call is not None, "a part is asked by way of its call"
        return call
