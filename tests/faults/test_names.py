"""A worker that begins anew does so with sessions that the others can end."""

import os
import signal

from fleet import Looking, wait_until, worker
from forecourt.store import workers

SESSIONS = """
SELECT application_name
FROM pg_stat_activity
WHERE application_name LIKE 'forecourt slots of %%'
  AND datname = current_database()
"""


def test_a_worker_that_begins_anew_claims_in_a_session_of_its_new_number(looking: Looking) -> None:
    """By that name others end it, should it be cut off in the middle of a claim."""
    with worker(processes=1) as frozen, worker(processes=1):
        wait_until(lambda: looking.count("workers") == 2 and len(looking.rows(SESSIONS)) == 2)
        old = looking.one("SELECT id FROM forecourt.workers WHERE pid = %s", frozen.pid)
        os.kill(frozen.pid, signal.SIGSTOP)
        looking.connection.execute(
            "UPDATE forecourt.workers SET beat_at = now() - interval '1 minute' WHERE id = %s", [old]
        )
        wait_until(lambda: not looking.rows("SELECT 1 FROM forecourt.workers WHERE id = %s", old))
        os.kill(frozen.pid, signal.SIGCONT)
        [(new,)] = wait_until(lambda: looking.rows("SELECT id FROM forecourt.workers WHERE pid = %s", frozen.pid))
        wait_until(lambda: (workers.slot_name(new, 0),) in looking.rows(SESSIONS), 5)
        assert (workers.slot_name(old, 0),) not in looking.rows(SESSIONS)
