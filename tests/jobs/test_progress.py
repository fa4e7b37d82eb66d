"""What a job says of how far it is, it may say in any words and numbers: it never ends by them."""

import psycopg
import pytest

from forecourt import report
from forecourt.jobs.context import RunningCall, current


@pytest.mark.parametrize(
    ("done", "total", "kept"),
    [(3, 4, (3, 4)), (float("nan"), float("inf"), (0, None)), (float("-inf"), float("nan"), (0, None))],
)
def test_numbers_that_are_none_and_words_that_cannot_be_kept_end_no_job(
    database: str, monkeypatch: pytest.MonkeyPatch, done: float, total: float, kept: tuple[float, float | None]
) -> None:
    monkeypatch.setattr("forecourt.jobs.progress._written_at", 0.0)
    token = current.set(RunningCall(7, "long", 1, {}))
    try:
        report(done, total, "a\0b\ud800")
    finally:
        current.reset(token)
    with psycopg.connect(database) as tx:
        found = tx.execute("SELECT done, total, words FROM forecourt.progress WHERE call_id = 7").fetchone()
    assert found == (*kept, "a\\x00b\\ud800")
