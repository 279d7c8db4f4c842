"""Who this gateway is over TLS, to whoever connects and to each trunk, as the settings say."""

from __future__ import annotations

from collections.abc import Collection

from gateway.settings.match import trunk_table
from gateway.settings.schema import Settings, TrunkSettings
from gateway.sip.transport.tls import ClientIdentity, ServerIdentity, TlsContexts, findings


class TlsIdentities:
    """The contexts of ``sip.tls`` and ``trunks.*.tls``. The name of a trunk is the name of its profile.

    Raises TlsFileError when a file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trunks = trunk_table(settings.trunks)
        self.contexts = TlsContexts(
            server_identity(settings),
            client_identities(settings),
            profile_of=lambda host: self._trunks.find(host) or "",
        )

    def _profile_of(self, host: str) -> str:
        return self._trunks.find(host) or ""

    def apply(self, settings: Settings) -> list[str]:
        """Reads every file again for connections to come; tells what cannot be used, for which the former one stays."""
        self._settings = settings
        self._trunks = trunk_table(settings.trunks)
        return self.contexts.reload(server_identity(settings), client_identities(settings))

    def findings(self) -> list[str]:
        """Certificates that end soon, or that are not for the name by which peers are told to connect."""
        server = server_identity(self._settings)
        found = [] if server is None else findings(server, _advertised_names(self._settings))
        for name, identity in client_identities(self._settings).items():
            if name and identity.certificate is not None:
                found += [finding for finding in findings(identity) if finding not in found]
        return found


def server_identity(settings: Settings) -> ServerIdentity | None:
    """What is shown to those who connect."""
    tls = settings.sip.tls
    if tls is None:
        return None
    return ServerIdentity(tls.certificate, tls.key, tls.ca, tls.require_client_certificate)


def client_identities(settings: Settings) -> dict[str, ClientIdentity]:
    """What each trunk is shown and how it is checked, by the trunk's name; "" is for everybody else."""
    tls = settings.sip.tls
    default = ClientIdentity() if tls is None else ClientIdentity(tls.certificate, tls.key, tls.ca)
    return {"": default, **{name: _toward(trunk, default) for name, trunk in settings.trunks.items()}}


def _toward(trunk: TrunkSettings, default: ClientIdentity) -> ClientIdentity:
    tls = trunk.tls
    has_own = tls.certificate is not None
    return ClientIdentity(
        certificate=tls.certificate if has_own else default.certificate,
        key=tls.key if has_own else default.key,
        ca=tls.ca,
        server_name=tls.server_name or "",
        verify=tls.verify,
    )


def _advertised_names(settings: Settings) -> Collection[str]:
    advertise = settings.sip.advertise
    names = (advertise.find(transport) for transport in ("tls", "wss")) if advertise is not None else ()
    return {name[0] for name in names if name is not None}
