from __future__ import annotations

from gateway.call.transfer import Transfer, TransferOutcome


def test_only_a_final_2xx_is_success_and_only_a_final_word_decides() -> None:
    transfer = Transfer("sip:desk@pbx.example", "blind")
    assert transfer.progress(202, is_final=False) is TransferOutcome.UNDER_WAY
    assert transfer.was_accepted
    assert transfer.progress(180, is_final=False) is TransferOutcome.UNDER_WAY
    assert transfer.progress(200, is_final=True) is TransferOutcome.SUCCEEDED
    assert transfer.progress(486, is_final=True) is TransferOutcome.FAILED
    assert transfer.progress(180, is_final=True) is TransferOutcome.FAILED, "it tells no more: nobody knows"


def test_each_status_is_told_once() -> None:
    transfer = Transfer("1002", "blind")
    assert [transfer.is_news(status) for status in (100, 100, 180, 180, 100)] == [True, False, True, False, False]
