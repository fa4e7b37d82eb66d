"""Promises of reading a large query page by page."""

from contextlib import closing

import pytest
from psycopg.sql import SQL
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.marketplace.paging import pages

NUMBERS = SQL("SELECT generate_series(1, %(last)s::bigint) AS n")


@pytest.mark.parametrize(("last", "sizes"), [(0, []), (4, [4]), (8, [4, 4]), (9, [4, 4, 1])])
def test_each_row_comes_once_and_only_the_last_page_is_short(session: Session, last: int, sizes: list[int]) -> None:
    taken = list(pages(in_transaction_of(session), NUMBERS, {"last": last}, 4))
    assert [len(page) for page in taken] == sizes
    assert [n for page in taken for (n,) in page] == list(range(1, last + 1))


def test_who_stops_early_keeps_the_transaction(session: Session) -> None:
    session.execute(text("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT 7 AS n"))
    with closing(pages(in_transaction_of(session), NUMBERS, {"last": 10**9}, 1_000)) as numbers:
        assert len(next(numbers)) == 1_000
    assert session.scalar(text("SELECT n FROM kept")) == 7


def test_an_error_on_the_way_leaves_a_connection_that_can_roll_back(session: Session) -> None:
    def read() -> None:
        with closing(pages(in_transaction_of(session), NUMBERS, {"last": 10**9}, 1_000)) as numbers:
            for _ in numbers:
                raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        read()
    session.rollback()
    assert session.scalar(text("SELECT 1")) == 1
