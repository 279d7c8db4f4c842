"""The server lets in who knows the password, once per count, and tells nobody which names exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest.client import Credentials, DigestClient
from gateway.sip.digest.server import REPLAY_WINDOW, Challenge, DigestServer, Verified, Wrong
from gateway.sip.headers import Headers
from gateway.sip.message import Request
from tests.support.sip_peer import request, respond

PASSWORDS = {"1001": Secret("right"), 'o"dd\\': Secret("päss")}
URI = "sip:gateway.example.com"


def server(**changes: object) -> DigestServer:
    given: dict[str, object] = {"realm": "gateway", "key": b"secret of this node", **changes}
    return DigestServer(passwords=PASSWORDS.get, **given)  # type: ignore[arg-type]


def register(*headers: tuple[str, str], uri: str = URI, body: bytes = b"") -> Request:
    return request("REGISTER", uri=uri, headers=headers, body=body, content_type=None)


class Phone:
    """A client with a password, and the server it talks to."""

    def __init__(self, guard: DigestServer, username: str = "1001", password: str = "right") -> None:
        self.guard = guard
        self.digest = DigestClient(Credentials(username, Secret(password)), IdSource(1))

    def challenged(self, now: float = 0.0, uri: str = URI, body: bytes = b"") -> Request:
        """The request that answers the server's challenge."""
        asked = self.guard.check(register(), now)
        assert isinstance(asked, Challenge)
        headers = self.digest.answer(respond(register(), 401, headers=asked.headers), "REGISTER", uri, body)
        assert headers is not None
        return register(*headers, uri=uri, body=body)

    def again(self) -> Request:
        return register(*self.digest.authorize("REGISTER", URI))


def test_the_right_password_is_verified_by_each_algorithm() -> None:
    for algorithm in ("MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"):
        guard = server(algorithms=(algorithm,))
        assert guard.check(Phone(guard).challenged(), 1.0) == Verified("1001")


def test_a_challenge_for_each_algorithm_in_the_order_given() -> None:
    challenge = server(algorithms=("SHA-256", "MD5")).challenge(register(), 0.0)
    assert not challenge.is_stale
    assert [name for name, _ in challenge.headers] == ["WWW-Authenticate"] * 2
    assert "algorithm=SHA-256" in challenge.headers[0][1]
    assert "algorithm=MD5" in challenge.headers[1][1]
    assert 'qop="auth"' in challenge.headers[0][1]
    assert "stale" not in challenge.headers[0][1]


def test_only_md5_is_offered_unless_told_for_phones_that_give_up_on_what_they_do_not_know() -> None:
    guard = server()
    (challenge,) = guard.challenge(register(), 0.0).headers
    assert "algorithm=MD5" in challenge[1]
    answer = Phone(guard).challenged()
    guard.offer(("SHA-512-256",))
    assert isinstance(guard.check(answer, 0.0), Challenge), "what is not offered any more is not accepted"
    assert guard.check(Phone(guard).challenged(), 0.0) == Verified("1001")


def test_auth_int_is_verified_over_the_body() -> None:
    guard = server(qops=("auth-int",))
    asked = Phone(guard).challenged(body=b"as sent")
    changed = Request(asked.method, asked.uri, asked.headers, b"changed")
    assert isinstance(guard.check(changed, 0.0), Wrong)
    assert guard.check(asked, 0.0) == Verified("1001")


def test_names_and_passwords_of_any_letters() -> None:
    guard = server()
    assert guard.check(Phone(guard, 'o"dd\\', "päss").challenged(), 0.0) == Verified('o"dd\\')


def test_a_nonce_may_be_used_again_with_the_next_count() -> None:
    guard = server()
    phone = Phone(guard)
    assert isinstance(guard.check(phone.challenged(), 0.0), Verified)
    assert isinstance(guard.check(phone.again(), 1.0), Verified)
    assert guard.nonces == 1


def test_a_replayed_request_is_not_let_in_again() -> None:
    guard = server()
    captured = Phone(guard).challenged()
    assert isinstance(guard.check(captured, 0.0), Verified)
    again = guard.check(captured, 0.1)
    assert isinstance(again, Challenge)
    assert again.is_stale
    assert "stale=true" in again.headers[0][1]


def test_a_captured_register_is_no_invite() -> None:
    guard = server()
    captured = Phone(guard).challenged()
    stolen = request("INVITE", uri=URI, headers=[("Authorization", captured.headers.get("Authorization") or "")])
    assert isinstance(guard.check(stolen, 0.0), Wrong)


def test_counts_that_overtake_one_another_serve_once_each() -> None:
    guard = server()
    phone = Phone(guard)
    requests = [phone.challenged(), *(phone.again() for _ in range(REPLAY_WINDOW + 5))]
    last = requests.pop()
    assert isinstance(guard.check(last, 0.0), Verified)
    outcomes = [guard.check(one, 0.0) for one in reversed(requests)]
    assert [isinstance(outcome, Verified) for outcome in outcomes] == [True] * (REPLAY_WINDOW - 1) + [False] * 6
    assert not any(isinstance(guard.check(one, 0.0), Verified) for one in [*requests, last])


@given(st.lists(st.integers(1, 200), max_size=80))
def test_no_count_is_ever_taken_twice(order: list[int]) -> None:
    guard = server()
    phone = Phone(guard)
    requests = [phone.challenged(), *(phone.again() for _ in range(200))]
    verified = [count for count in order if isinstance(guard.check(requests[count - 1], 0.0), Verified)]
    assert len(verified) == len(set(verified))


def test_an_answer_without_qop_uses_its_nonce_up() -> None:
    """Peers of RFC 2069 answer so whatever is offered."""
    guard = server(algorithms=("MD5",))
    phone = Phone(guard)
    asked = guard.challenge(register(), 0.0)
    bare = [(name, value.replace(', qop="auth"', "")) for name, value in asked.headers]
    headers = phone.digest.answer(respond(register(), 401, headers=bare), "REGISTER", URI)
    assert headers is not None
    assert guard.check(register(*headers), 0.0) == Verified("1001")
    again = guard.check(register(*headers), 0.0)
    assert isinstance(again, Challenge)
    assert again.is_stale


def test_a_nonce_grows_old() -> None:
    guard = server(nonce_lifetime_s=30)
    phone = Phone(guard)
    answer = phone.challenged(now=100.0)
    late = guard.check(answer, 130.0)
    assert isinstance(late, Challenge)
    assert late.is_stale
    assert isinstance(guard.check(answer, 129.9), Verified)


def test_a_nonce_of_the_future_is_stale() -> None:
    """The clock of another boot."""
    guard = server()
    outcome = guard.check(Phone(guard).challenged(now=500.0), 100.0)
    assert isinstance(outcome, Challenge)
    assert outcome.is_stale


@pytest.mark.parametrize("other", [{"key": b"another key"}, {"realm": "gateway", "key": b""}])
def test_a_nonce_of_another_node_is_stale_whoever_knows_the_password(other: dict[str, object]) -> None:
    elsewhere = server(**other)
    right = server().check(Phone(elsewhere).challenged(), 0.0)
    guess = server().check(Phone(elsewhere, password="guess").challenged(), 0.0)
    # Told apart, foreign nonces would make guessing free: they count as no failure.
    for outcome in (right, guess):
        assert isinstance(outcome, Challenge)
        assert outcome.is_stale


def test_an_old_nonce_is_no_way_to_try_passwords() -> None:
    guard = server(nonce_lifetime_s=30)
    outcome = guard.check(Phone(guard, password="guess").challenged(now=100.0), 130.0)
    assert isinstance(outcome, Challenge)
    assert outcome.is_stale


def test_a_nonce_serves_the_source_it_was_made_for() -> None:
    guard = server()
    for password, expected in (("right", Verified), ("guess", Wrong)):
        phone = Phone(guard, password=password)
        asked = guard.check(register(), 0.0, "192.0.2.1")
        assert isinstance(asked, Challenge)
        headers = phone.digest.answer(respond(register(), 401, headers=asked.headers), "REGISTER", URI)
        assert headers is not None
        elsewhere = guard.check(register(*headers), 1.0, "203.0.113.66")
        assert isinstance(elsewhere, Challenge)
        assert elsewhere.is_stale
        assert isinstance(guard.check(register(*headers), 1.0, "192.0.2.1"), expected)


def test_a_nonce_of_another_realm_is_stale_even_with_the_same_key() -> None:
    elsewhere, guard = server(realm="other"), server()
    nonce = elsewhere.challenge(register(), 0.0).headers[0][1].split('nonce="')[1].split('"')[0]
    asked = guard.challenge(register(), 0.0)
    forged = [(name, f'Digest realm="gateway", nonce="{nonce}", qop="auth"') for name, _ in asked.headers[:1]]
    headers = Phone(guard).digest.answer(respond(register(), 401, headers=forged), "REGISTER", URI)
    assert headers is not None
    outcome = guard.check(register(*headers), 0.0)
    assert isinstance(outcome, Challenge)
    assert outcome.is_stale


def test_credentials_for_another_realm_only_bring_a_challenge() -> None:
    outcome = server().check(Phone(server(realm="other")).challenged(), 0.0)
    assert isinstance(outcome, Challenge)
    assert not outcome.is_stale


def test_an_unknown_name_and_a_wrong_password_look_alike() -> None:
    guard = server()
    unknown = guard.check(Phone(guard, "nobody").challenged(), 0.0)
    mistaken = guard.check(Phone(guard, "1001", "wrong").challenged(), 0.0)
    assert isinstance(unknown, Wrong)
    assert isinstance(mistaken, Wrong)
    assert unknown.rule == mistaken.rule == "wrong_credentials"
    assert (unknown.username, mistaken.username) == ("nobody", "1001")
    assert len(unknown.headers) == len(mistaken.headers)
    assert guard.nonces == 0, "who does not know a password is not remembered"


def test_both_cost_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.sip.digest import server as module

    computed: list[str] = []
    original = module.DigestInput.response
    monkeypatch.setattr(module.DigestInput, "response", lambda self: computed.append(self.username) or original(self))
    guard = server()
    for username in ("nobody", "1001"):
        request_ = Phone(guard, username, "wrong").challenged()
        computed.clear()
        guard.check(request_, 0.0)
        assert computed == [username]


def test_the_password_that_nobody_has_opens_nothing() -> None:
    guard = server()
    decoy = guard._decoy
    assert isinstance(guard.check(Phone(guard, "nobody", decoy).challenged(), 0.0), Wrong)


@pytest.mark.parametrize(
    ("digest_uri", "request_uri", "is_right"),
    [
        ("sip:gateway.example.com:5060;transport=tcp", URI, True),
        ("sip:gateway.example.com;transport=UDP", "sip:2000@gateway.example.com", True),
        ("sip:2000@192.0.2.1", "sip:2000@gateway.example.com", True),
        ("sip:%32000@gateway.example.com", "sip:2000@gateway.example.com", True),
        ("sip:2000@gateway.example.com", "sip:2001@gateway.example.com", False),
        ("nonsense", URI, False),
    ],
)
def test_the_uri_of_the_credentials(digest_uri: str, request_uri: str, is_right: bool) -> None:
    guard = server()
    authorization = Phone(guard).challenged(uri=digest_uri) if digest_uri != "nonsense" else None
    if authorization is None:
        asked = guard.challenge(register(), 0.0)
        headers = Phone(guard).digest.answer(respond(register(), 401, headers=asked.headers), "REGISTER", digest_uri)
        assert headers is not None
    else:
        headers = (("Authorization", authorization.headers.get("Authorization") or ""),)
    outcome = guard.check(register(*headers, uri=request_uri), 0.0)
    assert isinstance(outcome, Verified) is is_right
    if not is_right:
        assert isinstance(outcome, Wrong)
        assert outcome.rule == "digest_uri"


def test_used_nonces_are_bounded_and_the_forgotten_ones_cannot_be_replayed() -> None:
    guard = server(max_nonces=40)
    captured = []
    for number in range(100):
        answer = Phone(guard).challenged(now=number / 100)
        assert isinstance(guard.check(answer, number / 100), Verified)
        captured.append(answer)
        assert guard.nonces <= 40
    assert not any(isinstance(guard.check(answer, 1.0), Verified) for answer in captured)


def test_old_nonces_make_room_first() -> None:
    guard = server(max_nonces=10, nonce_lifetime_s=10)
    for number in range(10):
        guard.check(Phone(guard).challenged(now=0.0 + number / 10), 1.0)
    guard.check(Phone(guard).challenged(now=100.0), 100.0)
    assert guard.nonces == 1


def test_nonces_of_one_moment_differ_between_requests_and_repeat_for_a_repetition() -> None:
    guard = server()
    one, other = register(), register()
    assert guard.challenge(one, 5.0) == guard.challenge(one, 5.0)
    assert guard.challenge(one, 5.0) != guard.challenge(other, 5.0)


def test_an_unknown_algorithm_of_ours_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="SHA-1"):
        server(algorithms=("SHA-1",))


@given(st.text(max_size=200))
def test_no_authorization_raises(text: str) -> None:
    known = 'Digest username="1001", realm="gateway"'
    complete = f'{known}, uri="x", response="{text}", nonce="{text}", qop=auth, nc=00000001, cnonce="c"'
    for value in (text, f"{known}, {text}", complete):
        message = register()
        message.headers = Headers.from_wire([*message.headers, ("Authorization", value)])
        assert isinstance(server().check(message, 0.0), Challenge | Wrong)
