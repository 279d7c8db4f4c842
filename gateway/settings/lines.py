"""A YAML file as plain values, with the line of every key and the text of every value as it was written.

The file is composed by ruamel.yaml (YAML 1.2: ``off`` and ``yes`` are words, ``012`` is twelve) and walked here, so
that duplicate keys are all reported and ``+15550100`` is still known to have had a plus sign.
"""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from gateway.settings.faults import Fault, Path

MAX_NODES = 50_000
"""Far above any settings file; aliases inside aliases can name more than memory holds."""
MAX_DEPTH = 40

Scalar: TypeAlias = str | int | float | bool | None

_TAG = "tag:yaml.org,2002:"
_NUMBERS_AND_WORDS = frozenset({f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool", f"{_TAG}null"})
_TEXT = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_MERGE = f"{_TAG}merge"


class Document:
    """A settings file as read: values, lines and original texts."""

    def __init__(self) -> None:
        self.data: Any = {}
        self._lines: dict[Path, int] = {(): 1}
        self._texts: dict[Path, str] = {}

    def line_of(self, path: Path) -> int:
        """The line of this key or list item, or of the nearest thing around it that is in the file."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def text_of(self, path: Path) -> str | None:
        """A single value as written in the file, without quotes; None for mappings, lists and absent keys."""
        return self._texts.get(path)

    def note_line(self, path: Path, line: int) -> None:
        """Remember where ``path`` stands."""
        self._lines[path] = line

    def note_text(self, path: Path, text: str) -> None:
        """Remember how a single value was written."""
        self._texts[path] = text


def read_document(text: str) -> tuple[Document, list[Fault]]:
    """Read YAML. A file that is not YAML gives one fault, at the line where the reader got lost."""
    document = Document()
    try:
        with warnings.catch_warnings():
            # An anchor that is defined again just takes its new meaning, as in YAML 1.2.
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return document, [_explain(error, text)]
    except RecursionError:
        return document, [Fault((), 1, "is nested too deeply; write it flat")]
    reader = _Reader(document)
    if root is not None:
        document.data = reader.read(root, (), 0)
    return document, reader.faults


class _Reader:
    """Turns the composed nodes of one document into values."""

    def __init__(self, document: Document) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._scalars = YAML(typ="safe", pure=True).constructor
        self._nodes = 0

    def read(self, node: Node, path: Path, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            return None
        if depth > MAX_DEPTH or self._nodes == MAX_NODES:
            self._nodes = MAX_NODES
            self._fault(path[:6], node, "is nested too deeply or repeats itself; write it out without aliases")
            return None
        if isinstance(node, MappingNode):
            return self._read_mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self._read_child(item, item, (*path, index), depth) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        self._make_whole(node, path)
        self._document.note_text(path, node.value)
        return self._read_scalar(node, path)

    def _read_child(self, key: Node, value: Node, path: Path, depth: int) -> Any:
        self._document.note_line(path, key.start_mark.line + 1)
        return self.read(value, path, depth + 1)

    def _read_mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                values = self._read_merge(value, path, depth) | values
        own_lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, ScalarNode):
                self._fault(path, key, "has a key that is not a word; write <key>: <value>")
                continue
            self._make_whole(key, path)
            if key.value in own_lines:
                where = own_lines[key.value]
                self._fault((*path, key.value), key, f"is already on line {where}; remove one of the two")
            else:
                own_lines[key.value] = key.start_mark.line + 1
                values[key.value] = self._read_child(key, value, (*path, key.value), depth)
        return values

    def _read_merge(self, node: Node, path: Path, depth: int) -> dict[str, Any]:
        """``<<: *anchor``: the anchor's keys, under those written here; of several anchors the first wins."""
        merged: dict[str, Any] = {}
        for source in node.value[::-1] if isinstance(node, SequenceNode) else [node]:
            if isinstance(source, MappingNode):
                merged |= self.read(source, path, depth + 1) or {}
            else:
                self._fault((*path, "<<"), source, "is not a mapping; write <<: *name of an anchored mapping")
        return merged

    def _make_whole(self, node: ScalarNode, path: Path) -> None:
        """Joins the halves in which JSON writes characters beyond U+FFFF (RFC 8259 §7): the YAML reader does not."""
        halves = node.value.encode("utf-16-le", "surrogatepass")
        node.value = halves.decode("utf-16-le", "replace")
        if node.value.encode("utf-16-le") != halves:
            self._fault(path, node, "has half a character in it; write the whole one")

    def _read_scalar(self, node: ScalarNode, path: Path) -> Scalar:
        if node.tag in _NUMBERS_AND_WORDS:
            try:
                value: Scalar = self._scalars.construct_object(node)
            except ValueError:
                return str(node.value)
            return value
        if node.tag not in _TEXT:
            # The tag is not shown: it may be the beginning of an unquoted password.
            self._fault(path, node, 'begins with "!", which means something in YAML; put it in quotes')
        return str(node.value)

    def _fault(self, path: Path, node: Node, text: str) -> None:
        self.faults.append(Fault(path, node.start_mark.line + 1, text))


_QUOTE_IT = "a value begins with a character that means something in YAML; put the value in quotes"

_EXPLANATIONS = (
    # What the reader's context or problem says, whether its context marks the better line, and what to do.
    ("while scanning an alias", False, 'a value begins with "*"; put it in quotes, as in "*"'),
    ("undefined alias", False, 'a value begins with "*"; put it in quotes, as in "*"'),
    ("cannot start any token", False, _QUOTE_IT),
    ("while scanning a directive", False, _QUOTE_IT),
    ("scanning a quoted scalar", True, "a quote is opened here and not closed; close it"),
    ("parsing a flow sequence", True, "a [ is opened here and not closed, or a comma is missing; complete the list"),
    ("parsing a flow mapping", True, "a { is opened here and not closed, or a comma is missing; complete the mapping"),
    ("parsing a flow node", True, "a [ or { is opened here and not closed; close it"),
    ("scanning a simple key", True, "this is not <key>: <value>; put a colon and a space after the key"),
    ("mapping values are not allowed", False, 'there is a second ": " here; quote the value, or indent with care'),
    ("expected a single document", True, "a second document begins after this one; keep one, without ---"),
    ("parsing a block", False, "the indentation does not fit the lines above; align the keys of one section"),
    ("document start", False, "the indentation does not fit the lines above; align the keys of one section"),
)


def _explain(error: YAMLError, text: str) -> Fault:
    """One sentence for the file's author. It shows nothing of the file, where secrets may stand."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Fault((), line, "there is an unprintable character here; remove it")
    if not isinstance(error, MarkedYAMLError):
        return Fault((), 1, "this is not YAML; compare it with config/gateway.yaml")
    at = _line_of(error.problem_mark or error.context_mark)
    lines = text.split("\n")
    written = lines[at - 1] if at <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Fault((), at, "a tab stands before the first word; indent with spaces")
    said = f"{error.context} {error.problem}"
    for words, is_context, explanation in _EXPLANATIONS:
        if words in said:
            return Fault((), _line_of(error.context_mark) if is_context and error.context_mark else at, explanation)
    return Fault((), at, "this is not YAML; compare it with config/gateway.yaml")


def _line_of(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1
