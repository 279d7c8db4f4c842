"""The independent programs of the interop tests: there, or the test is skipped; on CI, there or the test fails."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = "sip-tester baresip-core tcpdump kamailio kamailio-tls-modules socat"
INSTALL = f"run tests/peers.sh as root, or: apt-get install {PACKAGES}"


def require(*programs: str) -> None:
    """Skips (where CI=true: fails) unless every program is installed and capturing is permitted when asked for."""
    missing = [program for program in programs if shutil.which(program) is None]
    if "tcpdump" in programs and os.geteuid() != 0:
        missing.append("the right to capture (root)")
    if not missing:
        return
    reason = f"needs {', '.join(missing)}: {INSTALL}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
