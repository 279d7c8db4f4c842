"""Each kind of finding in words: the value as it stands in the file, what is wrong, what to write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.lines import read_document
from gateway.settings.schema import Settings
from gateway.settings.wording import describe, is_consequence, show_value, value_at

NOT_A_MAPPING = "is not a mapping; write <key>: <value> lines under it, with a space after each colon"

REQUIRED = """
inworld: {api_key: k}
trunks: {carrier: {accept_from: [198.51.100.0/24]}}
agents: {desk: {}}
routes: [{agent: desk}]
"""


def findings(text: str) -> list[str]:
    """The faults of a file whose other sections are in order."""
    needed = [line for line in REQUIRED.split("\n") if line.split(":")[0] not in text or not line]
    document, faults = read_document("\n".join([text, *needed]))
    assert not faults
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(document.data)
    return [str(describe(error, document)) for error in caught.value.errors() if not is_consequence(error, document)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node: {max_calls: many}", 'node.max_calls: "many" is not a whole number; write one, without quotes'),
        ("node: {max_calls: 1.5}", "node.max_calls: 1.5 is not a whole number; write one, without quotes"),
        ("node: {max_calls: []}", "node.max_calls: this list is not a whole number; write one, without quotes"),
        ("node: {max_calls: true}", "node.max_calls: true is not a number; write a number"),
        ("node: {max_calls: 0}", "node.max_calls: 0 is too small; write 1 or more"),
        ("node: {max_calls: 0x7fffffff}", "node.max_calls: 0x7fffffff is too large; write 30000 or less"),
        ("node: {name: two words}", 'node.name: "two words" is not a name; use letters, digits, ".", "_" and "-"'),
        ("node: {name: 5}", 'node.name: 5 is not text to YAML; put it in quotes: "5"'),
        ("node: {name: [a]}", "node.name: this list stands where text is wanted; write text, in quotes if in doubt"),
        ("media: {silence_timeout_s: .inf}", "media.silence_timeout_s: .inf is too large; write 86400 or less"),
        (
            "media: {silence_timeout_s: long}",
            'media.silence_timeout_s: "long" is not a number; write one, without quotes',
        ),
        ("media: {codecs: PCMU}", 'media.codecs: "PCMU" is not a list; write [ … ], or lines that begin with "- "'),
        ("media: {codecs: [pcmu]}", "media.codecs[0]: \"pcmu\" is not a choice here; write 'PCMU' or 'PCMA'"),
        ("media: {codecs: [opus]}", 'media.codecs[0]: "opus" is not in this version; write PCMU or PCMA'),
        ("media: {codecs: []}", "media.codecs: this list is empty; name at least 1"),
        ("media: {codecs: [PCMA, PCMA]}", "media.codecs: this list names something twice; remove one of the two"),
        ("control: {metrics: perhaps}", 'control.metrics: "perhaps" is neither true nor false; write one of them'),
        (
            "control: yes",
            f"control: {NOT_A_MAPPING}",
        ),
        (
            "inworld: {api_key: k, chunk_ms: 50}",
            "inworld.chunk_ms: 50 is not a multiple of 20; write one",
        ),
        ("inworld: {}", "inworld.api_key: is missing; add it, for example api_key: ${INWORLD_API_KEY}"),
        (
            "routes: [{agent: desk, to: +15550100}]",
            'routes[0].to: +15550100 is a number to YAML, and a phone number is text; put it in quotes: "+15550100"',
        ),
        (
            "routes: [{agent: desk, from: 0049}]",
            'routes[0].from: 0049 is a number to YAML, and a phone number is text; put it in quotes: "0049"',
        ),
        ("routes: []", "routes: this list is empty; name at least 1"),
        ("routes: [{}]", "routes[0].agent: is missing; add it, for example agent: receptionist"),
        ("agents: {}", "agents: this mapping is empty; name at least 1"),
        (
            "trunks: {a b: {accept_from: [::1]}}",
            'trunks."a b": "a b" is not a name; use letters, digits, ".", "_" and "-"',
        ),
        (
            "trunks: {carrier: {accept_from: [198.51.100.0/33]}}",
            'trunks.carrier.accept_from[0]: "198.51.100.0/33" is not a network; '
            "write an address or network such as 198.51.100.0/24",
        ),
        (
            "agents: {desk: {greeting: hello}}",
            f"agents.desk.greeting: {NOT_A_MAPPING}",
        ),
        (
            "agents: {desk: {greeting: {say: ''}}}",
            'agents.desk.greeting.say: "" is empty; write some text, or leave the key out',
        ),
        ("agents: {desk: {sesion: {}}}", "agents.desk.sesion: is unknown; did you mean session?"),
        ("unknown_callers: 404", "unknown_callers: 404 is not a choice here; write 'silence' or '403'"),
    ],
)
def test_every_kind_of_finding(text: str, said: str) -> None:
    assert findings(text) == [said]


def test_a_refused_entry_does_not_also_make_its_list_empty() -> None:
    assert findings("routes: [nonsense]") == [f"routes[0]: {NOT_A_MAPPING}"]


def test_a_broken_reference_is_shown_as_written() -> None:
    document, _ = read_document("node: {max_calls: '${CALLS}'}\n")
    assert show_value(("node", "max_calls"), document) == '"${CALLS}"'


def test_long_and_dangerous_values_are_cut_and_masked() -> None:
    document, _ = read_document(
        f"node: {{name: {'x' * 100}}}\ninworld: {{api_key: geheim, url: 'wss://me:geheim@h/?token=geheim'}}\n"
    )
    assert show_value(("node", "name"), document) == '"' + "x" * 59 + '…"'
    assert show_value(("inworld", "api_key"), document) == "***"
    assert "geheim" not in show_value(("inworld", "url"), document)


def test_value_at() -> None:
    data = {"a": [{"b": 1}]}
    assert value_at(data, ("a", 0, "b")) == 1
    assert value_at(data, ("a", 1, "b")) is None
    assert value_at(data, ("a", "b")) is None
    assert value_at(data, ("x", "y")) is None
