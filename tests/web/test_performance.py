"""How long calls wait and run is told as far as twelve bounds can tell it."""

import httpx
import psycopg
import pytest

from forecourt.store.minutes import BOUNDS
from forecourt.web.quantiles import labels, quantile


def counts(**at: int) -> list[int]:
    """Counts by bucket: `b3=10` are ten in the fourth."""
    return [at.get(f"b{n}", 0) for n in range(len(BOUNDS) + 1)]


@pytest.mark.parametrize(
    ("found", "share", "told"),
    [
        (counts(b0=100), 0.5, "5 ms"),
        (counts(b0=50, b4=50), 0.5, "10 ms"),
        (counts(b0=50, b4=50), 0.95, "950 ms"),
        (counts(b5=100), 0.5, "3.0 s"),
        (counts(b11=1), 0.5, "over 1 h 0 min"),
        (counts(), 0.5, ""),
    ],
)
def test_a_quantile_lies_between_its_bounds(found: list[int], share: float, told: str) -> None:
    assert quantile(found, share) == told


def test_none_of_them_is_longer_than_all_together() -> None:
    assert quantile(counts(b6=1), 0.5) == "10 s"
    assert quantile(counts(b6=1), 0.5, 9.12) == quantile(counts(b6=1), 1.0, 9.12) == "9.1 s"


def test_each_bound_has_its_label() -> None:
    assert len(labels()) == len(BOUNDS) + 1
    assert labels()[:5] == ["10 ms", "50 ms", "100 ms", "500 ms", "1 s"]


def test_jobs_are_listed_by_what_they_took_and_each_has_its_histograms(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    add = (
        "INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, failed, run_seconds, run_buckets, wait_buckets)"
        " VALUES (date_trunc('minute', now()) - %s::interval, %s, 'q', %s, 10, 2, %s, %s, %s)"
    )
    tx.execute(add, ("0 min", 1, "quick", 1.0, counts(b0=12), counts(b0=12)))
    tx.execute(add, ("2 min", 1, "heavy", 500.0, counts(b7=12), counts(b5=12)))
    tx.execute(add, ("2 min", 2, "heavy", 500.0, counts(b7=12), counts(b5=12)))
    tx.execute(add, ("3 hours", 1, "old", 1.0, counts(b0=12), counts(b0=12)))
    page = pages.get("/performance").text
    assert page.index("heavy") < page.index("quick")
    assert ">20<" in page, "two workers' counts are one job's"
    assert ">old<" not in page
    assert ">old<" in pages.get("/performance?period=6h").text
    assert '>4</a> <span class="soft">17 %</span>' in page
    page = pages.get("/performance?job=heavy").text
    assert "Ran: half within 38 s, 95 % within 58 s, 1 min at most, 16 min in all." in page
    assert "Waited: 95 % within 4.8 s. 17 % failed for good." in page
    assert "24 tries" in page
    assert 'aria-label="How long they ran, tries by their upper bound"' in page
    assert pages.get("/performance?period=1y").status_code == 400
