"""TLS on one connection, as bytes in and bytes out: the sockets, limits and timers are the connection's."""

from __future__ import annotations

import ssl

from gateway.sip.transport.tls_names import Certificate

_READ_BYTES = 65536


class TlsFault(Exception):
    """The peer's TLS, or its certificate, is not acceptable. ``rule`` is for the log, the event and the metric."""

    def __init__(self, text: str, rule: str = "tls_handshake") -> None:
        super().__init__(text)
        self.rule = rule


class TlsSession:
    """``receive`` what came, ``write`` what is to go, and send ``take_outgoing`` after either."""

    def __init__(self, context: ssl.SSLContext, *, is_server: bool, server_name: str = "") -> None:
        """``server_name`` is sent as SNI, unless it is an IP address. Raises TlsFault for what is no host name."""
        self.is_open = False
        """The handshake is done."""
        self.is_ended = False
        """The peer said that no more will come."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._object = context.wrap_bio(
                self._incoming, self._outgoing, server_side=is_server, server_hostname=server_name or None
            )
        except (ValueError, UnicodeError, ssl.SSLError) as error:
            raise TlsFault(f"{server_name!r} is no name that TLS can ask for: {error}") from error

    def start(self) -> None:
        """The client speaks first."""
        self._shake_hands()

    def receive(self, data: bytes) -> bytes:
        """What the peer said, decrypted; b"" while there is nothing. Raises TlsFault."""
        self._incoming.write(data)
        if not self.is_open and not self._shake_hands():
            return b""
        return self._read()

    def write(self, data: bytes) -> None:
        """Encrypt. Only after the handshake."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsFault(_text_of(error), "tls_broken") from error

    def take_outgoing(self) -> bytes:
        """What must go to the peer."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def end(self) -> None:
        """Say that no more will come from us (close_notify)."""
        if self.is_open:
            try:
                self._object.unwrap()
            except (ssl.SSLError, OSError):
                return  # the peer's own goodbye has not come, and nobody waits for it

    @property
    def certificate(self) -> Certificate:
        """The peer's verified certificate; empty when it showed none, or none was asked for."""
        return self._object.getpeercert() or {}

    @property
    def version(self) -> str:
        """For example ``TLSv1.3``; "" before the handshake is done."""
        return (self._object.version() or "") if self.is_open else ""

    def _shake_hands(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            raise TlsFault(f"certificate not accepted: {error.verify_message}", "tls_certificate") from error
        except (ssl.SSLError, OSError) as error:
            text = _text_of(error)
            rule = "tls_client_certificate" if "did not return a certificate" in text else "tls_handshake"
            raise TlsFault(text, rule) from error
        self.is_open = True
        return True

    def _read(self) -> bytes:
        chunks: list[bytes] = []
        try:
            while chunk := self._object.read(_READ_BYTES):
                chunks.append(chunk)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        except (ssl.SSLError, OSError) as error:
            raise TlsFault(_text_of(error), "tls_broken") from error
        return b"".join(chunks)


def _text_of(error: Exception) -> str:
    """OpenSSL's reason in words: ``peer did not return a certificate``, ``wrong version number``."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)
