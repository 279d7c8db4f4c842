from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.media import MediaSettings


def test_the_callers_order_decides_between_these() -> None:
    assert MediaSettings().codecs == ("PCMU", "PCMA")
    assert MediaSettings.model_validate({"codecs": ["PCMA"]}).codecs == ("PCMA",)


@pytest.mark.parametrize("codec", ["G722", "opus"])
def test_codecs_to_come_are_told_so(codec: str) -> None:
    with pytest.raises(ValidationError, match="not in this version"):
        MediaSettings.model_validate({"codecs": [codec]})
