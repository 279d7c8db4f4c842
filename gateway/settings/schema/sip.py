"""Signalling: where SIP is taken, what peers are told, certificates, timers, name servers."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from gateway.settings import values
from gateway.settings.files import CertificateFile, KeyFile, check_key_fits
from gateway.settings.schema.section import (
    NONE_IS_A_WORD,
    STRING,
    Number,
    Section,
    SourceNetwork,
    WholeNumber,
    read_none,
    refuse_repetition,
)
from gateway.settings.values import Advertise, ListenAddress, ServerAddress, parse_network, wrong

SipListen: TypeAlias = Annotated[
    ListenAddress, PlainValidator(values.parse_sip_listen), PlainSerializer(str), WithJsonSchema(STRING)
]
SipAdvertise: TypeAlias = Annotated[
    Advertise,
    PlainValidator(values.parse_advertise),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "anyOf": [
                STRING,
                {
                    "type": "object",
                    "properties": dict.fromkeys(values.SIP_PORTS, STRING),
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
NameServer: TypeAlias = Annotated[
    ServerAddress, PlainValidator(values.parse_name_server), PlainSerializer(str), WithJsonSchema(STRING)
]
WebSocketPath: TypeAlias = Annotated[str, AfterValidator(values.check_web_path)]
WebOrigin: TypeAlias = Annotated[str, AfterValidator(values.check_web_origin)]


class SipTlsSettings(Section):
    """Who this gateway is on TLS and WSS. The files are read again on SIGHUP."""

    certificate: CertificateFile = Field(examples=["cert.pem"])
    """File with the certificate and those between it and its authority, PEM. Paths are taken from this file's
    folder."""
    key: KeyFile = Field(examples=["key.pem"])
    """File with the certificate's private key, PEM, without a passphrase."""
    ca: CertificateFile | None = None
    """File with the authorities that certificates of callers are checked against. Without it: the system's."""
    require_client_certificate: bool = False
    """true: whoever connects must show a certificate of one of these authorities."""

    @model_validator(mode="after")
    def _check_key(self) -> SipTlsSettings:
        check_key_fits(self.certificate, self.key)
        return self


class SessionTimerSettings(Section):
    """How calls whose other side is gone are noticed (RFC 4028)."""

    interval_s: WholeNumber = Field(1800, ge=90, le=86_400)
    """Every so many seconds a call is confirmed by one side; without that it ends."""
    minimum_s: WholeNumber = Field(90, ge=90, le=86_400)
    """Shortest interval that a caller may ask for; less gets 422."""

    @model_validator(mode="after")
    def _check_order(self) -> SessionTimerSettings:
        if self.minimum_s > self.interval_s:
            raise wrong("has a minimum_s above its interval_s", "lower minimum_s, or raise interval_s")
        return self


class DnsSettings(Section):
    """Who is asked for the addresses of trunks."""

    servers: tuple[NameServer, ...] = ()
    """ADDRESS or ADDRESS:PORT of name servers. Without them: the system's."""
    timeout_s: Number = Field(2, ge=0.1, le=30)
    """How long an answer is waited for."""


class WebSocketSettings(Section):
    """Browsers, on ws:// and wss://."""

    path: WebSocketPath = "/"
    """Where in the URL SIP is taken; any other path gets 404."""
    origins: tuple[WebOrigin, ...] = ()
    """Pages whose scripts may connect, as https://HOST[:PORT]. Empty: all may, and must prove a password, for a
    browser's address says nothing about the page."""


class SipSettings(Section):
    """Signalling."""

    listen: Annotated[tuple[SipListen, ...], AfterValidator(refuse_repetition)] = Field(
        (ListenAddress("udp", "0.0.0.0", 5060), ListenAddress("tcp", "0.0.0.0", 5060)), min_length=1
    )
    """Addresses to take SIP on: udp://, tcp://, tls://, ws:// or wss:// ADDRESS:PORT."""
    advertise: SipAdvertise | None = None
    """Address or host name that goes into Via and Contact when the gateway stands behind a NAT: one for all, or
    {udp: HOST[:PORT], tcp: …, tls: …, ws: …, wss: …}. Without it: the local address that routes to the peer."""
    local_networks: tuple[SourceNetwork, ...] = tuple(
        parse_network(network)
        for network in (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        )
    )
    """Peers in these networks are told the local address instead of an advertised one, for SIP and for media."""
    tls: SipTlsSettings | None = None
    """Certificate for tls:// and wss://."""
    websocket: WebSocketSettings = WebSocketSettings()
    """Browsers, on ws:// and wss://."""
    session_timer: Annotated[SessionTimerSettings | None, BeforeValidator(read_none), NONE_IS_A_WORD] = (
        SessionTimerSettings()
    )
    """How calls whose other side is gone are noticed (RFC 4028); none switches it off."""
    dns: DnsSettings = DnsSettings()
    """Who is asked for the addresses of trunks."""
    digest: Annotated[tuple[Literal["MD5", "SHA-256", "SHA-512-256"], ...], AfterValidator(refuse_repetition)] = Field(
        ("MD5",), min_length=1
    )
    """Algorithms that phones and callers are challenged with, in this order (RFC 8760). Many phones know only MD5, and
    some of them give up when another one is offered beside it. What we answer at a carrier is the carrier's choice."""
