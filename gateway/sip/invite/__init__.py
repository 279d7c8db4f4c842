"""Calls as SIP sees them: the INVITE from both ends, and the dialog that follows."""

from gateway.sip.invite.call import Call, CallState
from gateway.sip.invite.context import CallContext

__all__ = ["Call", "CallContext", "CallState"]
