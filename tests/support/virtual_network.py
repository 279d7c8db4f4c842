"""Several user agents on a network in virtual time only: latency, loss, duplication, reordering, by seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

from gateway.base.errors import LocalProtocolError
from gateway.base.ids import IdSource
from gateway.sip.admission import ALLOW
from gateway.sip.events import CallCancelled, CallEnded, CallOffered, CallReferred, CallRefused, CallReoffered, Event
from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.invite.invitation import Invitation
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from tests.support.sip_peer import ANSWER

TERMINAL = (CallCancelled, CallRefused, CallEnded)

Policy = Callable[["Agent", Event], None]


class Agent:
    """A user agent with an address, what it was told, and a policy that reacts to that."""

    def __init__(
        self, network: VirtualNetwork, address: SocketAddress, seed: int, policy: Policy | None, **config: Any
    ) -> None:
        self.network = network
        self.address = address
        self.policy = policy
        self.log: list[tuple[float, Event]] = []
        given = UserAgentConfig(advertise=lambda flow: address, admit=lambda request, flow, now: ALLOW, **config)
        self.ua = UserAgent(given, IdSource(seed))
        self.placed: list[str] = []

    @property
    def now(self) -> float:
        return self.network.now

    def flow_to(self, other: Agent, transport: Any = "udp") -> Flow:
        return Flow(transport, self.address, other.address, connection=int(transport == "tcp"))

    def call(self, other: Agent, body: bytes, transport: str = "udp") -> str:
        uri = "sip:bob@example.net"
        invitation = Invitation(uri, (self.flow_to(other, transport),), from_="<sip:a@b>", to=f"<{uri}>", body=body)
        call = self.ua.invite(invitation, self.now)
        self.placed.append(call)
        self.network.collect(self)
        return call

    def do(self, command: Callable[[UserAgent, float], None]) -> None:
        """Give a command and carry out what follows from it."""
        command(self.ua, self.now)
        self.network.collect(self)

    def attempt(self, command: Callable[[], object]) -> None:
        """A command that may come too late: the call can be gone by now."""
        try:
            command()
        except LocalProtocolError:
            return
        finally:
            self.network.collect(self)

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for _, event in self.log if isinstance(event, kind)]

    def ends(self) -> dict[str, list[Event]]:
        """The terminal events of each call."""
        ends: dict[str, list[Event]] = {call: [] for call in self.placed}
        ends |= {event.call: [] for event in self.events(CallOffered)}
        for event in self.events(TERMINAL):  # type: ignore[arg-type]
            ends[event.call].append(event)
        return ends

    def counts(self) -> tuple[int, int, int]:
        return self.ua.transactions, self.ua.dialogs, self.ua.calls


class VirtualNetwork:
    """Carries datagrams between agents. TCP flows are carried in order and without loss."""

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        duplication: float = 0.0,
        latency_s: tuple[float, float] = (0.01, 0.02),
    ) -> None:
        self.now = 0.0
        self.loss = loss
        self.duplication = duplication
        self.latency_s = latency_s
        self.lost = 0
        self.on_sent: Callable[[Agent, bytes], None] = lambda agent, data: None
        """Told of each message that an agent sends, lost or not."""
        self.random = random.Random(seed)
        self._seed = seed
        self._agents: dict[SocketAddress, Agent] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def add(self, host: str, policy: Policy | None = None, **config: Any) -> Agent:
        """``config`` goes into the UserAgentConfig."""
        address = (host, 5060)
        agent = Agent(self, address, self._seed * 100 + len(self._agents), policy, **config)
        self._agents[address] = agent
        return agent

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._serial += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._serial, action))

    def collect(self, agent: Agent) -> None:
        """Put on the wire what the agent has to send, and tell its policy what happened."""
        while True:
            outgoing = agent.ua.take_outgoing()
            event = agent.ua.next_event()
            for flow, data in outgoing:
                self._carry(agent, flow, data)
            if event is not None:
                agent.log.append((self.now, event))
                if agent.policy is not None:
                    agent.policy(agent, event)
            elif not outgoing:
                return

    def _carry(self, sender: Agent, flow: Flow, data: bytes) -> None:
        self.on_sent(sender, data)
        arrival = Flow(flow.transport, flow.remote, sender.address, flow.connection)
        if flow.is_reliable:
            self.at(self.latency_s[0], lambda: self._deliver(arrival, data))
            return
        copies = 1 + (self.random.random() < self.duplication)
        for _ in range(copies):
            if self.random.random() < self.loss:
                self.lost += 1
            else:
                self.at(self.random.uniform(*self.latency_s), lambda: self._deliver(arrival, data))

    def _deliver(self, flow: Flow, data: bytes) -> None:
        agent = self._agents.get(flow.local)
        if agent is not None:
            agent.ua.receive_message(data, flow, self.now)
            self.collect(agent)

    def run(self, seconds: float) -> None:
        """Let time pass; everything due happens in order."""
        end = self.now + seconds
        while True:
            timers = [(deadline, agent) for agent in self._agents.values() if (deadline := agent.ua.next_deadline())]
            timer = min(timers, key=lambda entry: entry[0], default=None)
            next_action = self._queue[0][0] if self._queue else None
            if timer is not None and (next_action is None or timer[0] < next_action):
                if timer[0] > end:
                    break
                self.now = max(self.now, timer[0])
                timer[1].ua.handle_timeout(self.now)
                self.collect(timer[1])
            elif next_action is not None and next_action <= end:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            else:
                break
        self.now = end


def talkative(agent: Agent, event: Event) -> None:
    """Rings with early media, answers, takes offers, follows transfers in words."""
    ua, net = agent.ua, agent.network
    if isinstance(event, CallOffered):
        call = event.call
        net.at(0.1, lambda: agent.attempt(lambda: ua.ring(call, agent.now, 183, body=ANSWER)))
        net.at(1.0, lambda: agent.attempt(lambda: ua.answer(call, ANSWER, agent.now)))
    elif isinstance(event, CallReoffered):
        ua.answer_offer(event.call, ANSWER, agent.now)
    elif isinstance(event, CallReferred):
        call, refer_id = event.call, event.refer_id
        ua.accept_refer(call, refer_id, agent.now)
        net.at(1.0, lambda: agent.attempt(lambda: ua.notify_refer(call, refer_id, 200, None, agent.now)))
