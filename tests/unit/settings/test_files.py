"""Files of certificates are read, and fit their keys, before anything is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from gateway.settings.files import CertificateFile, KeyFile, check_key_fits
from tests.support.certificates import Authority


class Named(BaseModel):
    certificate: CertificateFile
    key: KeyFile


def refusals(values: dict[str, object], folder: Path) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Named.model_validate(values, context={"folder": folder})
    return [error["ctx"]["problem"] for error in caught.value.errors()]


def test_paths_are_taken_from_the_settings_files_folder(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example.net", file="gw")
    certificate, key = pair.certificate, pair.key
    named = Named.model_validate({"certificate": "gw.pem", "key": str(key)}, context={"folder": tmp_path})
    assert (named.certificate, named.key) == (certificate, key)
    assert Named.model_validate(named.model_dump()) == named
    check_key_fits(certificate, key)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    key = Authority(tmp_path).issue("DNS:gw.example.net", file="gw").key
    (tmp_path / "empty.pem").write_text("")
    assert refusals({"certificate": "missing.pem", "key": "."}, tmp_path) == [
        "cannot be read (No such file or directory)",
        "cannot be read (Is a directory)",
    ]
    assert refusals({"certificate": str(key), "key": "empty.pem"}, tmp_path) == [
        "holds no certificate",
        "holds no private key",
    ]
    assert refusals({"certificate": 5, "key": " "}, tmp_path) == ["is not the name of a file"] * 2


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("DNS:gw.example.net", file="one").certificate
    key = authority.issue("DNS:gw.example.net", file="two").key
    with pytest.raises(PydanticCustomError, match="not the certificate's"):
        check_key_fits(certificate, key)


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example.net", file="one")
    certificate, key = pair.certificate, pair.key
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:secret"], check=True, timeout=30
    )
    with pytest.raises(PydanticCustomError, match="passphrase"):
        check_key_fits(certificate, locked)
