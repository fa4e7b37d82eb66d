"""Bad input is named and changes nothing; a job that ends in an odd way harms nobody else."""

import pytest

from faults import mischief
from fleet import Looking, wait_until, worker

ODD = {
    "release for ever": "failed",
    "release for an age": "failed",
    "release at no time": "failed",
    "release with odd words": "scheduled",
    "discard with a long story": "done",
    "be cancelled": "failed",
    "be speechless": "failed",
    "return a spelled-out NUL": "done",
    "log a novel": "failed",
    "return": "done",
}

STATES = """
SELECT args->>'how', 'done' FROM forecourt.done
UNION ALL SELECT args->>'how', 'failed' FROM forecourt.failed
UNION ALL SELECT args->>'how', 'scheduled' FROM forecourt.scheduled
"""


@pytest.mark.parametrize("how", ODD)
def test_a_job_that_ends_in_an_odd_way_harms_nobody_else(looking: Looking, how) -> None:
    mischief.misbehave.dispatch(how=how)
    with worker(app="faults.mischief:app", processes=1) as process:
        try:
            wait_until(lambda: dict(looking.rows(STATES)) == {how: ODD[how]}, what="all to end", timeout=5)
        finally:
            print(looking.rows("select error, message, attempts from forecourt.failed"))
            print(process.said()[:3000])
    assert 0
