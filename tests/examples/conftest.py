"""The examples as a newcomer meets them: a copy of the folder, and an empty database."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from fleet import Looking
from newcomers import Newcomer, free_port

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def newcomer(
    request: pytest.FixtureRequest, server_url: str, database_name: str, empty_var: Path, tmp_path: Path
) -> Iterator[Newcomer]:
    """In the folder of the example that the test's module is named after."""
    name = request.module.__name__.removeprefix("test_example_")
    if name in ("django", "fastapi", "flask") and find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install {name}")
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("var", "__pycache__"))
    identifier = sql.Identifier(database_name)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
        url = make_url(server_url).set(database=database_name).render_as_string(hide_password=False)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(folder),
            "FORECOURT_DATABASE_URL": url,
            "FORECOURT_WEB_PORT": free_port(),
        }
        looking = Looking(url)
        found = Newcomer(folder, looking, environment)
        yield found
        for server in found.servers:
            server.send_signal(signal.SIGTERM)
        for server in found.servers:
            server.wait(30)
        looking.connection.close()
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
