"""Files that the settings name: certificates and their keys, readable and fitting before anything is started."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from gateway.settings.values import wrong

_STRING = {"type": "string"}


def _read_pem(value: object, info: ValidationInfo, kind: str) -> Path:
    """The path, taken from the settings file's folder, of a file that holds PEM text of the kind."""
    if isinstance(value, Path):
        return value
    folder = Path((info.context or {}).get("folder", "."))
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong("is not the name of a file", f"write the path of the {kind}; it is taken from {folder}")
    path = folder / Path(value)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "not a file name"
        raise wrong(
            f"cannot be read ({reason})", f"check the path, which is taken from {folder}, and its permissions"
        ) from None
    mark = "CERTIFICATE" if kind == "certificate" else "PRIVATE KEY"
    if f"{mark}-----".encode() not in content:
        raise wrong(f"holds no {kind}", f'name a PEM file: text with a line "-----BEGIN {mark}-----"')
    return path


def _read_certificate(value: object, info: ValidationInfo) -> Path:
    return _read_pem(value, info, "certificate")


def _read_key(value: object, info: ValidationInfo) -> Path:
    return _read_pem(value, info, "private key")


CertificateFile: TypeAlias = Annotated[
    Path, PlainValidator(_read_certificate), PlainSerializer(str), WithJsonSchema(_STRING)
]
KeyFile: TypeAlias = Annotated[Path, PlainValidator(_read_key), PlainSerializer(str), WithJsonSchema(_STRING)]


def check_key_fits(certificate: Path, key: Path) -> None:
    """Raises a fault when the two do not belong together, or the key has a passphrase."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A passphrase would be asked for at the terminal; this one is wrong.
        context.load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise wrong(
                "has a key that is not the certificate's", "name the key the certificate was made with"
            ) from None
        raise wrong(
            "has a certificate or key that cannot be used", "name PEM files; a key must have no passphrase"
        ) from None
    except OSError as error:
        raise wrong(f"has files that cannot be read ({error.strerror})", "check the paths") from None
