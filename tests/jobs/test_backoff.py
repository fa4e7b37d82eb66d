"""Delays between attempts."""

from datetime import timedelta

import pytest

from forecourt import exponential
from forecourt.jobs.backoff import backoff


def test_a_list_gives_one_delay_an_attempt_and_the_last_repeats() -> None:
    steps = backoff([10, 30, 60])
    assert [steps.after(attempt) for attempt in (1, 2, 3, 4, 50)] == [10, 30, 60, 60, 60]


def test_a_number_is_always_the_same() -> None:
    assert [backoff(timedelta(minutes=1)).after(attempt) for attempt in (1, 9)] == [60, 60]


def test_exponential_grows_to_its_maximum_and_varies_within_its_jitter() -> None:
    policy = exponential(10, factor=3, maximum=200, jitter=0.1)
    for attempt, middle in ((1, 10), (2, 30), (3, 90), (4, 200), (5000, 200)):
        assert middle * 0.9 <= policy.after(attempt) <= middle * 1.1
    assert exponential(2, jitter=0).after(3) == 8


@pytest.mark.parametrize("wrong", [-1, [10, -1], [], timedelta(seconds=-1)])
def test_what_is_no_delay_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"negative|empty"):
        backoff(wrong)  # type: ignore[arg-type]


def test_exponential_refuses_what_shrinks_or_overshoots() -> None:
    with pytest.raises(ValueError, match="factor"):
        exponential(1, factor=0.5)
    with pytest.raises(ValueError, match="jitter"):
        exponential(1, jitter=2)
