"""Every table of a node is a metric."""

from __future__ import annotations

from tests.support.stage import Stage


async def test_tables_are_read_when_somebody_asks() -> None:
    async with Stage() as stage:
        assert "gateway_sip_dialogs_live 0.0" in stage.gateway.metrics.render().decode()
        await stage.dial()
        text = stage.gateway.metrics.render().decode()
        for name in ("sip_dialogs_live", "media_ports_open", "provider_sessions_open", "pacer_streams"):
            assert f"gateway_{name} 1.0" in text
        for name in ("sip_bans_live", "account_contacts", "accounts_registered"):
            assert f"gateway_{name} 0.0" in text
