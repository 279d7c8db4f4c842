"""The demo's telephone: it calls, speaks, listens, presses keys and notices being hung up on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.base.ids import IdSource
from gateway.demo.rtp_leg import Heard, RtpLeg, Sent
from gateway.measure import g711
from gateway.measure.listening import VOICE_DBFS, level_dbfs
from gateway.sdp.description import parse_description
from gateway.sdp.offer_answer import LocalMedia, accept_answer, answer_offer, create_offer
from gateway.sip.admission import ALLOW
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRefused,
    CallReoffered,
    CallRinging,
    Event,
)
from gateway.sip.grammar import format_host_port
from gateway.sip.invite.invitation import Invitation
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.user_agent import UserAgent, UserAgentConfig

_TELEPHONE_EVENT = 101
_POLL_S = 0.005
_SILENCE = g711.SILENCE["PCMU"]


class Phone:
    """One telephone on ``address`` that makes one call in PCMU. Times are monotonic seconds."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._leg = RtpLeg(address, payload_type=0, telephone_event_payload_type=_TELEPHONE_EVENT)
        config = UserAgentConfig(advertise=lambda flow: flow.local, admit=lambda request, flow, now: ALLOW)
        self._sip = Endpoint(
            UserAgent(config, IdSource()), [f"udp://{format_host_port(address, 0)}"], on_event=self._on_event
        )
        self.answer: bytes | None = None
        self._refusal: str | None = None
        self._call = ""
        self.dialled_at = self.answered_at = 0.0
        self.ended_at: float | None = None

    async def start(self) -> None:
        """Opens its SIP port."""
        await self._sip.start()

    async def stop(self) -> None:
        """Puts everything away."""
        await self._leg.close()
        await self._sip.stop()

    async def dial(self, host: str, port: int, callee: str = "agent") -> None:
        """Calls somebody there and returns when it was answered. Raises TimeoutError, or RuntimeError when refused."""
        offer = create_offer(self._local)
        flow = self._sip.flow_to((host, port))
        self._forget_last_call()
        self.dialled_at = time.monotonic()
        uri = f"sip:{callee}@{format_host_port(host, port)}"
        self._call = self._sip.invite(
            Invitation(
                uri, (flow,), from_=f"<sip:caller@{format_host_port(self._address, None)}>", to=f"<{uri}>", body=offer
            )
        )
        await self.wait_until(lambda: self._has_final_answer, 15)
        if self.answer is None:
            raise RuntimeError(f"the gateway refused the call: {self._refusal}")
        if self.answer:  # empty when a reliable 183 has brought it (RFC 3262 §5)
            audio = accept_answer(self._local, parse_description(self.answer))
            self._leg.start((audio.remote_address, audio.remote_port))

    @property
    def _local(self) -> LocalMedia:
        return LocalMedia(address=self._address, port=self._leg.port, session_id=1, codecs=("PCMU",))

    def _forget_last_call(self) -> None:
        self.answer = self._refusal = self.ended_at = None

    @property
    def _has_final_answer(self) -> bool:
        return self.answer is not None or self._refusal is not None

    def hang_up(self) -> None:
        """Puts the receiver down."""
        self._sip.hang_up(self._call)

    def _on_event(self, event: Event) -> None:
        match event:
            case CallReoffered(call=call, offer=bytes(offer)):
                self._sip.answer_offer(call, answer_offer(parse_description(offer), self._local)[0])
            case CallRinging(body=bytes(body)):
                audio = accept_answer(self._local, parse_description(body))
                self._leg.start((audio.remote_address, audio.remote_port))
            case CallAnswered(body=body):
                self.answered_at = time.monotonic()
                self.answer = body
            case CallRefused(status=status, reason=reason):
                self._refusal = f"{status} {reason}"
            case CallEnded():
                self.ended_at = time.monotonic()
            case _:
                pass

    # --- speaking ----------------------------------------------------------------------------------------------

    def say(self, frames: list[bytes]) -> None:
        """Speaks, in frames of 20 ms."""
        self._leg.say(frames)

    @property
    def is_speaking(self) -> bool:
        """Until the last frame has left."""
        return self._leg.is_speaking

    def press(self, key: str) -> None:
        """Presses a key."""
        self._leg.press(key)

    @property
    def sent(self) -> list[Sent]:
        """Everything it said, silence included."""
        return self._leg.sent

    def last_voice_before(self, moment: float) -> float:
        """When the last frame that was loud enough to be speech left before ``moment``."""
        return next((item.at for item in reversed(self.sent) if item.at < moment and _is_loud(item.payload)), moment)

    # --- listening ---------------------------------------------------------------------------------------------

    @property
    def heard(self) -> list[Heard]:
        """Every packet that came, in order of arrival."""
        return self._leg.heard

    @staticmethod
    def is_voice(item: Heard) -> bool:
        """Whether a packet carries anything but the gateway's silence."""
        return item.packet.payload.count(_SILENCE) != len(item.packet.payload)

    @property
    def silent_for_s(self) -> float:
        """How long nothing but silence has come."""
        last = next((item.at for item in reversed(self.heard) if self.is_voice(item)), None)
        return time.monotonic() - (self.answered_at if last is None else last)

    async def wait_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Lets the call go on until something is the case. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - conditions look at the wire's both ends, which share no event
                await asyncio.sleep(_POLL_S)


def _is_loud(payload: bytes) -> bool:
    return level_dbfs(g711.decode(payload)) > VOICE_DBFS
