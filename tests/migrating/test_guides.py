"""The guides name nothing of ours that is not there."""

import inspect
import re
from pathlib import Path

import click
import pytest

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
            if method not in ("then", "catch", "dispatch"):
                assert hasattr(task, method), code
