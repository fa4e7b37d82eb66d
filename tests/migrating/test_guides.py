"""The guides name nothing of ours that is not there."""

import inspect
import re
from pathlib import Path

import click
import pytest
import theirs

import workshop
from forecourt import Timetable, job
from forecourt.cli import forecourt
from forecourt.jobs.job import Job

DOCS = Path(__file__).parent.parent.parent / "docs"
GUIDES = [*sorted((DOCS / "moving").glob("*.md")), DOCS / "coming-from-laravel.md"]


def ours(page: Path) -> list[str]:
    """The code of the right column, and of the prose."""
    rows = [line.rpartition(" | ")[2] if line.startswith("|") else line for line in page.read_text().splitlines()]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


def follow(words: list[str]) -> click.Command:
    """The command that these words begin with."""
    command: click.Command = forecourt
    with click.Context(forecourt) as context:
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found is not None, words
            command, words = found, words[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"} <= options, words
    return command


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_option_and_method_of_ours_exists(page: Path) -> None:
    options = set(inspect.signature(job).parameters)
    task = Timetable().add(workshop.nothing)
    for code in ours(page):
        if code.startswith("forecourt ") and "/" not in code:
            follow(code.split()[1:])
        if decorated := re.match(r"@job\((.*)\)$", code):
            assert set(re.findall(r"(?:^|[ (])(\w+)=", re.sub(r"\(.*\)", "", decorated[1]))) <= options, code
        if used := re.search(r"using\(([^)]*)\)", code):
            assert set(re.findall(r"(\w+)=", used[1])) <= set(inspect.signature(Job.using).parameters), code
        for method in re.findall(r"^\.(\w+)\(", code) + re.findall(r"timetable\.add\([^)]*\)\.(\w+)\(", code):
            if method not in ("then", "catch", "finally_", "allow_failures", "dispatch"):
                assert hasattr(task, method), code


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("moving/celery", theirs.CELERY),
        ("moving/rq", theirs.RQ),
        ("moving/huey", theirs.HUEY),
        ("moving/apscheduler", theirs.APSCHEDULER),
        ("coming-from-laravel", theirs.LARAVEL),
    ],
)
def test_every_word_of_theirs_has_its_answer(page: str, words: str) -> None:
    code = " ".join(re.findall(r"`([^`]+)`", (DOCS / f"{page}.md").read_text()))
    missing = [word for word in words.split() if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", code)]
    assert missing == []
