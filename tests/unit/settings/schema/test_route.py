from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.route import RouteSettings


def test_a_route_fits_everything_until_it_says_more() -> None:
    route = RouteSettings.model_validate({"agent": "a"})
    assert (route.trunk, route.to, route.from_, route.account, route.headers) == ("*", "*", "*", None, {})


def test_headers_may_have_spaces_in_their_patterns() -> None:
    assert RouteSettings.model_validate({"agent": "a", "headers": {"Subject": "big sale*"}}).headers == {
        "Subject": "big sale*"
    }


@pytest.mark.parametrize("headers", [{"X A": "b"}, {"X-A": ""}, {"X-A": 5}, {"": "b"}])
def test_others_are_refused(headers: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RouteSettings.model_validate({"agent": "a", "headers": headers})
