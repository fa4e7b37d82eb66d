"""Supervisor itself runs what we print, and the reference's own program section with nothing but
the command changed.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workshop
from fleet import TESTS, Looking, wait_until

BIN = Path(sys.executable).parent

REFERENCE = """\
[program:ramouse-worker]
process_name=%(program_name)s_%(process_num)02d
command={bin}/forecourt queue work --sleep=3 --tries=3 --max-time=3600 --processes=1
autostart=true
autorestart=true
stopasgroup=true
killasgroup=true
user={user}
numprocs=4
redirect_stderr=true
stdout_logfile={folder}/worker.log
stopwaitsecs=3600
"""

SUPERVISOR = """
[supervisord]
nodaemon=true
logfile=supervisord.log
pidfile=supervisord.pid

[unix_http_server]
file=%(here)s/s.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://%(here)s/s.sock

[include]
files = *.program
"""


class Supervisord:
    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.process = subprocess.Popen(
            [BIN / "supervisord", "-c", "s.conf"], cwd=folder, env=environment, stdout=subprocess.DEVNULL
        )

    def control(self, *words: str) -> str:
        command = [BIN / "supervisorctl", "-c", "s.conf", *words]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True).stdout


@pytest.fixture
def supervisord(looking: Looking, tmp_path: Path) -> Iterator[Supervisord]:
    if not (BIN / "supervisord").exists():
        pytest.skip("supervisord is not installed: pip install supervisor")
    folder = Path(os.environ["FORECOURT_VAR"]).parent
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    environment = os.environ | {"PYTHONPATH": str(TESTS), "FORECOURT_APP": "workshop:app"}
    (folder / "var" / "logs").mkdir(parents=True)
    (folder / ".env").touch()
    printed = subprocess.run(
        [BIN / "forecourt", "deploy", "supervisor"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (folder / "printed.program").write_text(printed.replace("autostart=true", "autostart=false"))
    (folder / "reference.program").write_text(REFERENCE.format(bin=BIN, user=user, folder=folder))
    (folder / "s.conf").write_text(SUPERVISOR)
    started = Supervisord(folder, environment)
    yield started
    if started.process.poll() is None:
        started.process.send_signal(signal.SIGTERM)
        started.process.wait(60)
    shutil.rmtree(folder / "var", ignore_errors=True)


def alive(looking: Looking) -> set[int]:
    """The pids of the workers that are on the list."""
    return {pid for (pid,) in looking.rows("SELECT pid FROM forecourt.workers")}


def test_four_processes_start_are_restarted_when_killed_and_stop_in_order(
    supervisord: Supervisord, looking: Looking
) -> None:
    wait_until(lambda: len(alive(looking)) == 4, timeout=60)
    status = supervisord.control("status", "ramouse-worker:*")
    assert status.count("RUNNING") == 4, status
    pids = {int(line.partition("pid ")[2].partition(",")[0]) for line in status.splitlines()}
    killed = pids.pop()
    os.kill(killed, signal.SIGKILL)
    restarted = wait_until(lambda: alive(looking) - pids - {killed}, timeout=60)
    assert len(restarted) == 1

    workshop.nap.dispatch(call="until the end", seconds=1.5)
    wait_until(lambda: looking.count("running") == 1)
    supervisord.control("stop", "ramouse-worker:*")
    assert looking.rows("SELECT outcome, attempts FROM forecourt.done") == [("finished", 1)], "TERM to the whole group"
    assert looking.live() == 0

    folder = supervisord.folder.name.lower().replace("_", "-")
    started = supervisord.control("start", f"{folder}:{folder}-worker", f"{folder}:{folder}-clock")
    assert started.count("started") == 2, started
    workshop.nothing.dispatch()
    wait_until(lambda: looking.count("done") == 2, timeout=60)
    wait_until(lambda: looking.count("clocks"), timeout=60)  # before that, TERM finds it importing
    supervisord.process.send_signal(signal.SIGTERM)
    assert supervisord.process.wait(60) == 0
    said = (supervisord.folder / "supervisord.log").read_text()
    assert said.count("(exit status 0; expected)") + said.count("exit status 0") >= 6, said
    assert "SIGKILL" not in said.partition("until the end")[2]
