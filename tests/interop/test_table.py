"""The table that the interop tests print: rows from tests that ran, and its place in the document."""

from __future__ import annotations

from tests.support.interop_table import BEGIN, END, Row, as_columns, as_markdown, merged, with_table

ROWS = [
    Row("SIPp", "UDP", "OPTIONS", "passed"),
    Row("Kamailio", "UDP", "proxy", "failed: no answer"),
    Row("SIPp", "TCP", "OPTIONS", "passed"),
    Row("SIPp", "UDP", "hold", "passed"),
    Row("Kamailio", "TCP", "proxy", "passed"),
]
VERSIONS = {"SIPp": "3.6.1", "Kamailio": "5.6.3"}


def test_rows_that_differ_in_transport_alone_are_one_and_a_failure_keeps_its_own() -> None:
    assert merged(ROWS) == [
        Row("SIPp", "UDP, TCP", "OPTIONS", "passed"),
        Row("SIPp", "UDP", "hold", "passed"),
        Row("Kamailio", "UDP", "proxy", "failed: no answer"),
        Row("Kamailio", "TCP", "proxy", "passed"),
    ]


def test_the_order_is_that_of_the_files_whatever_ran_first() -> None:
    late, early = ("tests/b.py", 1), ("tests/a.py", 9)
    rows = [Row("SIPp", "TCP", "hold", "passed", early), Row("SIPp", "UDP", "BYE", "passed", late)]
    rows.append(Row("SIPp", "UDP", "hold", "passed", early))
    assert [(row.what, row.transport) for row in merged(rows)] == [("hold", "UDP, TCP"), ("BYE", "UDP")]


def test_the_columns_are_aligned() -> None:
    heading, first, *_ = as_columns(merged(ROWS), VERSIONS)
    assert heading.index("transport") == first.index("UDP, TCP")


def test_the_table_takes_the_place_of_the_former_one() -> None:
    document = f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n"
    table = as_markdown(merged(ROWS), VERSIONS)
    assert table.count("5.6.3") == 1
    assert with_table(document, table) == f"# Title\n\n{BEGIN}\n{table}{END}\n\nmore\n"
    assert with_table(with_table(document, table), table) == with_table(document, table)
