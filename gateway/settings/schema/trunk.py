"""Where calls come from and go to: trunks (carriers, PBXs), and accounts (phones that register here)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from gateway.settings import templates, values
from gateway.settings.files import CertificateFile, KeyFile, check_key_fits
from gateway.settings.schema.section import (
    STRING,
    AdvertisedHost,
    Number,
    Password,
    Pattern,
    Section,
    SourceNetwork,
    WholeNumber,
)
from gateway.settings.values import wrong
from gateway.sip.uri import SipUri

TargetUri: TypeAlias = Annotated[
    SipUri, PlainValidator(values.parse_target), PlainSerializer(str), WithJsonSchema(STRING)
]
SipUser: TypeAlias = Annotated[str, AfterValidator(values.check_sip_user)]
HostName: TypeAlias = Annotated[str, PlainValidator(values.parse_advertised_host), WithJsonSchema(STRING)]
AccountName: TypeAlias = Annotated[str, AfterValidator(values.check_account_name)]
OwnHeader: TypeAlias = Annotated[str, AfterValidator(templates.check_own_header)]
HeaderTemplate: TypeAlias = Annotated[str, AfterValidator(templates.check_header_template)]
VariableName: TypeAlias = Annotated[str, AfterValidator(templates.check_variable_name)]
ReadHeader: TypeAlias = Annotated[str, AfterValidator(templates.check_header_name)]
HeaderTemplates: TypeAlias = Mapping[OwnHeader, HeaderTemplate]


class TrunkTlsSettings(Section):
    """TLS toward this trunk."""

    certificate: CertificateFile | None = None
    """File with the certificate that this trunk is shown, PEM. Without it: sip.tls."""
    key: KeyFile | None = None
    """File with its private key, PEM, without a passphrase."""
    ca: CertificateFile | None = None
    """File with the authorities that the trunk's certificate is checked against. Without it: the system's."""
    server_name: HostName | None = None
    """Name that the trunk's certificate must have. Without it: the host of the target."""
    verify: bool = True
    """false: any certificate will do, also a forged one."""

    @model_validator(mode="after")
    def _check_key(self) -> TrunkTlsSettings:
        if (self.certificate is None) != (self.key is None):
            raise wrong("has only one of certificate and key", "write both, or neither")
        if self.certificate is not None and self.key is not None:
            check_key_fits(self.certificate, self.key)
        return self


class TrunkHeaderSettings(Section):
    """Headers that go out, as {Name: "text with {{variables}}"}. One that turns out empty is left out."""

    invite: HeaderTemplates = Field(default_factory=dict)
    """In the INVITE of calls that are placed."""
    answer: HeaderTemplates = Field(default_factory=dict)
    """In the 200 to calls that come in."""
    refer: HeaderTemplates = Field(default_factory=dict)
    """In the REFER of a transfer."""
    bye: HeaderTemplates = Field(default_factory=dict)
    """In the BYE of a hang-up."""


class TrunkSettings(Section):
    """A carrier, PBX or group of phones."""

    targets: tuple[TargetUri, ...] = Field((), examples=["['sip:sip.example.net;transport=tls']"])
    """Where calls are placed, tried in order: sip:HOST[:PORT][;transport=udp|tcp|tls]. NAPTR and SRV are followed for
    a host name without a port."""
    accept_from: tuple[SourceNetwork, ...] = Field((), examples=["[198.51.100.0/24]"])
    """Addresses and networks whose calls belong to this trunk. The most specific network of all trunks wins."""
    challenge: bool = False
    """true: calls must prove username and password (digest); also calls from addresses that no trunk lists."""
    username: SipUser | None = None
    """User name for digest: ours toward this trunk, and theirs when challenge is true."""
    password: Password | None = None
    """The password that belongs to it."""
    realm: str | None = Field(None, min_length=1, max_length=255)
    """The only realm whose challenge is answered with this password, and the one we challenge with. Without it: any
    realm is answered, and we challenge with node.name."""
    registers: bool = Field(False, alias="register")
    """true: the gateway registers at the first target, so that calls find it."""
    register_expires_s: WholeNumber = Field(3600, ge=60, le=86_400)
    """How long a registration shall last, which the trunk may shorten; it is refreshed before its end."""
    max_calls: WholeNumber | None = Field(None, ge=1, le=30_000)
    """Calls at the same time on this trunk; the next one gets 486. Without it only node.max_calls counts."""
    calls_per_second: Number | None = Field(None, ge=0.1, le=10_000)
    """New calls in a second, both ways; more from the trunk get 503 with Retry-After, more orders 429. Without it: no
    limit."""
    from_user: SipUser | None = None
    """User in the From of calls that are placed without one. Without it: username."""
    from_domain: HostName | None = None
    """Host in the From of calls that are placed. Without it: the host of the target when we have a username there,
    else our own address."""
    outbound_proxy: TargetUri | None = None
    """Where requests to the targets are sent first."""
    tls: TrunkTlsSettings = TrunkTlsSettings()
    """TLS toward this trunk."""
    advertise: AdvertisedHost | None = None
    """Address or host name that this trunk is told in Via and Contact. Without it: sip.advertise."""
    options_s: WholeNumber = Field(30, ge=0, le=3600)
    """Every so many seconds each target is asked with OPTIONS whether it is there; 0 switches this off."""
    ring_timeout_s: WholeNumber = Field(60, ge=5, le=600)
    """How long a call that is placed may ring."""
    allow_destinations: tuple[Pattern, ...] = Field((), examples=["['+1*', '+44*']"])
    """Numbers and users that may be called over this trunk; everything else is refused. ``*`` stands for any
    characters or none. Empty: nothing may be called."""
    assert_identity: bool = False
    """true: the caller's number is sent in P-Asserted-Identity (RFC 3325) too."""
    privacy: bool = False
    """true: From is anonymous and the trunk is asked to keep the number to itself (Privacy: id)."""
    reliable_provisionals: Literal["off", "supported", "required"] = "supported"
    """Whether ringing and early media are acknowledged (PRACK, RFC 3262). supported: where the other side can.
    required: calls we place insist on it. off: only with a caller that insists."""
    early_media: bool = False
    """true: callers hear the agent before the call is answered (183)."""
    transfer: Literal["refer", "off"] = "refer"
    """How calls of this trunk, those we place included, are transferred: the trunk is asked to (REFER), or not at all.

    What it asks of us by a REFER of its own is another matter: follow_refer.
    """
    follow_refer: bool = False
    """true: the far end of a call of this trunk may send the agent elsewhere by REFER, to whom allow_destinations lets
    us call over this trunk; the agent goes on talking there. false: such a REFER is declined (603)."""
    headers: TrunkHeaderSettings = TrunkHeaderSettings()
    """Headers that go out."""
    variables: Mapping[VariableName, ReadHeader] = Field(default_factory=dict)
    """Call variables from headers of the INVITE, {name: Header-Name}; agents' texts and headers use them as
    {{name}}."""


class AccountSettings(Section):
    """A phone that registers here with this name as its user."""

    password: Password = Field(examples=["${PHONE_1001}"])
    """Its password."""
    max_contacts: WholeNumber = Field(5, ge=1, le=50)
    """Devices that may be registered at the same time."""
