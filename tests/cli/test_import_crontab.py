"""`forecourt schedule import-crontab`: what a crontab says, and a timetable that does the same."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest
from click.testing import CliRunner

from forecourt.cli.schedule import schedule
from forecourt.jobs.job import declared
from forecourt.schedule.run_now import run_now

CRONTAB = r"""
# The shop
MAILTO=ops@example.com
GREETING = "good night"
*/5 * * * * /srv/bin/poll --fast >/dev/null 2>&1
0 3 * * 1 SIZE=3 cat; echo "$GREETING"; echo 100\% >&2 %first%second
CRON_TZ=Asia/Damascus
@daily cd /srv && ./backup.sh
30 4 1 * * ./backup.sh --all

@reboot /srv/bin/start
61 * * * * /srv/bin/never
15 4 1 * 5
"""


@pytest.fixture
def known_jobs() -> Iterator[None]:
    known = len(declared)
    yield
    del declared[known:]


def test_a_crontab_becomes_a_timetable_that_does_the_same(
    known_jobs: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    result = CliRunner().invoke(schedule, ["import-crontab", "-", "--timezone", "Africa/Cairo"], input=CRONTAB)
    assert result.exit_code == 3, "three lines could not be read"
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "Line 11 is left out",
        "Line 12 is left out",
        "Line 13 is left out",
    ]
    assert "@reboot is no time" in result.stdout
    module: dict[str, Any] = {"__name__": "imported"}
    exec(result.stdout, module)
    tasks = list(module["app"].timetable)
    assert [(str(task.name), str(task.cron), task.zone.key) for task in tasks] == [
        ("poll", "*/5 * * * *", "Africa/Cairo"),
        ("cat", "0 3 * * 1", "Africa/Cairo"),
        ("backup.sh", "@daily", "Asia/Damascus"),
        ("backup.sh 2", "30 4 1 * *", "Asia/Damascus"),
    ]
    assert all(task.may_overlap and task.args["environment"] == {"GREETING": "good night"} for task in tasks)
    run_now(tasks[1], module["app"].jobs.middleware)
    assert caplog.messages[-1].splitlines() == ["it printed:", "first", "second", "good night", "100%"]
    run: Callable[..., None] = module["run_command"]
    run(command=r"pwd; printf '\377'", environment={"HOME": str(tmp_path)})
    assert caplog.messages[-1] == f"it printed:\n{tmp_path}\n\N{REPLACEMENT CHARACTER}", (
        "cron goes to the HOME that is given"
    )
    away = (
        "(for n in $(seq 600); do [ -e stop ] && break; sleep 0.1; done; touch ended) & yes | head -c 3000000; exit 3"
    )
    with pytest.raises(CalledProcessError, match="exit status 3"):
        run(command=away, environment={"HOME": str(tmp_path)})
    assert not (tmp_path / "ended").exists(), "what it left in the background holds nobody up"
    (tmp_path / "stop").touch()
    assert 7000 < len(caplog.messages[-1]) < 9000, "the end of it, also of a command that fails"


def test_a_system_s_crontab_has_a_user_before_each_command(known_jobs: None, tmp_path: Path) -> None:
    file = tmp_path / "cron"
    file.write_text("17 * * * * root cd / && run-parts /etc/cron.hourly\n")
    result = CliRunner().invoke(schedule, ["import-crontab", str(file), "--with-user"])
    assert result.exit_code == 0
    assert 'name="run-parts",' in result.stdout
    assert 'command="cd / && run-parts /etc/cron.hourly",' in result.stdout


def test_odd_files_become_a_timetable_or_a_sentence(known_jobs: None, tmp_path: Path) -> None:
    file = tmp_path / "cron"
    file.write_text(f"\N{BYTE ORDER MARK}@daily {'long' * 100}\r\n@daily {'long' * 100} again\r\n")
    result = CliRunner().invoke(schedule, ["import-crontab", str(file)])
    module: dict[str, Any] = {"__name__": "imported"}
    exec(result.stdout, module)
    assert [task.name for task in module["timetable"]] == ["long" * 25, f"{'long' * 25} 2"]
    file.write_bytes(b"@daily /srv/k\xfcche\n")
    result = CliRunner().invoke(schedule, ["import-crontab", str(file)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file} is not UTF-8" in result.stderr
