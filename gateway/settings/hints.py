"""What is no fault in the settings and may still surprise: told by ``gateway check``."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.settings.match import matches_pattern
from gateway.settings.schema import Settings


def hints(settings: Settings) -> list[str]:
    """Each with the key it is about, as faults are written."""
    return [*_about_trunks(settings), *_about_accounts(settings), *_about_control(settings)]


def _about_control(settings: Settings) -> Iterator[str]:
    listen = settings.control.listen
    if any(key.token for key in settings.control.keys) and not ipaddress.ip_address(listen.host).is_loopback:
        why = "is open to more than this machine, and HTTP shows tokens to whoever is on the way"
        yield f"control.listen: {listen} {why}; listen on 127.0.0.1 and put a proxy with TLS before it"


def _about_trunks(settings: Settings) -> Iterator[str]:
    for name, trunk in settings.trunks.items():
        if trunk.targets and not trunk.allow_destinations:
            yield f"trunks.{name}.allow_destinations: is empty, so that no call can be placed over this trunk"
        if trunk.allow_destinations and not trunk.targets:
            yield f"trunks.{name}.targets: is empty, so that no call can be placed over this trunk"
        if "*" in trunk.allow_destinations:
            yield f'trunks.{name}.allow_destinations: "*" lets every number be called, the most expensive ones too'
        if not trunk.tls.verify:
            yield f"trunks.{name}.tls.verify: is false, so that anybody on the way can pretend to be this trunk"


def _about_accounts(settings: Settings) -> Iterator[str]:
    answered = [route for route in settings.routes if matches_pattern(route.trunk, "")]
    for name in settings.accounts:
        if not any(route.account is None or matches_pattern(route.account, name) for route in answered):
            yield f"accounts.{name}: no route answers its calls; add one such as {{account: {name!r}, agent: …}}"
