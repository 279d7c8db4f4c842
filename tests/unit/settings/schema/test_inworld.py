from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.inworld import INWORLD_URL, InworldSettings


def test_the_key_is_all_that_is_needed() -> None:
    settings = InworldSettings.model_validate({"api_key": "k"})
    assert (settings.url, settings.auth, settings.chunk_ms) == (INWORLD_URL, "basic", 60)


@pytest.mark.parametrize("values", [{}, {"api_key": "a b"}, {"api_key": "k", "url": "http://x"}])
def test_others_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InworldSettings.model_validate(values)
