"""Promises of the command line's beginning: it answers at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["psycopg", "sqlalchemy", "starlette", "rich", "pydantic", "orjson", "PIL", "pyarrow", "uvicorn", "alembic"]

ASK = """
import json, resource, sys
from forecourt.cli import forecourt
try:
    forecourt(sys.argv[1:], prog_name="forecourt")
except SystemExit as end:
    assert end.code == 0, end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([sorted(sys.modules), used.ru_utime + used.ru_stime]))
"""


def ask(*arguments: str) -> tuple[str, set[str], float]:
    """What the command printed, which modules it took, and the seconds of CPU from the start of its
    process.
    """
    done = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True)
    printed, _, told = done.stdout.rstrip().rpartition("\n")
    modules, seconds = json.loads(told)
    return printed, set(modules), seconds


@pytest.mark.parametrize("arguments", [["--help"], ["schedule", "--help"], ["queue", "--help"]])
def test_help_takes_no_heavy_library(arguments: list[str]) -> None:
    printed, modules, _ = ask(*arguments)
    assert printed.startswith("Usage: forecourt")
    assert modules.isdisjoint(HEAVY)


def test_help_answers_within_a_seventh_of_a_second_of_cpu() -> None:
    assert min(ask("--help")[2] for _ in range(3)) <= 0.15


@pytest.mark.parametrize("arguments", [["size", "--json"], ["failed", "--json"], ["monitor"]])
def test_a_command_that_only_reads_takes_no_heavier_library_than_the_driver(
    database: str, arguments: list[str]
) -> None:
    _, modules, _ = ask("queue", *arguments)
    assert modules.isdisjoint(set(HEAVY) - {"psycopg", "orjson"} | {"forecourt.app", "forecourt.jobs"})


def test_the_size_of_the_queues_is_told_within_a_third_of_a_second_of_cpu(database: str) -> None:
    assert min(ask("queue", "size", "--json")[2] for _ in range(3)) <= 0.35


def test_help_needs_no_database_no_settings_and_writes_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"FORECOURT_DATABASE_URL": "nonsense", "FORECOURT_TIMEZONE": "Mars/Olympus"}
    done = subprocess.run(
        [sys.executable, "-m", "forecourt", "--help"], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert b"schedule" in done.stdout
    assert list(tmp_path.iterdir()) == []
