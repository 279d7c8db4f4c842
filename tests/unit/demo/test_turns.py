from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.turns import Turn, draw_waterfall

TURN = Turn("question", 10.0, 10.7, 10.71, 10.86, 10.885)


def test_the_stages_of_a_turn_add_up_to_what_the_caller_perceives() -> None:
    assert sum(TURN.stages_ms()) == pytest.approx(TURN.total_ms)
    assert TURN.total_ms == pytest.approx(885)
    assert TURN.return_ms == pytest.approx(25)
    assert len(TURN.stages_ms()) == len(Turn.STAGES)


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "turns.png"
    assert draw_waterfall([TURN, TURN], path)
    assert path.read_bytes().startswith(b"\x89PNG")
