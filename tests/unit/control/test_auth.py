from __future__ import annotations

import pytest
from fastapi.security import HTTPAuthorizationCredentials

from gateway.base.redact import Secret
from gateway.control.auth import KeyRing, Role, require
from gateway.control.problems import Problem
from gateway.settings.schema.node import KeySettings


def key(name: str, token: str, role: str) -> KeySettings:
    return KeySettings.model_construct(name=name, token=Secret(token), role=role)


def presented(token: str) -> HTTPAuthorizationCredentials:
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


async def test_each_role_may_do_what_the_ones_below_it_may() -> None:
    ring = KeyRing([key("v", "v" * 16, "viewer"), key("a", "a" * 16, "admin")])
    assert (await require(ring, Role.VIEWER)(presented("v" * 16))).name == "v"
    assert (await require(ring, Role.OPERATOR)(presented("a" * 16))).role is Role.ADMIN
    with pytest.raises(Problem) as refused:
        await require(ring, Role.OPERATOR)(presented("v" * 16))
    assert (refused.value.status, refused.value.rule) == (403, "role_too_low")


@pytest.mark.parametrize("token", ["", "v", "v" * 15, "v" * 17, "ü" * 16, "\udcff"])
async def test_only_the_whole_token_counts(token: str) -> None:
    ring = KeyRing([key("v", "v" * 16, "viewer")])
    with pytest.raises(Problem) as refused:
        await require(ring, Role.VIEWER)(presented(token))
    assert refused.value.status == 401
    assert "invalid_token" in refused.value.headers["WWW-Authenticate"]


async def test_an_empty_token_switches_its_key_off() -> None:
    ring = KeyRing([key("local", "", "admin")])
    assert ring.is_empty
    assert ring.identify("") is None
    with pytest.raises(Problem) as refused:
        await require(ring, Role.VIEWER)(presented(""))
    assert refused.value.rule == "no_keys_configured"
