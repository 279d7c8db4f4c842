"""A certificate authority for one test, made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """
[ca]
default_ca = test
[test]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:true
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for whatever a test wants, with whatever dates."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._config = folder / "openssl.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01")
        self._run("req", "-x509", *_key(folder / "ca.key"), "-out", self.ca, "-days", "3650", "-subj", f"/CN={name}",
                  "-config", self._config, "-extensions", "authority")  # fmt: skip

    def issue(
        self,
        *alternatives: str,
        common_name: str = "test",
        start: str = "20200101000000Z",
        end: str = "20991231000000Z",
        file: str = "",
    ) -> Pair:
        """A certificate for names such as ``DNS:gw.example`` and ``IP:127.0.0.1``; the dates as ASN.1 writes them."""
        stem = file or f"leaf{(self.folder / 'serial').read_text().strip()}"
        pair = Pair(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        request, extensions = self.folder / f"{stem}.csr", self.folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName = {','.join(alternatives)}\n" if alternatives else "")
        self._run("req", "-new", *_key(pair.key), "-out", request, "-subj", f"/CN={common_name}",
                  "-config", self._config)  # fmt: skip
        self._run("ca", "-batch", "-notext", "-config", self._config, "-in", request, "-out", pair.certificate,
                  "-startdate", start, "-enddate", end, "-extfile", extensions)  # fmt: skip
        return pair

    @staticmethod
    def _run(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def _key(path: Path) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)
