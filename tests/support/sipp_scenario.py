"""Writes SIPp scenarios of one call step by step: what a caller or a called party sends, expects and checks.

SIPp's own XML repeats every header of every message; here a step says only what is particular to it. SIPp fills in
words in brackets (``[media_ip]``, ``[next_url]``) while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from xml.sax.saxutils import quoteattr

Role = Literal["caller", "called"]
AUDIO_PORT = "[rtpstream_audio_port]"
SDP = "application/sdp"
DIALLED = "sip:[service]@[remote_ip]:[remote_port]"
CALLER = '"SIPp" <sip:sipp@[local_ip]:[local_port]>;tag=[pid]-[call_number]'
CALLED = "[$peer_to];tag=[pid]-[call_number]"


@dataclass(frozen=True, slots=True)
class Check:
    """A regular expression that a message must match, or must not."""

    regexp: str
    within: str = "msg"
    """``msg``, ``body``, or a header's name."""
    is_absent: bool = False


def in_body(regexp: str) -> Check:
    return Check(regexp, "body")


def not_in_body(regexp: str) -> Check:
    return Check(regexp, "body", is_absent=True)


def in_header(name: str, regexp: str) -> Check:
    return Check(regexp, name)


def offer(
    version: int = 1,
    *,
    direction: str = "sendrecv",
    address: str = "[media_ip]",
    port: str = AUDIO_PORT,
    formats: str = "0 8 101",
) -> str:
    """SDP of a telephone with G.711 and digits."""
    return "\n".join(
        (
            "v=0",
            f"o=sipp 53655765 {version} IN IP4 [local_ip]",
            "s=-",
            f"c=IN IP4 {address}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {formats}",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            f"a={direction}",
        )
    )


def _remember(header: str, variable: str) -> str:
    return f'<ereg regexp=".*" search_in="hdr" header="{header}:" check_it="true" assign_to="{variable}"/>'


class Scenario:
    """One call of SIPp. Every method is a step and returns the scenario."""

    def __init__(self, name: str, role: Role = "caller", *, contact_host: str = "[local_ip]:[local_port]") -> None:
        self.name = name
        self._role: Role = role
        self._contact_host = contact_host
        self._elements: list[str] = []
        self._references: list[str] = []
        self._cseq = 0
        self._invite_element = 0
        self._answers = ""
        """The method of the request that came last."""

    def __str__(self) -> str:
        used = f'<Reference variables="{",".join(self._references)}"/>' if self._references else ""
        body = "\n".join([*self._elements, used])
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">'
        return f"{head}\n<scenario name={quoteattr(self.name)}>\n{body}\n</scenario>\n"

    def write(self, path: Path) -> Path:
        path.write_text(str(self))
        return path

    def invite(self, body: str | None = None, *, headers: Sequence[str] = ()) -> Self:
        """The INVITE that opens the call; ``body`` "" leaves the offer to the other side."""
        self._cseq += 1
        self._invite_element = len(self._elements)
        return self._send_request("INVITE", DIALLED, self._cseq, offer() if body is None else body, SDP, headers)

    def request(self, method: str, body: str = "", *, content_type: str = SDP, headers: Sequence[str] = ()) -> Self:
        """A request within the call."""
        self._cseq += 1
        if method == "INVITE":
            self._invite_element = len(self._elements)
        return self._send_request(method, "[next_url]", self._cseq, body, content_type, headers)

    def ack(self, body: str = "", *, cseq: int | None = None) -> Self:
        """The ACK of a 2xx; for the latest INVITE unless told."""
        return self._send_request("ACK", "[next_url]", cseq or self._cseq, body, SDP, ())

    def ack_refusal(self) -> Self:
        """The ACK of a refused INVITE: in the INVITE's own transaction (RFC 3261 §17.1.1.3)."""
        distance = len(self._elements) - self._invite_element
        uri = "[next_url]" if self._cseq > 1 else DIALLED
        return self._send_request("ACK", uri, self._cseq, "", SDP, (), branch=f"[branch-{distance}]")

    def cancel(self) -> Self:
        """Takes the INVITE back while it rings: in the INVITE's own transaction (RFC 3261 §9.1)."""
        distance = len(self._elements) - self._invite_element
        self._send_request("CANCEL", DIALLED, self._cseq, "", SDP, (), branch=f"[branch-{distance}]")
        # A proxy that cancels may send its 200 before or after the 487 that comes back.
        self.expect(487, optional=(200,)).ack_refusal()
        self._elements += ['<recv response="200" timeout="500" ontimeout="over"/>', '<label id="over"/>']
        return self.pause(0.05)

    def expect(self, status: int, *checks: Check, optional: Sequence[int] = (100, 180, 183)) -> Self:
        """Waits for a response; the ``optional`` ones may come before it."""
        for early in optional:
            if early < status:
                self._elements.append(f'<recv response="{early}" optional="true"/>')
        return self._receive(f'response="{status}" rrs="true"', checks)

    def expect_reliable(self, status: int, *checks: Check) -> Self:
        """Waits for a provisional response that wants to be acknowledged (RFC 3262) and acknowledges it."""
        remember = '<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="rseq"/>'
        self._elements += [f'<recv response="{early}" optional="true"/>' for early in (100, 180) if early < status]
        self._references.append("rseq")
        wanted = (in_header("Require", "100rel"), *checks)
        self._receive(f'response="{status}" rrs="true"', wanted, remember)
        invite_cseq = self._cseq
        return self.request("PRACK", headers=[f"RAck: [$rseq] {invite_cseq} INVITE"]).expect(200, optional=())

    def notify(self, fragment: str, state: str) -> Self:
        """Tells how the call went that a REFER asked for (RFC 3515)."""
        headers = ["Event: refer", f"Subscription-State: {state}"]
        self.request("NOTIFY", fragment, content_type="message/sipfrag;version=2.0", headers=headers)
        return self.expect(200, optional=())

    def hang_up(self) -> Self:
        return self.request("BYE").expect(200, optional=())

    def receive(self, method: str, *checks: Check) -> Self:
        """Waits for a request of the other side."""
        self._answers = method
        remember = self._remember_cseq() if self._role == "called" and method == "INVITE" else ""
        if self._role == "called" and method == "INVITE" and not any("peer_from" in step for step in self._elements):
            for header, variable in (("From", "peer_from"), ("To", "peer_to"), ("Via", "invite_via")):
                remember += _remember(header, variable)
                self._references.append(variable)
        return self._receive(f'request="{method}" rrs="true"', checks, remember)

    def receive_credentials(self, username: str, password: str) -> Self:
        """Waits for the INVITE that answers a 401; SIPp works the MD5 digest out for itself."""
        self._answers = "INVITE"
        verify = f'<verifyauth assign_to="verified" username="{username}" password="{password}"/>'
        self._receive('request="INVITE" rrs="true"', (), verify + self._remember_cseq())
        self._references.append("verified")
        self._elements += [
            '<nop test="verified" next="verified"/>',
            '<nop><action><error message="the digest is wrong"/></action></nop>',
            '<label id="verified"/>',
        ]
        return self

    def _remember_cseq(self) -> str:
        if "invite_cseq" not in self._references:
            self._references.append("invite_cseq")
        find = 'regexp="[0-9]+" search_in="hdr" header="CSeq:"'
        return f'<ereg {find} check_it="true" assign_to="invite_cseq"/>'

    def respond(
        self,
        status: int,
        reason: str,
        body: str = "",
        *,
        headers: Sequence[str] = (),
        fork: str = "",
        to_invite: bool = False,
    ) -> Self:
        """Answers the request that came last; ``fork`` makes it another called party's answer, by its To tag.

        ``to_invite``: answers the INVITE though its CANCEL came last, whose Via is the same.
        """
        to = "[last_To:]" if self._role == "caller" else f"To: {CALLED}{fork}"
        if status == 100:
            to = "[last_To:]"
        cseq = "CSeq: [$invite_cseq] INVITE" if to_invite else "[last_CSeq:]"
        lines = [f"SIP/2.0 {status} {reason}", "[last_Via:]", "[last_Record-Route:]", "[last_From:]"]
        lines += [to, "[last_Call-ID:]", cseq]
        is_answer = 200 <= status < 300 and (to_invite or self._answers == "INVITE")
        contact = [] if 300 <= status < 400 else [self._contact]
        return self._send(lines, body, SDP, [*contact, *headers], retrans=is_answer)

    def respond_to_invite(self, status: int, reason: str, body: str = "", *, headers: Sequence[str] = ()) -> Self:
        """Answers the INVITE when other requests have come since, in a call without proxies."""
        lines = [f"SIP/2.0 {status} {reason}", "Via: [$invite_via]", "[last_From:]", f"To: {CALLED}"]
        lines += ["[last_Call-ID:]", "CSeq: [$invite_cseq] INVITE"]
        return self._send(lines, body, SDP, [self._contact, *headers], retrans=status >= 200)

    def pause(self, seconds: float) -> Self:
        self._elements.append(f'<pause milliseconds="{round(seconds * 1000)}"/>')
        return self

    def speak(self, file: str = "voice") -> Self:
        """Streams a headerless PCMU file of its directory, once."""
        self._elements.append(f'<nop><action><exec rtp_stream="{file},1,0"/></action></nop>')
        return self

    @property
    def _contact(self) -> str:
        return f"Contact: <sip:sipp@{self._contact_host};transport=[transport]>"

    def _send_request(
        self,
        method: str,
        uri: str,
        cseq: int,
        body: str,
        content_type: str,
        headers: Sequence[str],
        *,
        branch: str = "[branch]",
    ) -> Self:
        is_first = method in ("INVITE", "CANCEL") and uri == DIALLED
        from_, to = CALLER, f"<{DIALLED}>" if is_first else f"<{DIALLED}>[peer_tag_param]"
        if self._role == "called":
            from_, to = CALLED, "[$peer_from]"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}",
            *(["[routes]"] if uri == "[next_url]" else []),
            f"From: {from_}",
            f"To: {to}",
            "Call-ID: [call_id]",
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
        ]
        has_contact = method in ("INVITE", "UPDATE", "SUBSCRIBE", "REFER", "NOTIFY")
        contact = [self._contact] if has_contact else []
        return self._send(lines, body, content_type, [*contact, *headers], retrans=method != "ACK")

    def _send(self, lines: list[str], body: str, content_type: str, headers: list[str], *, retrans: bool) -> Self:
        typed = [f"Content-Type: {content_type}"] if body else []
        text = "\n".join([*lines, *headers, *typed, "Content-Length: [len]", "", body])
        again = ' retrans="500"' if retrans else ""
        self._elements.append(f"<send{again}><![CDATA[\n{text}\n]]></send>")
        return self

    def _receive(self, what: str, checks: Sequence[Check], remember: str = "") -> Self:
        actions = "".join(self._check(check) for check in checks) + remember
        self._elements.append(f"<recv {what}>" + (f"<action>{actions}</action>" if actions else "") + "</recv>")
        return self

    def _check(self, check: Check) -> str:
        variable = f"check{len(self._references)}"
        self._references.append(variable)
        where = f'search_in="{check.within}"'
        if check.within not in ("msg", "body"):
            where = f'search_in="hdr" header="{check.within}:"'
        verdict = "check_it_inverse" if check.is_absent else "check_it"
        return f'<ereg regexp={quoteattr(check.regexp)} {where} {verdict}="true" assign_to="{variable}"/>'
