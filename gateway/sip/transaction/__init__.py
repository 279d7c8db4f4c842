"""The transaction layer: the four machines of RFC 3261 §17 with the corrections of RFC 6026, and their table."""

from gateway.sip.transaction.invite_client import InviteClient
from gateway.sip.transaction.invite_server import InviteServer
from gateway.sip.transaction.machine import TimerValues, TransactionContext
from gateway.sip.transaction.non_invite_client import NonInviteClient
from gateway.sip.transaction.non_invite_server import NonInviteServer
from gateway.sip.transaction.table import TransactionTable

__all__ = [
    "InviteClient",
    "InviteServer",
    "NonInviteClient",
    "NonInviteServer",
    "TimerValues",
    "TransactionContext",
    "TransactionTable",
]
