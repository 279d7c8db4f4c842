"""References to the environment and to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.lines import read_document
from gateway.settings.secrets import UnresolvedReferenceError, expand_references, expand_text

ENVIRON = {"KEY": "value", "EMPTY": "", "_x9": "low", "DOLLAR": "${KEY}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${KEY}", "value"),
        ("<${KEY}|${_x9}>", "<value|low>"),
        ("${NOPE:-}", ""),
        ("${NOPE:-a:-b}", "a:-b"),
        ("${EMPTY:-other}", "other"),
        ("${KEY:-other}", "value"),
        ("$KEY and $ {KEY}", "$KEY and $ {KEY}"),
        ("$${KEY}", "${KEY}"),
        ("$$${KEY}", "$${KEY}"),
        ("a$${b}${KEY}", "a${b}value"),
        ("${DOLLAR}", "${KEY}"),
        ("100 $", "100 $"),
        ("", ""),
    ],
)
def test_expand_text(text: str, expanded: str, tmp_path: Path) -> None:
    assert expand_text(text, ENVIRON, tmp_path) == expanded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${NOPE}", "needs the environment variable NOPE, which is not set; set it, or write ${NOPE:-}"),
        ("${EMPTY}", "needs the environment variable EMPTY, which is empty; set it, or write ${EMPTY:-}"),
        ("a ${KEY", "has a ${ without }"),
        ("${}", "has a ${…} that is no reference; write ${NAME}"),
        ("${9X}", "has a ${…} that is no reference"),
        ("${KEY-x}", "has a ${…} that is no reference"),
        ("${a b}", "has a ${…} that is no reference"),
        ("${KEY:-${OTHER}}", "has a reference inside a reference"),
        ("${file:}", "names no file"),
        ("${file:nowhere.txt}", "needs the file nowhere.txt, which cannot be read (No such file or directory)"),
        ("${file:.}", "cannot be read (Is a directory)"),
        ("${file:\0}", "cannot be read (not a file name)"),
        ("${file:big}", "is larger than 65536 bytes"),
        ("${file:binary}", "is not UTF-8 text"),
    ],
)
def test_references_that_lead_nowhere(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 65_537)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UnresolvedReferenceError) as caught:
        expand_text(text, ENVIRON, tmp_path)
    assert words in str(caught.value)


def test_files_are_read_from_the_folder_without_their_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" s3cret \r\n")
    (tmp_path / "two").write_text("a\nb")
    assert expand_text("${file:key}", {}, tmp_path) == " s3cret "
    assert expand_text("<${file: two }>", {}, tmp_path) == "<a\nb>"
    assert expand_text(f"${{file:{tmp_path / 'key'}}}", {}, Path("/nonexistent")) == " s3cret "


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("k")
    assert expand_text("${file:~/key}", {}, Path("/nonexistent")) == "k"


def test_a_whole_document_is_expanded_and_every_failure_is_reported(tmp_path: Path) -> None:
    document, _ = read_document("a: ${KEY}\nb:\n  - ${NOPE}\n  - {c: '${ALSO}', d: 5, e: ~}\n")
    data, faults = expand_references(document, ENVIRON, tmp_path)
    assert data == {"a": "value", "b": ["${NOPE}", {"c": "${ALSO}", "d": 5, "e": None}]}
    assert [(fault.path, fault.line) for fault in faults] == [(("b", 0), 3), (("b", 1, "c"), 4)]
    assert document.data["a"] == "${KEY}", "the file's own values stay as written"


def test_content_is_never_expanded_twice(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("${KEY}")
    assert expand_text("${file:key}", ENVIRON, tmp_path) == "${KEY}"
