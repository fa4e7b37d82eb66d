"""What systemd is told, on a socket as it opens one."""

import signal
import socket
from pathlib import Path

import pytest

import workshop
from fleet import Looking, running, wait_until


def test_systemd_hears_that_a_worker_is_ready_turns_hangs_and_stops(looking: Looking, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)

        def hear_until(word: str) -> str:
            while not (said := heard.recv(4096).decode()).startswith(word):
                assert said == "WATCHDOG=1"
            return said

        options = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with running("queue", "work", "--queue", "high,default", "--processes", "1", **options) as worker:
            assert hear_until("READY=1") == "READY=1\nSTATUS=1 slots on high,default,@" + socket.gethostname()
            assert [heard.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3

            workshop.nap.dispatch(call="long", seconds=1.5)  # a call that takes long is no reason to bark
            wait_until(lambda: looking.count("running") == 1)
            assert [heard.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3

            worker.signal(signal.SIGSTOP)
            heard.settimeout(1)
            with pytest.raises(TimeoutError):
                hear_until("never again, but for what was on its way")
            worker.signal(signal.SIGCONT)
            heard.settimeout(30)
            worker.signal(signal.SIGTERM)
            assert hear_until("STOPPING=1") == "STOPPING=1\nSTATUS=SIGTERM received"
            assert worker.wait() == 0
    assert looking.rows("SELECT outcome, attempts FROM forecourt.done") == [("finished", 1)]


def test_a_socket_that_is_gone_is_no_reason_to_fail(looking: Looking) -> None:
    with running("queue", "work", "--processes", "1", "--stop-when-empty", NOTIFY_SOCKET="@nobody-listens") as worker:
        assert worker.wait() == 0
    assert "systemd does not hear" in worker.said()
