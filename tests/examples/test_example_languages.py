"""A call from PHP, from Node and from psql: each by the real thing, where it is installed."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from fleet import Looking
from forecourt.app import load
from forecourt.database import engine, in_transaction_of

LANGUAGES = Path(__file__).parent.parent.parent / "examples" / "languages"


@pytest.fixture
def declared(looking: Looking) -> Looking:
    with engine().begin() as connection:
        load("forecourt.marketplace.app:app").declare(in_transaction_of(connection))
    return looking


@pytest.fixture
def typed(database: str) -> Callable[..., list[str]]:
    url = make_url(database)
    dsn = f"pgsql:host={url.query['host']};dbname={url.database};user={url.username}"
    environment = os.environ | {"DATABASE_URL": database, "DATABASE_DSN": dsn}

    def run(*command: str) -> list[str]:
        done = subprocess.run(command, cwd=LANGUAGES, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    return run


def works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    with suppress(subprocess.TimeoutExpired):  # of a registry that says nothing
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    return False


def test_from_psql(declared: Looking, typed: Callable[..., list[str]], database: str) -> None:
    if not works("psql", "--version"):
        pytest.skip("psql is not installed: apt install postgresql-client")
    ids = typed("psql", database, "--set=listing=42", "--file=dispatch.sql")
    assert [str(id) for (id,) in declared.rows("SELECT id FROM forecourt.ready")] == ids[:1]
    assert declared.rows("SELECT id::text, queue, args FROM forecourt.scheduled") == [
        (ids[1], "low", {"listing_id": 42})
    ]


@pytest.fixture
def driver(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README says to install for Node, where npm is and the registry answers."""
    wanted = request.node.callspec.params["program"][0] == "node" and shutil.which("npm") is not None
    if wanted and not works("node", "-e", "require('pg')"):
        works("npm", "install", "--prefix", str(tmp_path), "--no-audit", "--no-fund", "pg@8")
        monkeypatch.setenv("NODE_PATH", str(tmp_path / "node_modules"))


@pytest.mark.parametrize(
    ("program", "probe", "install"),
    [
        (
            ("php", "dispatch.php"),
            ("php", "-r", "exit((int) !extension_loaded('pdo_pgsql'));"),
            "apt install php-cli php-pgsql",
        ),
        (("node", "dispatch.js"), ("node", "-e", "require('pg')"), "apt install nodejs npm"),
    ],
    ids=["php", "node"],
)
def test_from_another_language(
    driver: None,
    declared: Looking,
    typed: Callable[..., list[str]],
    program: tuple[str, str],
    probe: tuple[str, ...],
    install: str,
) -> None:
    if not works(*probe):
        pytest.skip(f"{program[0]} or its driver is not installed: {install}")
    [id] = typed(*program, "42")
    assert declared.rows("SELECT id::text, job, args FROM forecourt.ready") == [
        (id, "increment_views_count", {"listing_id": 42})
    ]
