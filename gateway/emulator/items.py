"""The items of a conversation: what was said and called, in order, and the rules for changing them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.emulator.session_settings import Refused

Content = dict[str, Any]

_PART_TYPES = {
    "user": ("input_text", "input_audio"),
    "system": ("input_text",),
    "assistant": ("text", "output_text", "audio", "output_audio"),
    "tool": ("input_text", "text"),
}
"""The parts a message of each role may have."""


@dataclass(slots=True)
class Item:
    """A message, a function call or its output. ``audio_ms`` is the audio produced for it so far."""

    id: str
    type: str
    role: str | None = None
    status: str = "completed"
    content: list[Content] = field(default_factory=list)
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    audio_ms: float = 0.0
    is_truncated: bool = False

    def as_wire(self) -> dict[str, Any]:
        """The item as events carry it."""
        wire: dict[str, Any] = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.type == "message":
            wire["role"] = self.role
            wire["content"] = [dict(part) for part in self.content]
        for name in ("call_id", "name", "arguments", "output"):
            value = getattr(self, name)
            if value is not None:
                wire[name] = value
        return wire

    @property
    def text(self) -> str:
        """All words of it."""
        parts = [str(part.get("text") or part.get("transcript") or "") for part in self.content]
        return " ".join([*filter(None, parts), *filter(None, (self.arguments, self.output))])


class Items:
    """The conversation's list."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """The tail's id."""
        return self._items[-1].id if self._items else None

    def before(self, item: Item) -> str | None:
        """The id of the item before this one; None at the head, or when the item was deleted."""
        previous = None
        for known in self._items:
            if known is item:
                return previous
            previous = known.id
        return None

    def find(self, item_id: str | None, param: str = "item_id") -> Item:
        """The item of an id; raises :class:`Refused`."""
        for item in reversed(self._items):
            if item.id == item_id:
                return item
        raise Refused(param, f"there is no item {item_id!r} in the conversation")

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Insert behind the item ``after`` ("root": at the head; None: at the tail). Answers the predecessor's id."""
        if any(known.id == item.id for known in self._items):
            raise Refused("item.id", f"the conversation already has an item {item.id!r}")
        if after == "root":
            position = 0
        elif after is None:
            position = len(self._items)
        else:
            position = self._items.index(self.find(after, "previous_item_id")) + 1
        self._items.insert(position, item)
        return self._items[position - 1].id if position else None

    def delete(self, item_id: str | None) -> None:
        """Forget an item; raises :class:`Refused`."""
        self._items.remove(self.find(item_id))

    def truncate(self, item_id: str | None, audio_end_ms: int) -> Item:
        """Cut an assistant message's audio and words; raises :class:`Refused` and changes nothing."""
        item = self.find(item_id)
        if item.type != "message" or item.role != "assistant":
            raise Refused("item_id", "only an assistant's message can be truncated")
        if audio_end_ms > item.audio_ms:
            reason = f"audio_end_ms {audio_end_ms} is beyond the item's {item.audio_ms:.0f} ms of audio"
            raise Refused("audio_end_ms", reason)
        share = audio_end_ms / item.audio_ms if item.audio_ms else 0.0
        for part in item.content:
            for words in ("transcript", "text"):
                if words in part:
                    part[words] = first_words(str(part[words]), share)
        item.audio_ms = float(audio_end_ms)
        item.is_truncated = True
        return item

    def unanswered_calls(self) -> list[Item]:
        """Function calls without an output, those of cancelled responses included."""
        answered = {item.call_id for item in self._items if item.type == "function_call_output"}
        return [item for item in self._items if item.type == "function_call" and item.call_id not in answered]

    def open_calls(self) -> list[Item]:
        """Complete function calls without an output: no response may start while there is one."""
        return [call for call in self.unanswered_calls() if call.status == "completed"]

    def count_tokens(self) -> int:
        """A plausible size of the prompt: four thirds of a token for each word."""
        return sum(4 + count_tokens(item.text) for item in self._items)


def item_of_client(fields: dict[str, Any], item_id: str, items: Items) -> Item:
    """The item a client asks to create; raises :class:`Refused` when it makes no sense."""
    kind = fields.get("type")
    if kind == "message":
        return _message(fields, item_id)
    if kind == "function_call":
        return Item(
            item_id,
            "function_call",
            call_id=_text_of(fields, "call_id"),
            name=_text_of(fields, "name"),
            arguments=str(fields.get("arguments") or ""),
        )
    if kind == "function_call_output":
        call_id = _text_of(fields, "call_id")
        if call_id not in {call.call_id for call in items.unanswered_calls()}:
            raise Refused("item.call_id", f"there is no open function call {call_id!r}")
        return Item(item_id, "function_call_output", call_id=call_id, output=_text_of(fields, "output"))
    raise Refused("item.type", f"an item is a message, function_call or function_call_output, not {kind!r}")


def first_words(text: str, share: float) -> str:
    """The words spoken in the first ``share`` (0..1) of a text's audio."""
    words = text.split()
    return " ".join(words[: int(len(words) * share + 1e-9)])


def count_tokens(text: str) -> int:
    """About as many as a language model would count."""
    return -(-4 * len(text.split()) // 3)


def arguments_text(arguments: dict[str, Any] | str) -> str:
    """A function call's arguments as the JSON text of the wire; text stays as it is."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _message(fields: dict[str, Any], item_id: str) -> Item:
    role = fields.get("role")
    if not isinstance(role, str) or role not in _PART_TYPES:
        raise Refused("item.role", f"a message is of {', '.join(_PART_TYPES)}, not {role!r}")
    content = fields.get("content")
    if not isinstance(content, list) or not content:
        raise Refused("item.content", "a message needs content", code="missing_required_parameter")
    allowed = _PART_TYPES[role]
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in allowed:
            raise Refused(f"item.content[{index}].type", f"a part of a {role} message is one of {', '.join(allowed)}")
    # Pre-recorded audio is kept by its transcript only: nothing here would listen to it.
    kept = [{key: value for key, value in part.items() if key != "audio"} for part in content]
    return Item(item_id, "message", role=str(role), content=kept)


def _text_of(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Refused(f"item.{name}", f"{name} is needed", code="missing_required_parameter")
    return value
