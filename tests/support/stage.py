"""An emulator, a whole gateway and a telephone in this process, on real sockets of loopback."""

from __future__ import annotations

from typing import Any

from gateway.call.journal import CallEvent
from gateway.daemon.gateway import Gateway
from gateway.demo.run import demo_settings
from gateway.emulator.scenario import Scenario
from gateway.emulator.server import Emulator
from gateway.settings.schema import Settings
from tests.support.called_phone import CalledPhone

GREETING = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 5000}}})


def settings_with(url: str, **changes: Any) -> Settings:
    """The demo's settings, with whole sections replaced."""
    return Settings.model_validate(demo_settings(url).model_dump(by_alias=True, mode="json") | changes)


def leftovers(gateway: Gateway) -> dict[str, int]:
    """What must be zero when no call is live."""
    return {
        "calls": gateway.directory.live,
        "ports": gateway.media.open_ports,
        "sessions": gateway.assembly.sessions_open,
    }


NOTHING = {"calls": 0, "ports": 0, "sessions": 0}


class Stage:
    """See the module. ``changes`` replace sections of the demo's settings."""

    def __init__(self, scenario: Scenario = GREETING, **changes: Any) -> None:
        self.emulator = Emulator(scenario, record=True)
        self.events: list[CallEvent] = []
        self.phone = CalledPhone("127.0.0.1")
        self._changes = changes

    async def __aenter__(self) -> Stage:
        await self.emulator.start()
        inworld = {"url": self.emulator.url, "api_key": "a2V5"} | self._changes.pop("inworld", {})
        self.gateway = Gateway(
            settings_with(self.emulator.url, inworld=inworld, **self._changes), sinks=[self.events.append]
        )
        await self.gateway.start()
        await self.phone.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.stop()  # first: the telephone answers its BYE
        await self.phone.stop()
        await self.emulator.stop()

    async def dial(self, phone: CalledPhone | None = None, callee: str = "agent") -> None:
        """Calls the gateway; raises RuntimeError with the status when it refuses."""
        url = self.gateway.sip.listening[0]
        await (phone or self.phone).dial(url.host, url.port, callee)

    def names(self) -> list[str]:
        """The names of the events so far."""
        return [event.name.value for event in self.events]

    def refusals(self, rule: str) -> float:
        """How often a rule has refused."""
        value = self.gateway.metrics.registry.get_sample_value("gateway_sip_refusals_total", {"rule": rule})
        return value or 0.0
