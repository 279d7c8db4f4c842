"""The sizes of a node's tables, as metrics that are read when somebody asks."""

from __future__ import annotations

from gateway.call.assembly import CallAssembly
from gateway.call.door.door import Door
from gateway.media.engine import MediaEngine
from gateway.observability.metrics import Metrics
from gateway.sip.registrar import Registrar
from gateway.sip.transport.endpoint import Endpoint


def watch_tables(
    metrics: Metrics, *, sip: Endpoint, media: MediaEngine, assembly: CallAssembly, door: Door, registrar: Registrar
) -> None:
    """They return to zero when the last call is over; what is registered or banned stays."""
    agent = sip.user_agent
    watched = {
        "gateway_sip_transactions_live": ("SIP transactions", lambda: agent.transactions),
        "gateway_sip_bans_live": ("Bans in force", lambda: door.banned),
        "gateway_account_contacts": ("Phones registered here", lambda: len(registrar)),
        "gateway_accounts_registered": (
            "Accounts with a registered phone",
            lambda: registrar.accounts_registered,
        ),
        "gateway_sip_dialogs_live": ("SIP dialogs", lambda: agent.dialogs),
        "gateway_media_ports_open": ("RTP port pairs in use", lambda: media.open_ports),
        "gateway_provider_sessions_open": ("Provider sessions", lambda: assembly.sessions_open),
        "gateway_pacer_streams": ("Calls that RTP is paced for", lambda: len(media.pacer)),
        "gateway_pacer_ticks_skipped": ("Ticks skipped by stalls so far", lambda: media.pacer.skipped_ticks),
        "gateway_pacer_lateness_max_seconds": (
            "Latest that a tick has begun so far",
            lambda: media.pacer.lateness().max_ms / 1000,
        ),
    }
    for name, (help_text, read) in watched.items():
        metrics.watch(name, help_text, read)
    metrics.watch_counters("gateway_sip_user_agent", "The user agent's counters", agent.stats)
    metrics.watch_counters("gateway_sip_transport", "The SIP sockets' counters", sip.stats)
