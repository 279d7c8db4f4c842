"""The Dockerfile's steps, proved without an engine by deploy/prove-image.sh: build, serve unprivileged, stop."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "prove-image.sh"


@pytest.mark.interop
@pytest.mark.timeout(300)
def test_the_images_steps_build_serve_and_stop() -> None:
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":"ready"' in done.stdout
    assert "pass the health check" in done.stdout


def test_the_script_does_what_the_dockerfile_says() -> None:
    """The proof is worth something only while both run the same commands."""
    build, image = dockerfile_stages()
    script = script_commands()
    for step in commands_of(build["RUN"][0]):
        assert step in script, step
    assert [*json.loads(image["ENTRYPOINT"][0]), *json.loads(image["CMD"][0])] in script
    health = image["HEALTHCHECK"][0].partition(" CMD ")[2]
    assert json.loads(health) in script


def test_the_script_builds_from_what_the_image_copies() -> None:
    build, image = dockerfile_stages()
    sources = [word for copy in build["COPY"] for word in copy.split()[:-1]]
    sources += [word for copy in image["COPY"] if "--from" not in copy for word in copy.split()[:-1]]
    (archive,) = [command for command in script_commands() if command[:2] == ["git", "archive"]]
    exported = archive[archive.index("HEAD") + 1 : archive.index("|")]
    assert all(source in exported or source.partition("/")[0] in exported for source in sources)


def test_neither_runs_as_root() -> None:
    _, image = dockerfile_stages()
    assert image["USER"] == ["gateway"]
    assert re.search(r"useradd --system --uid [1-9]\d+ .* gateway$", commands_text(image["RUN"][0])[0])
    assert re.search(r"run=\(setpriv --reuid [1-9]\d+ --regid [1-9]\d+ --clear-groups\)", SCRIPT.read_text())


def dockerfile_stages() -> list[dict[str, list[str]]]:
    """Of each stage, in order, the arguments of its instructions by name."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    stages: list[dict[str, list[str]]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            stages.append({})
        if name:
            stages[-1].setdefault(name, []).append(arguments.strip())
    return stages


def commands_text(run: str) -> list[str]:
    return [text.strip() for text in run.split("&&")]


def commands_of(run: str) -> list[list[str]]:
    """The commands of a RUN instruction as the words that are run."""
    return [shlex.split(text.replace("/opt/gateway/bin/", "")) for text in commands_text(run)]


def script_commands() -> list[list[str]]:
    """The script's commands as the image would have them: its paths and ports for the proof's."""
    moved = {
        '"$work/gateway/bin/': '"',
        '"$work/gateway.yaml"': "/etc/gateway/gateway.yaml",
        '"$work/gateway"': "/opt/gateway",
        "127.0.0.1:$http": "127.0.0.1:8080",
        '"${run[@]}" ': "",
        "python3 ": "python ",
        " --quiet --disable-pip-version-check": "",
    }
    commands: list[list[str]] = []
    for line in SCRIPT.read_text().splitlines():
        text = re.sub(r' >"\$work/log" 2>&1 &$', "", line.strip())
        for proof, image in moved.items():
            text = text.replace(proof, image)
        inner = re.fullmatch(r'\(cd "\$work/src" && (.+)\)', text)
        with contextlib.suppress(ValueError):  # a piece of a command that goes on in the next line
            commands.append(shlex.split(inner[1] if inner else text))
    return commands
