"""The settings' certificates: who we are on TLS, toward everybody and toward each trunk, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.settings.match import trunk_table
from gateway.settings.schema import Settings, TrunkSettings
from gateway.settings.values import TLS_SCHEMES
from gateway.sip.transport.tls import ClientIdentity, ServerIdentity, TlsContexts, TlsFileError, findings


class Certificates:
    """Holds the contexts of the running settings. Raises TlsFileError when a file cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._trunks = trunk_table(settings.trunks)
        self.contexts = TlsContexts(_server(settings), _clients(settings), profile_of=self._profile_of)

    def apply(self, settings: Settings) -> list[str]:
        """Read the files again; answers with the faults. What is at fault stays as it was."""
        self._trunks = trunk_table(settings.trunks)
        return self.contexts.reload(_server(settings), _clients(settings))

    def _profile_of(self, host: str) -> str:
        return self._trunks.find(host) or ""


def certificate_findings(settings: Settings) -> list[str]:
    """What should be told before a peer stumbles over it: expired, about to expire, not for the name we go by."""
    found: list[str] = []
    for identity, names in _shown(settings):
        try:
            found += findings(identity, names)
        except TlsFileError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _shown(settings: Settings) -> Iterator[tuple[ServerIdentity | ClientIdentity, tuple[str, ...]]]:
    server = _server(settings)
    if server is not None:
        yield server, _advertised(settings)
    for client in _clients(settings).values():
        if server is None or client.certificate != server.certificate:
            yield client, ()


def _advertised(settings: Settings) -> tuple[str, ...]:
    """The hosts by which peers are told to reach us over TLS."""
    listening = {address.scheme for address in settings.sip.listen if address.scheme in TLS_SCHEMES}
    told = [settings.sip.advertise.find(scheme) for scheme in sorted(listening)] if settings.sip.advertise else []
    own = [trunk.advertise for trunk in settings.trunks.values() if trunk.advertise and "tls" in listening]
    return tuple(dict.fromkeys([host for host, _ in filter(None, told)] + own))


def _server(settings: Settings) -> ServerIdentity | None:
    tls = settings.sip.tls
    return None if tls is None else ServerIdentity(tls.certificate, tls.key, tls.ca, tls.require_client_certificate)


def _clients(settings: Settings) -> dict[str, ClientIdentity]:
    """The default under ``""``, and each trunk that differs from it."""
    tls = settings.sip.tls
    default = ClientIdentity(tls.certificate, tls.key, tls.ca) if tls is not None else ClientIdentity()
    own = {name: _client(trunk, default) for name, trunk in settings.trunks.items()}
    return {"": default, **{name: identity for name, identity in own.items() if identity != default}}


def _client(trunk: TrunkSettings, default: ClientIdentity) -> ClientIdentity:
    tls = trunk.tls
    certificate, key = (tls.certificate, tls.key) if tls.certificate else (default.certificate, default.key)
    hosts = tuple(dict.fromkeys(uri.host for uri in trunk.targets))
    return ClientIdentity(certificate, key, tls.ca, tls.server_name or "", tls.verify, hosts)
