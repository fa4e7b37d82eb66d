"""A call's history is bounded, and loses no count."""

from typing import Any

import orjson
import pytest

from fleet import Looking

RAISED, INTERRUPTED, RETRIED = "Raised", "Interrupted", "Retried"


def remembered(looking: Looking, outcomes: list[str]) -> list[dict[str, Any]]:
    history = "[]"
    for n, outcome in enumerate(outcomes):
        incident = orjson.dumps([{"outcome": outcome, "n": n}]).decode()
        history = orjson.dumps(
            looking.one("SELECT forecourt.remember(%s::jsonb, %s::jsonb)", history, incident)
        ).decode()
    return orjson.loads(history)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("outcomes", "errors", "interruptions"),
    [
        ([], 0, 0),
        ([RAISED] * 20 + [INTERRUPTED], 20, 1),
        ([INTERRUPTED] * 3, 0, 3),
        ([INTERRUPTED, RAISED, INTERRUPTED, INTERRUPTED], 1, 2),
        ([RAISED] * 250, 250, 0),
        ([INTERRUPTED] * 250, 0, 99),
        ([RAISED] * 5 + [RETRIED] + [RAISED] * 2, 2, 0),
        ([RAISED] * 5 + [RETRIED] + [RAISED] * 150, 150, 0),
        ([RAISED] * 150 + [RETRIED] + [RAISED] * 2, 2, 0),
    ],
)
def test_errors_and_interruptions_are_counted_however_long_it_was(
    looking: Looking, outcomes: list[str], errors: int, interruptions: int
) -> None:
    history = remembered(looking, outcomes)
    text = orjson.dumps(history).decode()
    assert len(history) <= 100
    assert looking.one("SELECT forecourt.count_errors(%s::jsonb)", text) == errors
    assert looking.one("SELECT forecourt.interruptions(%s::jsonb)", text) == interruptions
    assert sum(entry.get("entries", 1) for entry in history) == len(outcomes)


def test_since_when_a_job_is_unknown_counts_from_the_first_time_after_a_retry(looking: Looking) -> None:
    unknown = '{"outcome": "Unknown", "at": "%s"}'
    old, new = unknown % "2020-06-01T00:00:00+00:00", unknown % "2021-06-01T00:00:00+00:00"
    ask = "SELECT to_char(now() - make_interval(secs => forecourt.unknown_for(%s::jsonb)), 'YYYY')"
    assert looking.one(ask, f"[{old}, {new}]") == "2020"
    assert looking.one(ask, f'[{old}, {{"outcome": "Retried"}}, {new}]') == "2021"
    assert looking.one(ask, '[{"outcome": "Raised"}]') is None
