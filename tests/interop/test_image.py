"""The Dockerfile's steps, proved without an engine by deploy/prove-image.sh: build, serve unprivileged, stop."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.interop
@pytest.mark.timeout(300)
def test_the_images_steps_build_serve_and_stop() -> None:
    done = subprocess.run(
        [str(ROOT / "deploy" / "prove-image.sh")], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":"ready"' in done.stdout


def test_the_script_does_what_the_dockerfile_says() -> None:
    """The proof is worth something only while both run the same install and the same command."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    script = (ROOT / "deploy" / "prove-image.sh").read_text()
    install = r"pip\"? install .*--no-cache-dir --constraint constraints\.txt \."
    assert re.search(install, dockerfile)
    assert re.search(install, script)
    copied = re.findall(r"^COPY (?!--from)(.+) \./?\S*$", dockerfile, flags=re.M)
    for name in " ".join(copied).replace("./gateway", "gateway").split():
        assert name in script, f"the image copies {name}, the proof does not"
    assert "USER gateway" in dockerfile
    assert "setpriv" in script
