"""What the README shows, works."""

import re
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from fleet import Looking, wait_until, worker
from forecourt.cli import COMMANDS
from forecourt.jobs.job import declared

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_your_own_job_and_task(
    session: Session, looking: Looking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example, saved under the name that it gives itself, dispatched in every way shown, and
    worked on.
    """
    example, dispatches = blocks("python")
    (tmp_path / "shop.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    import shop  # type: ignore[import-not-found]

    assert [task.sentence for task in shop.timetable] == ["Daily at 08:30"]
    exec(dispatches, {"greet": shop.greet, "session": session})
    session.rollback()
    assert looking.count("scheduled") == 0
    [statement] = blocks("sql")
    with worker(app="shop:app", PYTHONPATH=f"{tmp_path}") as process:
        wait_until(lambda: "worker started" in process.said())
        looking.connection.execute(statement.encode())
        wait_until(lambda: looking.count("done") == 4)
    assert set(looking.rows("SELECT result->>'said' FROM forecourt.done")) == {
        ("Hello, listing 7",),
        ("Hello, listing 8",),
    }
    del sys.modules["shop"]


def test_every_command_that_is_named_exists() -> None:
    named = {command for page in PAGES for command in re.findall(r"forecourt (\w+)(?: \w+)?`", page.read_text())}
    assert named
    assert named <= set(COMMANDS)


def test_the_page_on_jobs_is_one_program_that_runs(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    known = len(declared)
    try:
        exec("\n".join(blocks("python", (ROOT / "docs" / "jobs.md").read_text())), {"__name__": "guide"})
    finally:
        del declared[known:]
    entered = looking.rows("SELECT job, count(*) FROM forecourt.ready GROUP BY job ORDER BY job")
    assert entered == [("fetch_history", 4), ("measure", 3)]
    assert looking.rows("SELECT plan ->> 'job', awaits FROM forecourt.steps ORDER BY step")[2:] == [
        ("compare", 2),
        ("say_done_once", 1),
    ]
    assert looking.rows("SELECT name, total FROM forecourt.batches") == [("import", 3)]
