"""What a trunk's settings make of its registration: who we are there, and how to get there."""

from __future__ import annotations

import functools
from uuid import NAMESPACE_URL, uuid5

from gateway.settings.schema import TrunkSettings
from gateway.sip.grammar import escape_user
from gateway.sip.registration import RegistrationConfig
from gateway.sip.uri import SipUri
from gateway.trunks.caller_id import DEFAULT_USER
from gateway.trunks.credentials import trunk_credentials
from gateway.trunks.target_uri import loose


def registration_config(name: str, settings: TrunkSettings, node: str) -> RegistrationConfig:
    """What a trunk's settings ask for: registered at the first target, as its username at its domain.

    The Request-URI names host and port of the target and not its transport, which says only how to get there.
    """
    target = settings.targets[0]
    proxy = settings.outbound_proxy
    user = escape_user(settings.username or settings.from_user or DEFAULT_USER)
    return RegistrationConfig(
        aor=str(SipUri(target.scheme, user, None, settings.from_domain or target.host)),
        registrar=str(SipUri(target.scheme, None, None, target.host, target.port)),
        credentials=trunk_credentials(settings),
        expires_s=settings.register_expires_s,
        route=() if proxy is None else (f"<{loose(proxy)}>",),
        next_hop=str(target if proxy is None else proxy),
        instance=instance_of(node, name),
    )


@functools.cache
def instance_of(node: str, trunk: str) -> str:
    """The same for this node and trunk whenever it starts, as RFC 5626 §4.1 asks."""
    return f"<{uuid5(NAMESPACE_URL, f'sip-gateway:{node}/{trunk}').urn}>"
