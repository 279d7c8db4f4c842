"""The gateway as a whole: builds all parts, starts them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from gateway import __version__
from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.call.addresses import AdvertisedAddresses
from gateway.call.assembly import CallAssembly
from gateway.call.desk import CallDesk
from gateway.call.dialer import Dialer
from gateway.call.directory import CallDirectory
from gateway.call.event_sinks import MeteredEvents, log_event
from gateway.call.journal import EventSink
from gateway.call.profile import check_agents
from gateway.call.records import CallRecords
from gateway.call.refer_target import ReferTargets
from gateway.call.referrals import Referrals
from gateway.call.termination import EndReason
from gateway.daemon.listening import (
    address_to_dial,
    ip_versions,
    listen_urls,
    media_bind_addresses,
    name_servers,
    naming,
)
from gateway.daemon.reload import keep_what_is_bound
from gateway.daemon.tables import watch_tables
from gateway.emulator.server import Emulator
from gateway.inworld.connection import shared_tls_context
from gateway.inworld.endpoint import Endpoint as ProviderEndpoint
from gateway.media.engine import MediaEngine
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEvents, NodeEventSink, log_node_event
from gateway.settings.schema import Settings
from gateway.sip.events import Event
from gateway.sip.flow import Flow
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.transport.resolver import Resolver
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from gateway.trunks.accounts import Accounts
from gateway.trunks.certificates import Certificates, certificate_findings
from gateway.trunks.facts import TrunkFacts
from gateway.trunks.hops import Hops
from gateway.trunks.outbound import OutboundTrunks
from gateway.trunks.pings import Pings
from gateway.trunks.registrations import Callbacks, Registrations

DRAIN_LIMIT_S = 3.0
"""How long the ends of calls (BYE and its 200, provider sockets) may take at shutdown."""
_POLL_S = 0.02
_EMULATOR_KEY = "emulator"


class Gateway:
    """One node. ``start`` raises OSError or GatewayError with what to do; after ``stop`` nothing of it is left."""

    def __init__(
        self,
        settings: Settings,
        *,
        sinks: Sequence[EventSink] = (),
        node_sinks: Sequence[NodeEventSink] = (),
        ids: IdSource | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.records = CallRecords()
        self._sinks: tuple[EventSink, ...] = (log_event, MeteredEvents(self.metrics), *sinks)
        self._ids = ids or IdSource()
        self._log = get_logger(node=settings.node.name)
        self._node_events = NodeEvents([log_node_event, *node_sinks])
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Everything up: SIP is listening when this returns."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self) -> None:
        check_agents(self.settings)
        self._addresses = AdvertisedAddresses(self.settings)
        self._certificates = Certificates(self.settings)
        provider = await self._provider()
        self._build_calls()
        self._build_sip()
        self._build_assembly(provider)
        self._build_trunks()
        self._build_desk()
        await self._open()
        watch_tables(
            self.metrics,
            sip=self.sip,
            media=self.media,
            assembly=self.assembly,
            door=self.directory.door,
            registrar=self.accounts.registrar,
        )
        self._tell_of_certificates()
        self._tell_what_serves()

    async def _open(self) -> None:
        """From here on calls come in, and trunks hear of us."""
        with naming("sip.listen", ", ".join(map(str, self.settings.sip.listen))):
            await self.sip.start()
        self._stack.push_async_callback(self.sip.stop)
        self._stack.push_async_callback(self.registrations.stop)
        self.registrations.apply(self.settings.trunks)
        self._stack.push_async_callback(self.pings.stop)
        self.pings.apply(self.settings.trunks)
        await self._start_control()

    # Building: each part is given those that were built before it

    def _build_calls(self) -> None:
        settings = self.settings
        ports = settings.media.ports
        self.media = MediaEngine(media_bind_addresses(settings), range(ports.first, ports.last + 1), ids=self._ids)
        self._stack.callback(self.media.close)
        self.directory = CallDirectory(
            settings,
            metrics=self.metrics,
            logger=self._log,
            key=self._ids.token(32).encode(),
            events=self._node_events,
        )
        self._stack.callback(self.directory.close)
        self.accounts = Accounts(settings.accounts, self.directory.door.digest, self._node_events)

    def _build_sip(self) -> None:
        timer = self.settings.sip.session_timer
        config = UserAgentConfig(
            advertise=self._addresses.signalling,
            admit=self.directory.door.admit,
            hears=self.directory.door.hears,
            knows=self.directory.door.knows,
            credentials=self.directory.door.credentials,
            registrar=self.accounts.registrar,
            user_agent=f"inworld-sip-gateway/{__version__}",
            session_expires_s=timer.interval_s if timer is not None else 0,
            min_se_s=timer.minimum_s if timer is not None else 0,
        )
        self.sip = Endpoint(
            UserAgent(config, self._ids),
            list(listen_urls(self.settings)),
            on_event=self._handle_sip_event,
            tls=self._certificates.contexts,
            origins=self.settings.sip.websocket.origins,
        )

    def _build_assembly(self, provider: ProviderEndpoint) -> None:
        self.assembly = CallAssembly(
            self.settings,
            endpoint=provider,
            signalling=self.sip,
            media=self.media,
            media_address=self._addresses.media,
            metrics=self.metrics,
            ids=self._ids,
            sinks=self._sinks,
            records=self.records,
        )
        self.directory.attach(self.sip, self.assembly)

    def _build_trunks(self) -> None:
        self._resolver = Resolver(*name_servers(self.settings), ip_versions(self.settings))
        hops = Hops(
            self._resolver,
            self.sip.flow_to,
            lambda: {"tcp", "tls", *(url.transport for url in self.sip.listening)},
        )
        self.pings = Pings(self.sip.send_request, hops.find, self._own_host, self._node_events, self.metrics)
        self.registrations = Registrations(
            self.sip.send_request,
            hops.find,
            self.sip.user_agent.contact,
            self._node_events,
            self.metrics,
            self._ids,
            node=self.settings.node.name,
            callbacks=Callbacks(
                vouch=self.directory.door.vouch,
                withdraw=self.directory.door.withdraw,
                share=self._keep_flows,
            ),
        )
        self.trunks = OutboundTrunks(
            self.settings.trunks,
            hops=hops,
            contacts=self.accounts.contacts,
            is_down=self.pings.is_down,
            service_route=self.registrations.service_route,
            own_host=self._own_host,
        )

    def _own_host(self, flow: Flow) -> str:
        return self._addresses.signalling(flow)[0]

    def _build_desk(self) -> None:
        self._dialer = Dialer(
            self.settings,
            trunks=self.trunks,
            signalling=self.sip,
            assembly=self.assembly,
            calls=self.directory.calls,
            capacity=self.directory.capacity,
            media_address=self._addresses.media,
            vouch=self.directory.door.vouch,
            takes_call=self.directory.door.takes_call,
            logger=self._log,
        )
        self.directory.dialer = self._dialer
        self._stack.push_async_callback(self._dialer.close)
        self._referrals = Referrals(
            self.settings,
            trunks=self.trunks,
            signalling=self.sip,
            assembly=self.assembly,
            calls=self.directory.calls,
            media_address=self._addresses.media,
            vouch=self.directory.door.vouch,
            withdraw=self.directory.door.withdraw,
            takes_call=self.directory.door.takes_call,
            logger=self._log,
        )
        self.directory.referrals = self._referrals
        self._stack.push_async_callback(self._referrals.close)
        self._refer_targets = ReferTargets(self.settings, self.trunks)
        self.desk = CallDesk(
            dialer=self._dialer,
            calls=self.directory.calls,
            records=self.records,
            targets=self._refer_targets,
            is_draining=lambda: self.directory.is_draining,
        )

    def _handle_sip_event(self, event: Event) -> None:
        if self.accounts.handle_sip_event(event):
            self._keep_flows(self.registrations.flows)
        elif not (self.registrations.handle_sip_event(event) or self.pings.handle_sip_event(event)):
            self.directory.handle_sip_event(event)

    def _keep_flows(self, registrations: Mapping[Flow, int | None]) -> None:
        """Calls come over what we registered by and go over what phones registered by: both are kept open."""
        self.sip.user_agent.watch(registrations)
        self.sip.keep_alive({**dict.fromkeys(self.accounts.registrar.flows), **registrations})

    async def _provider(self) -> ProviderEndpoint:
        inworld = self.settings.inworld
        if not inworld.uses_embedded_emulator:
            return self._real_provider(self.settings)
        emulator = await self._stack.enter_async_context(Emulator())
        return ProviderEndpoint(emulator.url, Secret(_EMULATOR_KEY))

    def _real_provider(self, settings: Settings) -> ProviderEndpoint:
        provider = ProviderEndpoint(settings.inworld.url, settings.inworld.api_key, settings.inworld.auth)
        if provider.is_secure:
            shared_tls_context()  # reads every root certificate: not in the middle of the first call
        return provider

    async def _start_control(self) -> None:
        # Imported here: it costs half of the time to start, and SIP is listening by now.
        from gateway.control.app import ControlApp  # noqa: PLC0415
        from gateway.control.server import ControlServer  # noqa: PLC0415

        address = self.settings.control.listen
        self._rest = ControlApp(
            self.settings,
            desk=self.desk,
            trunks=TrunkFacts(self.pings, self.registrations, self.accounts, self.directory.calls.on_trunk),
            metrics=self.metrics,
            not_ready=self.directory.why_not_ready,
            logger=self._log,
        )
        self.control = ControlServer(self._rest.app, host=address.host, port=address.port, on_stop=self._rest.close)
        with naming("control.listen", str(address)):
            await self.control.start()
        self._stack.push_async_callback(self.control.stop)

    def _tell_of_certificates(self) -> None:
        for finding in certificate_findings(self.settings):
            self._log.warning("certificate", finding=finding)

    def _tell_what_serves(self) -> None:
        inworld = self.settings.inworld
        answers = "the embedded emulator" if inworld.uses_embedded_emulator else f"Inworld at {inworld.url}"
        self._log.info("calls are answered by", who=answers, agents=list(self.settings.agents))
        self._log.info(
            "gateway ready",
            version=__version__,
            sip=[str(url) for url in self.sip.listening],
            rtp=str(self.settings.media.ports),
            control=f"http://{self.control.address}",
            call=f"sip:agent@{address_to_dial(self.sip.listening)}",
        )

    def reload(self, settings: Settings) -> list[str]:
        """Takes new settings for calls to come; answers with the keys that need a restart and were left as they are."""
        check_agents(settings)
        settings, fixed = keep_what_is_bound(settings, self.settings)
        is_real = not settings.inworld.uses_embedded_emulator
        provider = self._real_provider(settings) if is_real else None
        self.settings = settings
        self._addresses.apply(settings)
        for fault in self._certificates.apply(settings):
            self._log.error("certificate not taken, the one in use stays", fault=fault)
        self._tell_of_certificates()
        self.directory.apply(settings)
        self.assembly.apply(settings, provider)
        self._dialer.apply(settings)
        self._refer_targets.apply(settings)
        self._referrals.apply(settings)
        self._resolver.use(*name_servers(settings))
        self.trunks.apply(settings.trunks)
        self.accounts.apply(settings.accounts)
        self.sip.user_agent.accounts_changed()
        self.registrations.apply(settings.trunks)
        self.pings.apply(settings.trunks)
        self._rest.apply(settings)
        return fixed

    async def stop(self) -> None:
        """Ends every call as its state asks, waits for that to be said, and closes everything."""
        self.directory.is_draining = True
        self.sip.user_agent.draining = True
        self.directory.end_all(EndReason.SHUTDOWN)
        try:
            await asyncio.gather(self._wait_for_goodbyes(DRAIN_LIMIT_S), self.registrations.stop())
            await self.assembly.wait_released(DRAIN_LIMIT_S)
        finally:
            await self._stack.aclose()
        self._log.info("gateway stopped")

    async def _wait_for_goodbyes(self, limit_s: float) -> None:
        """Until every BYE is answered and every refusal acknowledged, or the peers have had their time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                agent = self.sip.user_agent
                while agent.unfinished:  # noqa: ASYNC110 - once, at the end, a few rounds
                    await asyncio.sleep(_POLL_S)
