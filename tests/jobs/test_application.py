"""What FORECOURT_APP may name, and what is said where it names something else."""

from pathlib import Path

import pytest

from forecourt.jobs.application import NoSuchApplication, load
from forecourt.schedule.errors import TimetableError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("absent", None, "there is no module 'absent' in "),
        ("shop.py", None, "leave out the .py, shop:app"),
        ("no_app", "", "has no 'app'"),
        ("function", "def app(): ...", "is a function, not an application: app = Forecourt"),
        ("syntax", "def a() -> None\n", 'syntax.py", line 1\n    def a() -> None\n'),
        ("missing", "\nimport not_installed", "line 2, in <module>\n    import not_installed\nModuleNotFoundError"),
        (
            "eager",
            "from forecourt import job\n@job(name='application.eager')\ndef wake(): ...\nwake.dispatch()",
            "application.eager: dispatched while eager:app is imported, as each worker and command would do again",
        ),
        ("value", 'int("x")', "ValueError: invalid literal"),
        (
            "laravel",
            "from forecourt import Timetable, job\ndef daily(): ...\nTimetable().add(job(daily)).everyMinute()",
            "AttributeError: task has no word 'everyMinute'; there is every_minute",
        ),
    ],
)
def test_what_cannot_be_loaded_is_said_with_its_line(project: Path, name: str, code: str | None, words: str) -> None:
    if code is not None:
        (project / f"{name}.py").write_text(code)
    with pytest.raises(NoSuchApplication) as raised:
        load(f"{name}:app")
    assert words in str(raised.value)
    assert "importlib" not in str(raised.value), "nobody's own lines"


def test_a_mistake_in_the_timetable_keeps_its_kind(project: Path) -> None:
    (project / "late.py").write_text("from forecourt import Timetable\napp = Timetable('Mars/Olympus')")
    with pytest.raises(TimetableError, match="'Mars/Olympus' is not an IANA time zone"):
        load("late:app")
