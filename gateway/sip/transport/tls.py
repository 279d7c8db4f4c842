"""Certificates and keys as TLS needs them: what we show to those who connect, and to each trunk that we connect to."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.base.errors import GatewayError
from gateway.sip.transport.tls_names import Certificate, covers, names_of
from gateway.sip.transport.tls_session import TlsFault, TlsSession

SOON_S = 30 * 86_400.0
"""A certificate that ends within a month is spoken of."""


class TlsFileError(GatewayError):
    """A certificate, key or CA that cannot be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What we show to peers that connect. ``ca`` holds the authorities that clients' certificates are checked against;
    without it, where one is required, the system's count."""

    certificate: Path
    key: Path
    ca: Path | None = None
    require_client_certificate: bool = False


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """How we connect to the peers of one trunk.

    Without ``certificate`` none is shown. Without ``ca`` the system's roots count. ``server_name`` replaces the name of
    the target as what the peer's certificate must be for. ``hosts`` are names that the peer goes by: one of them will
    do where only its address is known, as when a connection that it opened is gone. ``verify`` false takes any.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    server_name: str = ""
    verify: bool = True
    hosts: tuple[str, ...] = ()


@dataclass(slots=True)
class _Built:
    """Contexts beside what they were made of; one set of files is read once."""

    server: ssl.SSLContext | None = None
    clients: dict[str, tuple[ClientIdentity, ssl.SSLContext]] = field(default_factory=dict)


class TlsContexts:
    """Holds every context, built once; ``reload`` reads the files again for connections to come.

    ``profile_of`` names the profile for a connection that has to be opened anew to the host of a peer. Raises
    TlsFileError, with all faults, when a file cannot be used.
    """

    def __init__(
        self,
        server: ServerIdentity | None = None,
        clients: Mapping[str, ClientIdentity] | None = None,
        *,
        profile_of: Callable[[str], str] = lambda host: "",
    ) -> None:
        self.profile_of = profile_of
        self._built = _Built()
        faults = self.reload(server, clients or {})
        if faults:
            raise TlsFileError("; ".join(faults))

    @property
    def server(self) -> ssl.SSLContext | None:
        """For the next connection that is accepted; None where no certificate was given."""
        return self._built.server

    def client(self, profile: str) -> tuple[ClientIdentity, ssl.SSLContext]:
        """For the next connection that is opened; a profile nobody defined is the default one."""
        found = self._built.clients.get(profile) or self._built.clients.get("")
        if found is None:
            found = self._built.clients[""] = (ClientIdentity(), _client_context(ClientIdentity()))
        return found

    def reload(self, server: ServerIdentity | None, clients: Mapping[str, ClientIdentity]) -> list[str]:
        """Read every file again. What cannot be used is told, and what was in use before stays in its place.

        So it does without ``server``: whoever listens needs something to show.
        """
        faults: list[str] = []
        old, built = self._built, _Built()
        try:
            built.server = old.server if server is None else _server_context(server)
        except TlsFileError as error:
            faults.append(f"sip.tls: {error}")
            built.server = old.server
        contexts: dict[ClientIdentity, ssl.SSLContext] = {}
        for profile, identity in clients.items():
            alike = replace(identity, server_name="", hosts=())
            try:
                context = contexts.get(alike)
                if context is None:
                    context = contexts[alike] = _client_context(identity)
                built.clients[profile] = (identity, context)
            except TlsFileError as error:
                faults.append(f"{_place(profile)}: {error}")
                if profile in old.clients:
                    built.clients[profile] = old.clients[profile]
        if "" not in built.clients and "" in old.clients:
            built.clients[""] = old.clients[""]
        self._built = built
        return faults


def _place(profile: str) -> str:
    return f"trunks.{profile}.tls" if profile else "sip.tls"


def findings(identity: ServerIdentity | ClientIdentity, names: Collection[str] = ()) -> list[str]:
    """What an operator should know before a peer complains: an end that is near, or names that are not covered.

    ``names`` are the hosts by which peers are told to reach us. Raises TlsFileError when the files cannot be used.
    """
    if identity.certificate is None or identity.key is None:
        return []
    certificate = _read(identity.certificate, identity.key)
    found = []
    ends_in_s = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
    if ends_in_s < SOON_S:
        text = f"{identity.certificate}: ends in {max(0, int(ends_in_s // 86_400))} days ({certificate['notAfter']})"
        found.append(f"{text}; renew it and send SIGHUP")
    for name in names:
        if not covers(certificate, name):
            known = ", ".join(names_of(certificate)) or "nobody"
            text = f"{identity.certificate}: is for {known}, not for {name}, which peers are told to connect to"
            found.append(f"{text}; get one for {name}, or change advertise")
    return found


def _read(certificate: Path, key: Path) -> Certificate:
    """Decode a certificate by shaking hands with it in memory, which also proves that it, its key and chain fit."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(server, certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load_ca(client, certificate)
    ours, theirs = TlsSession(server, is_server=True), TlsSession(client, is_server=False)
    try:
        theirs.start()
        while not theirs.is_open:
            ours.receive(theirs.take_outgoing())
            theirs.receive(ours.take_outgoing())
    except TlsFault as fault:
        reason = str(fault).removeprefix("certificate not accepted: ")
        raise TlsFileError(f"{certificate}: {reason}; renew it or replace it") from fault
    return theirs.certificate


def _server_context(identity: ServerIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _load_pair(context, identity.certificate, identity.key)
    if identity.ca is not None:
        _load_ca(context, identity.ca)
    elif identity.require_client_certificate:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    else:
        return context  # nobody is asked for a certificate
    context.verify_mode = ssl.CERT_REQUIRED if identity.require_client_certificate else ssl.CERT_OPTIONAL
    return context


def _client_context(identity: ClientIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False  # names are compared as RFC 5922 wants it, once the handshake is done
    if not identity.verify:
        context.verify_mode = ssl.CERT_NONE
    elif identity.ca is not None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a peer's own certificate may be given as its CA
        _load_ca(context, identity.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if identity.certificate is not None and identity.key is not None:
        _load_pair(context, identity.certificate, identity.key)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        _check_readable(path)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{key}: is not the key of {certificate}; give the key that the certificate was made for"
        elif "PEM" in str(error):
            text = f"{certificate}, {key}: not PEM, or the key has a password; give PEM files and a key without one"
        else:
            text = f"{certificate}, {key}: {error.reason or error}; give another certificate"
        raise TlsFileError(text) from error


def _load_ca(context: ssl.SSLContext, path: Path) -> None:
    _check_readable(path)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsFileError(f"{path}: holds no certificate in PEM form; give a file of certificates") from error


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TlsFileError(f"{path}: {error.strerror}; give a file that this user can read") from error
