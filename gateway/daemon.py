"""The gateway as a whole: builds all parts, starts them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gateway import __version__
from gateway.base.errors import GatewayError, SettingsError
from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.call.addresses import AdvertisedAddresses
from gateway.call.assembly import CallAssembly
from gateway.call.desk import CallDesk
from gateway.call.dialer import Dialer
from gateway.call.directory import CallDirectory
from gateway.call.event_sinks import MeteredEvents, log_event
from gateway.call.journal import EventSink
from gateway.call.profile import agent_faults, check_agents
from gateway.call.records import CallRecords
from gateway.call.refer_target import ReferTargets
from gateway.call.termination import EndReason
from gateway.emulator.server import Emulator
from gateway.inworld.connection import shared_tls_context
from gateway.inworld.endpoint import Endpoint as ProviderEndpoint
from gateway.media.engine import MediaEngine
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEvents, NodeEventSink, log_node_event
from gateway.settings.load import load_settings
from gateway.settings.schema import Settings
from gateway.sip.events import Event
from gateway.sip.flow import Flow, SocketAddress, default_port
from gateway.sip.grammar import format_host_port
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.local_address import LocalAddresses
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
_NEEDS_RESTART = ("node.name", "sip.listen", "sip.websocket", "media.ports", "control.listen", "control.metrics")
"""What is bound to sockets or names that are given out once."""
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
        settings = self.settings
        check_agents(settings)
        addresses = self._addresses = AdvertisedAddresses(settings)
        self._certificates = Certificates(settings)
        provider = await self._provider()
        ports = settings.media.ports
        self.media = MediaEngine(_media_bind_addresses(settings), range(ports.first, ports.last + 1), ids=self._ids)
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
        timer = settings.sip.session_timer
        config = UserAgentConfig(
            advertise=addresses.signalling,
            admit=self.directory.door.admit,
            hears=self.directory.door.hears,
            credentials=self.directory.door.credentials,
            registrar=self.accounts.registrar,
            user_agent=f"inworld-sip-gateway/{__version__}",
            session_expires_s=timer.interval_s if timer is not None else 0,
            min_se_s=timer.minimum_s if timer is not None else 0,
        )
        self.sip = Endpoint(
            UserAgent(config, self._ids),
            list(_listen_urls(settings)),
            on_event=self._handle_sip_event,
            tls=self._certificates.contexts,
            origins=settings.sip.websocket.origins,
        )
        self.assembly = CallAssembly(
            settings,
            endpoint=provider,
            signalling=self.sip,
            media=self.media,
            media_address=addresses.media,
            metrics=self.metrics,
            ids=self._ids,
            sinks=self._sinks,
            records=self.records,
        )
        self.directory.attach(self.sip, self.assembly)
        self._prepare_to_dial(addresses)
        with _naming("sip.listen", ", ".join(map(str, settings.sip.listen))):
            await self.sip.start()
        self._stack.push_async_callback(self.sip.stop)
        self._stack.push_async_callback(self.registrations.stop)
        self.registrations.apply(settings.trunks)
        self._stack.push_async_callback(self.pings.stop)
        self.pings.apply(settings.trunks)
        await self._start_control()
        self._watch_tables()
        self._tell_of_certificates()
        self._tell_what_serves()

    def _prepare_to_dial(self, addresses: AdvertisedAddresses) -> None:
        self._resolver = self._make_resolver()
        hops = Hops(
            self._resolver,
            self.sip.flow_to,
            lambda: {"tcp", "tls", *(url.transport for url in self.sip.listening)},
        )
        self.trunks = OutboundTrunks(
            self.settings.trunks,
            hops=hops,
            contacts=self.accounts.contacts,
            is_down=self._is_down,
            service_route=self._service_route,
            own_host=lambda flow: addresses.signalling(flow)[0],
        )
        self.pings = Pings(
            self.sip,
            hops.find,
            lambda flow: addresses.signalling(flow)[0],
            self._node_events,
            self.metrics,
        )
        self.registrations = Registrations(
            self.sip,
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
        dialer = self._dialer = self.directory.dialer = Dialer(
            self.settings,
            trunks=self.trunks,
            signalling=self.sip,
            assembly=self.assembly,
            calls=self.directory.calls,
            capacity=self.directory.capacity,
            media_address=addresses.media,
            vouch=self.directory.door.vouch,
            takes_call=self.directory.door.takes_call,
            logger=self._log,
        )
        self._stack.push_async_callback(dialer.close)
        targets = self._refer_targets = ReferTargets(self.settings, self.trunks)
        self.desk = CallDesk(
            dialer=dialer,
            calls=self.directory.calls,
            records=self.records,
            targets=targets,
            is_draining=lambda: self.directory.is_draining,
        )

    def _service_route(self, trunk: str) -> tuple[str, ...]:
        return self.registrations.service_route(trunk)

    def _is_down(self, trunk: str) -> bool:
        return self.pings.is_down(trunk)

    def _handle_sip_event(self, event: Event) -> None:
        if self.accounts.handle_sip_event(event):
            self._keep_flows(self.registrations.flows)
        elif not (self.registrations.handle_sip_event(event) or self.pings.handle_sip_event(event)):
            self.directory.handle_sip_event(event)

    def _keep_flows(self, registrations: Collection[Flow]) -> None:
        """Calls come over what we registered by and go over what phones registered by: both are kept open."""
        self.sip.user_agent.watch(registrations)
        self.sip.keep_alive({*registrations, *self.accounts.registrar.flows})

    def _make_resolver(self) -> Resolver:
        versions = {6 if ":" in address.host else 4 for address in self.settings.sip.listen}
        return Resolver(*_name_servers(self.settings), sorted(versions))

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
        with _naming("control.listen", str(address)):
            await self.control.start()
        self._stack.push_async_callback(self.control.stop)

    def _watch_tables(self) -> None:
        agent = self.sip.user_agent
        watched = {
            "gateway_sip_transactions_live": ("SIP transactions", lambda: agent.transactions),
            "gateway_sip_bans_live": ("Bans in force", lambda: self.directory.door.banned),
            "gateway_account_contacts": ("Phones registered here", lambda: len(self.accounts.registrar)),
            "gateway_accounts_registered": (
                "Accounts with a registered phone",
                lambda: self.accounts.registrar.accounts_registered,
            ),
            "gateway_sip_dialogs_live": ("SIP dialogs", lambda: agent.dialogs),
            "gateway_media_ports_open": ("RTP port pairs in use", lambda: self.media.open_ports),
            "gateway_provider_sessions_open": ("Provider sessions", lambda: self.assembly.sessions_open),
            "gateway_pacer_streams": ("Calls that RTP is paced for", lambda: len(self.media.pacer)),
            "gateway_pacer_ticks_skipped": ("Ticks skipped by stalls so far", lambda: self.media.pacer.skipped_ticks),
            "gateway_pacer_lateness_max_seconds": (
                "Latest that a tick has begun so far",
                lambda: self.media.pacer.lateness().max_ms / 1000,
            ),
        }
        for name, (help_text, read) in watched.items():
            self.metrics.watch(name, help_text, read)
        self.metrics.watch_counters("gateway_sip_user_agent", "The user agent's counters", agent.stats)
        self.metrics.watch_counters("gateway_sip_transport", "The SIP sockets' counters", self.sip.stats)

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
            call=f"sip:agent@{_address_to_dial(self.sip.listening)}",
        )

    def reload(self, settings: Settings) -> list[str]:
        """Takes new settings for calls to come; answers with the keys that need a restart and were left as they are."""
        check_agents(settings)
        fixed = [key for key in _NEEDS_RESTART if _read(settings, key) != _read(self.settings, key)]
        for key in fixed:
            section, _, field = key.partition(".")
            kept = getattr(settings, section).model_copy(update={field: _read(self.settings, key)})
            settings = settings.model_copy(update={section: kept})
        if settings.inworld.uses_embedded_emulator != self.settings.inworld.uses_embedded_emulator:
            settings = settings.model_copy(update={"inworld": self.settings.inworld})
            fixed.append("inworld.api_key")
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
        self._resolver.use(*_name_servers(settings))
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


@contextlib.contextmanager
def _naming(key: str, address: str) -> Iterator[None]:
    """Says which setting named the address that cannot be had."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatewayError(f"{key}: cannot listen on {address}: {reason}; stop what uses it or change {key}") from error


def _listen_urls(settings: Settings) -> Iterator[str]:
    for address in settings.sip.listen:
        yield f"{address}{settings.sip.websocket.path}" if address.scheme in ("ws", "wss") else str(address)


def _media_bind_addresses(settings: Settings) -> list[str]:
    """One of each IP version that SIP listens on, that of the first listener first.

    RTP leaves from where SIP is spoken when that is one address; else from whatever routes to the caller.
    """
    hosts = list(dict.fromkeys(address.host for address in settings.sip.listen))
    versions = {":" in host: [other for other in hosts if (":" in other) == (":" in host)] for host in hosts}
    return [alike[0] if len(alike) == 1 else ("::" if is_ipv6 else "0.0.0.0") for is_ipv6, alike in versions.items()]


def _address_to_dial(listening: Sequence[ListenUrl]) -> str:
    """What somebody can call to try it: our address toward the rest of the world, where SIP is on every one."""
    url = listening[0]
    host = (LocalAddresses().toward("192.0.2.1") or "127.0.0.1") if url.is_wildcard and not url.is_ipv6 else url.host
    return format_host_port(host, None if url.port == default_port(url.transport) else url.port)


def _read(settings: Settings, key: str) -> object:
    section, _, field = key.partition(".")
    return getattr(getattr(settings, section), field)


async def serve_forever(settings: Settings, config: Path) -> None:
    """``gateway serve``: until SIGTERM or SIGINT; SIGHUP reads the settings again."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    gateway = Gateway(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload; by default it kills
    await gateway.start()
    loop.add_signal_handler(signal.SIGHUP, _reload, gateway, config)
    _calm_the_collector()
    try:
        await stopping.wait()
    finally:
        await gateway.stop()


def _reload(gateway: Gateway, config: Path) -> None:
    log = get_logger(node=gateway.settings.node.name)
    try:
        fixed = gateway.reload(load_settings(config, os.environ, further_checks=(agent_faults,)))
    except SettingsError as error:
        log.error("settings refused, the running ones stay", faults=error.faults)
    except GatewayError as error:
        log.error("settings refused, the running ones stay", faults=[str(error)])
    else:
        log.info("settings reloaded", needs_restart=fixed)


def _calm_the_collector() -> None:
    """A full collection stalls the loop, the longer the more calls there are; what is here now stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _name_servers(settings: Settings) -> tuple[list[SocketAddress] | None, float]:
    """Whom to ask, None for those of the system, and how long to wait."""
    dns = settings.sip.dns
    return [(server.host, server.port) for server in dns.servers] or None, dns.timeout_s
