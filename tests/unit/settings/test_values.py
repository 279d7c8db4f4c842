"""The small values of a settings file: what they accept, and what they say about the rest."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.base.redact import Secret
from gateway.settings import values
from gateway.settings.values import ListenAddress, PortRange


def refusal(parse: Callable[[object], object], value: object) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        parse(value)
    assert caught.value.context is not None
    return f"{caught.value.context['problem']}; {caught.value.context['remedy']}"


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("udp://0.0.0.0:5060", ListenAddress("udp", "0.0.0.0", 5060), "udp://0.0.0.0:5060"),
        ("tcp://192.0.2.1", ListenAddress("tcp", "192.0.2.1", 5060), "tcp://192.0.2.1:5060"),
        ("udp://[::]:5070", ListenAddress("udp", "::", 5070), "udp://[::]:5070"),
        ("tls://0.0.0.0", ListenAddress("tls", "0.0.0.0", 5061), "tls://0.0.0.0:5061"),
        ("ws://127.0.0.1", ListenAddress("ws", "127.0.0.1", 80), "ws://127.0.0.1:80"),
        ("wss://[::1]:5063", ListenAddress("wss", "::1", 5063), "wss://[::1]:5063"),
        ("UDP://127.0.0.1:0/", ListenAddress("udp", "127.0.0.1", 0), "udp://127.0.0.1:0"),
    ],
)
def test_sip_listening_addresses(text: str, address: ListenAddress, written: str) -> None:
    assert values.parse_sip_listen(text) == address
    assert values.parse_sip_listen(address) is address
    assert str(address) == written


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sctp://0.0.0.0", "is not a SIP listening address"),
        ("udp://0.0.0.0:5060/path", "is not a SIP listening address"),
        ("udp://pbx.example.net:5060", "does not name an IP address to listen on"),
        ("udp://me@0.0.0.0:5060", "does not name an IP address to listen on"),
        ("udp://0.0.0.0:65536", "has no port of 0-65535"),
        ("udp://0.0.0.0:sip", "has no port of 0-65535"),
        ("udp://0.0.0.0 :5060", "is not a URL with a host"),
        ("udp://[::", "is not a URL with a host"),
        ("0.0.0.0:5060", "is not a"),
        ("5060", "is not a URL with a host"),
        (5060, "is not a URL with a host"),
        ("", "is not a URL with a host"),
    ],
)
def test_other_sip_listening_addresses_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_sip_listen, value)


def test_control_listening_addresses() -> None:
    assert values.parse_control_listen("127.0.0.1:8080") == ListenAddress("http", "127.0.0.1", 8080)
    address = values.parse_control_listen("[::1]:0")
    assert (address.host, address.port, str(address)) == ("::1", 0, "[::1]:0")
    assert values.parse_control_listen(address) is address


@pytest.mark.parametrize(
    "value", [8080, "8080", "127.0.0.1", "http://127.0.0.1:8080", "localhost:8080", ":8080", "1:2:3"]
)
def test_other_control_listening_addresses_are_refused(value: object) -> None:
    assert "write for example 127.0.0.1:8080" in refusal(values.parse_control_listen, value)


def test_port_ranges() -> None:
    ports = values.parse_port_range("20000-29999")
    assert (ports, ports.pairs, str(ports)) == (PortRange(20000, 29999), 5000, "20000-29999")
    assert 20000 in ports
    assert 29999 in ports
    assert 19999 not in ports
    assert 30000 not in ports
    assert values.parse_port_range(" 1024 - 1025 ").pairs == 1
    assert values.parse_port_range("20000-20002").pairs == 1, "an odd port out is of no use"
    assert values.parse_port_range(ports) is ports


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("20001-29999", "starts at an odd port, and RTP uses even ones; write 20002-29999"),
        ("20001-20002", "write 20002-20003"),
        ("20000-20000", "holds no pair of ports; write 20000-29999"),
        ("20000-19999", "holds no pair of ports"),
        ("1000-2000", "leaves the ports 1024-65535"),
        ("60000-70000", "leaves the ports 1024-65535"),
        ("20000", "is not a range of ports"),
        ("a-b", "is not a range of ports"),
        ("20000-29999-30000", "is not a range of ports"),
        (20000, "is not a range of ports"),
        ("٢٠٠٠٠-٢٠٩٩٩", "is not a range of ports"),
    ],
)
def test_other_port_ranges_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_port_range, value)


@pytest.mark.parametrize("text", ["198.51.100.0/24", "198.51.100.7", "2001:db8::/32", "::1", "0.0.0.0/0"])
def test_networks(text: str) -> None:
    network = values.parse_network(text)
    assert network == ipaddress.ip_network(text)
    assert values.parse_network(network) is network


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("198.51.100.0/33", "is not a network; write an address or network such as 198.51.100.0/24"),
        (
            "198.51.100.7/24",
            "is an address inside a network; write the network 198.51.100.0/24 or the address without /",
        ),
        ("pbx.example.net", "is not a network, and names are not looked up"),
        ("198.51.100", "is not a network"),
        ("", "is not a network"),
        (1, "is not a network"),
        (None, "is not a network"),
    ],
)
def test_other_networks_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_network, value)


def test_addresses_told_to_others() -> None:
    assert values.parse_media_address("203.0.113.10") == "203.0.113.10"
    assert values.parse_media_address("2001:DB8::0:1") == "2001:db8::1"
    assert values.parse_advertised_host("203.0.113.10") == "203.0.113.10"
    assert values.parse_advertised_host("gw.example.net") == "gw.example.net"


@pytest.mark.parametrize(
    "value", ["0.0.0.0", "::", "224.0.0.1", "203.0.113.10:5060", "sip:gw.example.net", "", 1, "1.2.3"]
)
def test_addresses_that_nobody_can_reach_are_refused(value: object) -> None:
    assert "such as 203.0.113.10" in refusal(values.parse_advertised_host, value)
    assert "for example 203.0.113.10" in refusal(values.parse_media_address, value)


def test_media_needs_an_address_and_not_a_name() -> None:
    assert "is not an IP address" in refusal(values.parse_media_address, "gw.example.net")


@pytest.mark.parametrize(
    "url",
    [
        "wss://api.inworld.ai/api/v1/realtime/session",
        "wss://api.inworld.ai:8443/x?y=z",
        "ws://127.0.0.1:9000/api/v1/realtime/session",
        "ws://[::1]:9000",
        "ws://localhost/x",
        "ws://127.9.9.9/x",
    ],
)
def test_provider_urls(url: str) -> None:
    assert values.parse_provider_url(url) == url


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("ws://api.inworld.ai/x", "would send calls and the key in the clear; write wss://"),
        ("ws://10.0.0.1/x", "would send calls and the key in the clear"),
        ("ws://localhost.example.net/x", "would send calls and the key in the clear"),
        ("ws://0.0.0.0/x", "would send calls and the key in the clear"),
        ("https://api.inworld.ai/x", "is not a WebSocket URL"),
        ("api.inworld.ai", "is not a URL with a host"),
        ("wss://", "is not a URL with a host"),
        ("wss://user:word@api.inworld.ai/x", "has credentials or a fragment in it"),
        ("wss://api.inworld.ai/x#y", "has credentials or a fragment in it"),
        ("wss://api.inworld.ai:99999/x", "has no port"),
        ("wss://api.inworld.ai/a b", "is not a URL with a host"),
        (5, "is not a URL with a host"),
    ],
)
def test_other_provider_urls_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_provider_url, value)


def test_secrets() -> None:
    secret = values.parse_secret(" a2V5OnNlY3JldA== ")
    assert (secret.reveal(), str(secret)) == ("a2V5OnNlY3JldA==", "***")
    assert not values.parse_secret("")
    assert values.parse_secret(secret) is secret
    assert values.parse_secret(Secret("x")) == Secret("x")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Basic a2V5OnNlY3JldA==", "has spaces or unprintable characters in it; write the key alone"),
        ("a2V5\nOnNlY3JldA==", "copy the key again"),
        ("schlüssel", "copy the key again"),
        (123456, "is not text; put it in quotes"),
        (["a"], "is not text"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_without_showing_it(value: object, words: str) -> None:
    said = refusal(values.parse_secret, value)
    assert words in said
    assert str(value) not in said


ANYTHING = st.one_of(st.text(max_size=40), st.integers(), st.none(), st.booleans(), st.lists(st.text(max_size=3)))


@given(
    st.sampled_from(
        [
            values.parse_sip_listen,
            values.parse_control_listen,
            values.parse_port_range,
            values.parse_network,
            values.parse_media_address,
            values.parse_advertised_host,
            values.parse_provider_url,
            values.parse_secret,
        ]
    ),
    st.one_of(ANYTHING, st.text("udptcpws:/[]0123456789.@#?-", max_size=30)),
)
def test_parsers_answer_or_refuse_in_words(parse: Callable[[object], object], value: object) -> None:
    kind = values.FAULT_TYPE
    try:
        parse(value)
    except PydanticCustomError as error:
        kind = error.type
    assert kind == values.FAULT_TYPE


@pytest.mark.parametrize(
    ("value", "transport", "found"),
    [
        ("203.0.113.10", "tls", ("203.0.113.10", None)),
        ("gw.example.net", "udp", ("gw.example.net", None)),
        ({"udp": "203.0.113.10:5080"}, "udp", ("203.0.113.10", 5080)),
        ({"udp": "203.0.113.10:5080"}, "tcp", None),
        ({"wss": "gw.example.net", "tls": "gw.example.net:443"}, "tls", ("gw.example.net", 443)),
        ({"tcp": "[2001:db8::1]:5062"}, "tcp", ("2001:db8::1", 5062)),
        ({"tcp": "2001:db8::1"}, "tcp", ("2001:db8::1", None)),
    ],
)
def test_advertised_addresses(value: object, transport: str, found: tuple[str, int | None] | None) -> None:
    advertise = values.parse_advertise(value)
    assert advertise.find(transport) == found
    assert values.parse_advertise(advertise) is advertise


def test_advertised_hosts_are_listed_once() -> None:
    assert values.parse_advertise({"udp": "a.example", "tcp": "a.example", "tls": "b.example"}).hosts == (
        "a.example",
        "b.example",
    )
    assert values.parse_advertise("a.example").hosts == ("a.example",)
    assert str(values.parse_advertise({"udp": "a.example:5070"})) == "udp: a.example:5070"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "names no transport"),
        ({"sctp": "a.example"}, "has sctp, which is not a transport"),
        ({"udp": "a.example:0"}, "has port 0 for udp"),
        ({"udp": "a.example:99999"}, "is not an address with or without a port"),
        ({"udp": "0.0.0.0"}, "is not an address that peers can reach"),
        ({"udp": 5}, "is not an address that peers can reach"),
        (5, "is not an address that peers can reach"),
    ],
)
def test_other_advertised_addresses_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_advertise, value)


def test_name_servers() -> None:
    assert values.parse_name_server("192.0.2.53") == values.ServerAddress("192.0.2.53", 53)
    assert values.parse_name_server("127.0.0.1:5353") == values.ServerAddress("127.0.0.1", 5353)
    assert str(values.parse_name_server("[2001:db8::53]:54")) == "[2001:db8::53]:54"
    for value in ("dns.example.net", "0.0.0.0", "192.0.2.53:0", 53, ""):
        assert "address" in refusal(values.parse_name_server, value)


def test_targets() -> None:
    target = values.parse_target("sip:sip.example.net;transport=tls")
    assert (target.host, target.port, target.transport) == ("sip.example.net", None, "tls")
    assert values.parse_target("sips:192.0.2.1:5061").scheme == "sips"
    assert values.parse_target(target) is target


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sip.example.net", "is not a SIP address"),
        ("tel:+15550100", "is not a SIP address"),
        ("sip:alice@example.net", "names a user or headers"),
        ("sip:example.net?X=1", "names a user or headers"),
        ("sip:example.net;transport=sctp", "uses a transport that is not known"),
        ("sip:example.net:0", "names no host that can be reached"),
        ("sip:a_very bad.example", "is not a SIP address"),
        (5, "is not a SIP address"),
    ],
)
def test_other_targets_are_refused(value: object, words: str) -> None:
    assert words in refusal(values.parse_target, value)


def test_passwords_are_any_text_of_one_line() -> None:
    assert values.parse_password("pass word é") == Secret("pass word é")
    for value in ("", "a\nb", 1234, None):
        assert refusal(values.parse_password, value)


def test_tokens_are_long_and_fit_a_header() -> None:
    assert values.parse_token("0123456789abcdef") == Secret("0123456789abcdef")
    assert not values.parse_token(""), "an empty one switches its key off"
    for value in ("short", "0123456789abcde,", "é" * 20):
        assert refusal(values.parse_token, value)


def test_names_of_users_and_accounts() -> None:
    assert values.check_sip_user("+15550100") == "+15550100"
    assert values.check_account_name("1001") == "1001"
    for value in ("", "a b", "a@b", 'a"b', "a\r\nb", "a<b", "a\\b"):
        assert refusal(values.check_sip_user, value)  # type: ignore[arg-type]
        assert refusal(values.check_account_name, value)  # type: ignore[arg-type]


def test_header_patterns_are_one_line() -> None:
    assert values.check_header_pattern("spring *") == "spring *"
    for value in ("", "a\nb"):
        assert refusal(values.check_header_pattern, value)  # type: ignore[arg-type]


def test_where_browsers_connect_and_from_which_pages() -> None:
    assert [values.check_web_path(path) for path in ("/", "/sip/ws")] == ["/", "/sip/ws"]
    for path in ("sip", "", "/a b", "/a?b"):
        assert "for example / or /sip" in refusal(values.check_web_path, path)
    assert values.check_web_origin("https://Phone.example.net:8443") == "https://phone.example.net:8443"
    for origin in ("phone.example.net", "https://phone.example.net/", "https://", "*", "ws://phone.example.net"):
        assert "https://phone.example.net" in refusal(values.check_web_origin, origin)
