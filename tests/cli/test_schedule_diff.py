"""`forecourt schedule diff`: what a deploy would change, before it does."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import nightwatch
from fleet import Looking
from forecourt.cli.errors import explained
from forecourt.cli.schedule import schedule
from forecourt.database import engine
from forecourt.schedule.clock import Clock
from forecourt.settings import settings

VERSION = """
from forecourt import Forecourt, Timetable, job

@job
def sweep(rooms: int) -> None: ...

timetable = Timetable("Africa/Cairo")
timetable.add(sweep, rooms=3).daily_at("{time}").between("01:00", "05:00")
timetable.add(sweep, name="{name}", rooms=1).hourly()
app = Forecourt(timetable)
"""


def test_a_deploy_is_compared_with_what_the_clock_last_ran(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_APP", "nightwatch:app")
    settings.cache_clear()
    nothing = CliRunner().invoke(schedule, ["diff"])
    assert nothing.exception is not None
    assert explained(nothing.exception)[0] == 5  # type: ignore[arg-type]
    clock = Clock(nightwatch.timetable, engine(), environment="test", application="nightwatch:app")
    clock.begin()
    clock.begin()
    assert looking.count("timetables") == 1
    same = CliRunner().invoke(schedule, ["diff"])
    assert same.output == "No difference: the same 10 tasks, due at the same times.\n"
    looking.connection.execute(
        """
        UPDATE forecourt.timetables
        SET tasks = tasks - 'steady' || jsonb_build_object('gone', tasks -> 'dying')
        """
    )
    changed = json.loads(CliRunner().invoke(schedule, ["diff", "--json"]).output)
    assert [(change["task"], change["kind"]) for change in changed] == [("steady", "added"), ("gone", "removed")]
    assert (len(changed[0]["due_after"]), len(changed[1]["due_before"])) == (3, 3)


def test_a_deploy_is_compared_with_another_folder_and_each_change_is_told(
    looking: Looking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = tmp_path / "new", tmp_path / "old"
    for folder, time, name in ((here, "03:00", "dust"), (other, "04:00", "mop")):
        folder.mkdir()
        (folder / "night_of_versions.py").write_text(VERSION.format(time=time, name=name))
    monkeypatch.setenv("FORECOURT_APP", "night_of_versions:app")
    monkeypatch.syspath_prepend(here)
    settings.cache_clear()
    result = CliRunner().invoke(schedule, ["diff", str(other)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[:2] == [
        "~ sweep: Daily at 03:00, between 01:00 and 05:00 (Africa/Cairo)",
        "    cron: 0 4 * * * → 0 3 * * *",
    ]
    assert [line for line in lines if not line.startswith("    ")][1:] == [
        "+ dust: Every hour (Africa/Cairo)",
        "- mop: Every hour (Africa/Cairo)",
    ]
    assert [line.split(":")[0].strip() for line in lines if "due" in line] == ["was due", "is due", "is due", "was due"]
    broken = CliRunner().invoke(schedule, ["diff", "no_such_module:app"])
    assert "no_such_module:app does not tell its timetable" in str(broken.exception)
    assert "there is no module" in str(broken.exception)
