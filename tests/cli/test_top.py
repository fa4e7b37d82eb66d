"""`forecourt top`: one look for pipes, and a terminal that goes on looking."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from fleet import TESTS, Looking
from forecourt.cli import forecourt
from forecourt.settings import settings

SCENE = """
WITH worker AS (
    INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, busy, queues, version, marks)
    VALUES ('night-1', 'boot', 4711, '1', 4, 1, '{low}', '1', '/nowhere')
    RETURNING id
)
INSERT INTO forecourt.running (id, job, queue, worker, slot, token, claimed_at, started_at)
SELECT 7, 'leave_trace', 'low', id, 0, 1, now() - interval '70 seconds', now() - interval '70 seconds'
FROM worker;
INSERT INTO forecourt.ready (job, queue) SELECT 'nothing', 'high' FROM generate_series(1, 1234);
INSERT INTO forecourt.failed (job, queue, error, message, attempts, failed_at)
VALUES ('fail', 'low', 'ValueError', E'no \\x1b[2J books', 3, now());
"""


@pytest.fixture
def scene(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Looking:
    """A call that runs, 1,234 that wait where nobody serves, and one that failed."""
    monkeypatch.setenv("FORECOURT_APP", "nightwatch:app")
    settings.cache_clear()
    looking.connection.execute(SCENE.encode())
    return looking


def test_one_look_tells_queues_slots_due_times_and_failures(scene: Looking) -> None:
    result = CliRunner().invoke(forecourt, ["top", "--once"])
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "needs you" in lines[0]
    assert any(line.startswith("high 1,234 0 0 0") and line.endswith("nobody") for line in lines)
    assert "Slots: 1 of 4 busy, 1 worker" in lines
    assert any(line.startswith("leave_trace 7 1 min night-1, process 4711") for line in lines)
    assert any(line.startswith("close_books ") for line in lines)
    assert any(line.startswith("ValueError fail 1 ") and line.endswith(r"no \x1b[2J books") for line in lines)
    assert "\x1b" not in result.output


def test_on_a_terminal_it_goes_on_looking_until_q(scene: Looking) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40", "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(
        [sys.executable, "-m", "forecourt", "top", "--every", "0.5"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)

    def until(words: str) -> None:
        seen, end = "", time.monotonic() + 30
        while words not in seen:
            assert select.select([ours], [], [], end - time.monotonic())[0], seen
            seen += os.read(ours, 65536).decode(errors="replace")

    try:
        until("1,234")
        scene.connection.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('nothing', 'high')")
        until("1,235")
        os.write(ours, b"q")
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
        assert process.wait(40) == 0
    finally:
        process.kill()
        os.close(ours)
