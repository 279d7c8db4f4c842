"""Whom we are to a trunk that asks: the name and password of its settings."""

from __future__ import annotations

from gateway.settings.schema import TrunkSettings
from gateway.sip.digest import Credentials


def trunk_credentials(settings: TrunkSettings | None) -> Credentials | None:
    """For challenges (401, 407) to requests of ours. None without a trunk, a name or a password."""
    if settings is None or settings.username is None or settings.password is None:
        return None
    return Credentials(settings.username, settings.password, settings.realm)
