"""Certificates for tests, made with openssl: nothing that expires is kept in the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str, host: str = "gw.example.net") -> tuple[Path, Path]:
    """A self-signed certificate for ``host`` and its key, as PEM files ``name``.pem and ``name``-key.pem."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={host}"]
    names = ["-addext", f"subjectAltName=DNS:{host}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *options, *names], check=True, capture_output=True, timeout=30)
    return certificate, key
