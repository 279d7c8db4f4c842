"""What a reload may change and what is bound to sockets and names that are given out once."""

from __future__ import annotations

from gateway.settings.schema import Settings

NEEDS_RESTART = ("node.name", "sip.listen", "sip.websocket", "media.ports", "control.listen", "control.metrics")


def keep_what_is_bound(wanted: Settings, running: Settings) -> tuple[Settings, list[str]]:
    """The wanted settings with what only a restart changes left as it runs, and the keys of that."""
    fixed = [key for key in NEEDS_RESTART if _read(wanted, key) != _read(running, key)]
    for key in fixed:
        section, _, field = key.partition(".")
        kept = getattr(wanted, section).model_copy(update={field: _read(running, key)})
        wanted = wanted.model_copy(update={section: kept})
    if wanted.inworld.uses_embedded_emulator != running.inworld.uses_embedded_emulator:
        wanted = wanted.model_copy(update={"inworld": running.inworld})
        fixed.append("inworld.api_key")
    return wanted, fixed


def _read(settings: Settings, key: str) -> object:
    section, _, field = key.partition(".")
    return getattr(getattr(settings, section), field)
