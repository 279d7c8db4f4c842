"""Whole files: what loads, and what is said about what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import SettingsError
from gateway.settings.checks import Finding
from gateway.settings.load import load_settings, parse_settings
from gateway.settings.schema import Settings

CONFIG = Path(__file__).parents[3] / "config"

SOUND = """\
inworld:
  api_key: ${INWORLD_API_KEY}
trunks:
  carrier:
    accept_from: [198.51.100.0/24]
agents:
  receptionist:
    session: {model: openai/gpt-4.1-mini}
routes:
  - {trunk: carrier, to: "+15550100", agent: receptionist}
"""


def parse(text: str, **environ: str) -> Settings:
    return parse_settings(text, environ, name="gw.yaml", folder=Path("/nonexistent"))


def faults(text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, **environ)
    return caught.value.faults


def test_a_sound_file() -> None:
    settings = parse(SOUND, INWORLD_API_KEY="abc")
    assert settings.inworld.api_key.reveal() == "abc"
    assert settings.agents["receptionist"].session == {"model": "openai/gpt-4.1-mini"}
    assert settings.routes[0].to == "+15550100"


def test_every_fault_is_reported_at_once_in_the_files_order() -> None:
    text = """\
node: {max_cals: 5}
sip:
  listen: [udp://0.0.0.0:5060, tls://0.0.0.0:5061]
  tls: {certificate: cert.pem}
inworld:
  url: ws://api.example.net/x
  api_key: ${MY_KEY}
trunks:
  carrier:
    accept_from: ["198.51.100.0/33"]
agents:
  receptionist:
    greeting: {say: a, instructions: b}
    greeting: none
routes:
  - {trunk: carier, to: +15550100, agent: recepcionist}
records: {url: x}
"""
    assert faults(text) == [
        "gw.yaml:1: node.max_cals: is unknown; did you mean max_calls?",
        'gw.yaml:4: sip.tls.certificate: "cert.pem" cannot be read (No such file or directory); '
        "check the path, which is taken from /nonexistent, and its permissions",
        "gw.yaml:4: sip.tls.key: is missing; add it, for example key: key.pem",
        'gw.yaml:6: inworld.url: "ws://api.example.net/x" would send calls and the key in the clear; '
        "write wss://; ws:// is for 127.0.0.1 only",
        "gw.yaml:7: inworld.api_key: needs the environment variable MY_KEY, which is not set; "
        "set it, or write ${MY_KEY:-}",
        'gw.yaml:10: trunks.carrier.accept_from[0]: "198.51.100.0/33" is not a network; '
        "write an address or network such as 198.51.100.0/24",
        "gw.yaml:13: agents.receptionist.greeting: has both say and instructions; keep one of them",
        "gw.yaml:14: agents.receptionist.greeting: is already on line 13; remove one of the two",
        'gw.yaml:16: routes[0].agent: "recepcionist" is not one of the agents; did you mean receptionist?',
        "gw.yaml:16: routes[0].to: +15550100 is a number to YAML, and a phone number is text; "
        'put it in quotes: "+15550100"',
        'gw.yaml:16: routes[0].trunk: "carier" fits none of the trunks; did you mean carrier?',
        "gw.yaml:17: records: is not in this version; remove it",
    ]


def test_a_mode_of_interruption_that_comes_later_names_both_that_are_here() -> None:
    text = SOUND.replace("session: {model: openai/gpt-4.1-mini}", "interruption: {mode: duck}")
    assert faults(text, INWORLD_API_KEY="k") == [
        'gw.yaml:8: agents.receptionist.interruption.mode: "duck" is not in this version; write server or off'
    ]


def check_models(settings: Settings) -> list[Finding]:
    return [
        (("agents", name, "session", "model"), f'"{agent.session["model"]}" is no model; write another')
        for name, agent in settings.agents.items()
        if agent.session.get("model") == "bad"
    ] + [(("routes", index), "was seen") for index in range(len(settings.routes)) if settings.node.name == "routes"]


def faults_with_models(text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, environ, name="gw.yaml", folder=Path("/nonexistent"), further_checks=[check_models])
    return caught.value.faults


BAD_MODEL = SOUND.replace("openai/gpt-4.1-mini", "bad")
NO_MODEL = 'gw.yaml:8: agents.receptionist.session.model: "bad" is no model; write another'


def test_a_further_check_has_file_and_line() -> None:
    assert faults_with_models(BAD_MODEL, INWORLD_API_KEY="k") == [NO_MODEL]
    sound = parse_settings(
        SOUND, {"INWORLD_API_KEY": "k"}, name="gw.yaml", folder=Path("/nonexistent"), further_checks=[check_models]
    )
    assert sound == parse(SOUND, INWORLD_API_KEY="k")


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("", "", {2, 8}),
        ("", "node: {max_calls: x}\n", {2, 8, 11}),
        ("", "node: {max_cals: 5}\n", {2, 8, 11}),
        ("198.51.100.0/24", "x, 198.51.100.0/24, y", {2, 5, 8}),
        ("agent: receptionist", "agent: recepcionist", {2, 8, 10}),
    ],
)
def test_other_faults_do_not_hide_a_further_one(before: str, after: str, lines: set[int]) -> None:
    text = BAD_MODEL.replace(before, after) if before else BAD_MODEL + after
    said = faults_with_models(text)
    assert {int(fault.split(":")[1]) for fault in said} == lines
    assert NO_MODEL in said


def test_a_further_check_of_a_list_that_lost_an_entry_is_not_told() -> None:
    text = SOUND.replace("  - {trunk", "  - x\n  - {trunk") + "node: {name: routes}\n"
    assert faults_with_models(text, INWORLD_API_KEY="k") == [
        "gw.yaml:10: routes[0]: is not a mapping; write <key>: <value> lines under it, with a space after each colon"
    ]
    assert faults_with_models(SOUND + "node: {name: routes}\n", INWORLD_API_KEY="k") == [
        "gw.yaml:10: routes[0]: was seen"
    ]


def test_what_does_not_stand_without_its_faults_is_not_checked_further() -> None:
    text = BAD_MODEL.replace("agent: receptionist", "agnt: receptionist")
    assert NO_MODEL not in faults_with_models(text, INWORLD_API_KEY="k")


def test_an_unresolved_reference_is_one_fault_and_not_two() -> None:
    assert faults(SOUND.replace("198.51.100.0/24", '"${NET}"'), INWORLD_API_KEY="k") == [
        "gw.yaml:5: trunks.carrier.accept_from[0]: needs the environment variable NET, which is not set; "
        "set it, or write ${NET:-}"
    ]


def test_references_reach_every_kind_of_value() -> None:
    text = SOUND + 'node: {max_calls: "${CALLS}"}\ncontrol: {metrics: "${METRICS}", listen: "127.0.0.1:${PORT:-9}"}\n'
    settings = parse(text, INWORLD_API_KEY="k", CALLS="7", METRICS="false")
    assert (settings.node.max_calls, settings.control.metrics, settings.control.listen.port) == (7, False, 9)


def test_a_wrong_value_from_a_reference_is_shown_as_the_reference() -> None:
    said = faults(SOUND + 'node: {max_calls: "${CALLS}"}\n', INWORLD_API_KEY="k", CALLS="geheim")
    assert said == ['gw.yaml:11: node.max_calls: "${CALLS}" is not a whole number; write one, without quotes']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "gw.yaml:1: the file is not a mapping; write sections such as sip: and trunks:"),
        ("a:\n\t- b\n", "gw.yaml:2: a tab stands before the first word; indent with spaces"),
        ("? [a]\n: b\n", "gw.yaml:1: has a key that is not a word; write <key>: <value>"),
    ],
)
def test_what_is_no_settings_file_at_all_gives_one_fault(text: str, said: str) -> None:
    assert faults(text) == [said]


def test_an_empty_file_lacks_what_is_required() -> None:
    assert [line.split(":")[2].strip() for line in faults("")] == ["agents", "inworld", "routes", "trunks"]


SECRET = "c2VjcmV0"


@pytest.mark.parametrize(
    "inworld",
    [
        f"{{api_key: Basic {SECRET}}}",
        f"{{api_key: [{SECRET}]}}",
        f"{{api_key: {{{SECRET}: {SECRET}}}}}",
        f"{{api_key: !{SECRET} x}}",
        f"{{apikey: {SECRET}}}",
        f"{{api_key: x, url: 'wss://me:{SECRET}@h/'}}",
        f"{{api_key: x, url: 'http://h/?key={SECRET}'}}",
        f"\n  api_key:{SECRET}",
        f"\n  url: x\n  api_key:{SECRET}\n",
        f"{{api_key: *{SECRET}}}",
        f"{{api_key: @{SECRET}}}",
        f'{{api_key: "{SECRET}}}',
        f"{{api_key: {SECRET}, api_key: {SECRET}}}",
        "{api_key: '${KEY}x y'}",
        "{api_key: k, auth: '${KEY}'}",
        "{api_key: k, url: 'ws://${KEY}/'}",
        "{api_key: '${KEY:-${KEY}}'}",
    ],
)
def test_no_fault_shows_a_secret(inworld: str) -> None:
    text = "\n".join([*SOUND.split("\n")[2:], f"inworld: {inworld}", ""])
    with pytest.raises(SettingsError) as caught:
        parse(text, KEY=SECRET)
    error: BaseException | None = caught.value
    assert isinstance(error, SettingsError)
    assert error.faults
    assert SECRET not in str(error)
    assert error.__context__ is None or error.__suppress_context__


def test_a_secret_that_is_a_number_is_not_shown_either() -> None:
    said = faults(SOUND.replace("${INWORLD_API_KEY}", "123456"))
    assert said == [
        "gw.yaml:2: inworld.api_key: *** is not text; put it in quotes, or better write ${NAME} or ${file:PATH}"
    ]


def test_files_are_found_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    file = tmp_path / "gw.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SOUND.replace("${INWORLD_API_KEY}", "${file:key}").encode())
    assert load_settings(file, {}).inworld.api_key.reveal() == "from-file"
    assert load_settings(str(file), {}).inworld.api_key.reveal() == "from-file"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe4\n")
    (tmp_path / "big").write_bytes(b"#" * ((1 << 20) + 1))
    for name, words in (
        ("nowhere", "cannot be read (No such file or directory); check --config"),
        (".", "cannot be read (Is a directory)"),
        ("latin", "latin:2: is not UTF-8 text; save it as UTF-8"),
        ("big", "is larger than 1048576 bytes"),
        ("\0", "cannot be read (not a file name)"),
    ):
        with pytest.raises(SettingsError) as caught:
            load_settings(tmp_path / name, {})
        assert len(caught.value.faults) == 1
        assert words in caught.value.faults[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SECTIONS = st.sampled_from([*Settings.model_fields, "records", "x"])
KEYS = st.sampled_from(
    [
        "name",
        "max_calls",
        "listen",
        "advertise",
        "local_networks",
        "ports",
        "codecs",
        "url",
        "api_key",
        "auth",
        "accept_from",
        "session",
        "greeting",
        "digits",
        "tools",
        "limits",
        "trunk",
        "to",
        "from",
        "agent",
        "carrier",
        "receptionist",
    ]
)


@given(st.dictionaries(SECTIONS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=6))
def test_any_shape_gives_settings_or_faults(data: dict[str, Any]) -> None:
    said: list[str] | None = None
    try:
        parse_settings(json.dumps(data), {}, name="gw.yaml", folder=Path("/nonexistent"), further_checks=[check_models])
    except SettingsError as error:
        said = error.faults
    assert said is None or (said and all(line.startswith("gw.yaml:") for line in said))


def test_the_commented_settings_load() -> None:
    settings = load_settings(CONFIG / "gateway.yaml", {"INWORLD_API_KEY": "example", "PHONE_1001": "example"})
    assert list(settings.trunks) == ["carrier"]
    assert settings.routes[0].to == "+15550100"


def test_the_local_settings_load_with_nothing_set() -> None:
    settings = load_settings(CONFIG / "local.yaml", {})
    assert settings.inworld.uses_embedded_emulator
    assert [str(address) for address in settings.sip.listen] == ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]
    assert str(settings.control.listen) == "127.0.0.1:8080"
    agent = settings.agents["receptionist"]
    assert agent.greeting is not None
    assert agent.greeting.say
    assert agent.tools.hang_up is not None
    assert not load_settings(CONFIG / "local.yaml", {"INWORLD_API_KEY": "k"}).inworld.uses_embedded_emulator
