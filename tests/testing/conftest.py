"""A process that has no database to turn to, and users' suites beside which the package is
installed.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counter import NOWHERE

from forecourt import database
from forecourt.settings import settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings that point at no database: whoever asks for a connection gets an error."""
    monkeypatch.setenv("FORECOURT_DATABASE_URL", NOWHERE)
    settings.cache_clear()
    database.forget_engine()
    yield
    database.forget_engine()
    settings.cache_clear()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """An empty folder for a user's suite."""
    folder = tmp_path / "suite"
    folder.mkdir()
    return folder


@pytest.fixture
def tested(suite: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs the suite with the database at a URL and returns what pytest says. The package's entry
    points are declared as an installer writes them from pyproject.toml: the environment that runs
    our own tests may have been made before they were."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugins = project["entry-points"]["pytest11"].items()
    declared = tmp_path / "site" / "forecourt-0.dist-info"
    declared.mkdir(parents=True)
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: forecourt\nVersion: 0\n")
    (declared / "entry_points.txt").write_text(
        "\n".join(["[pytest11]", *(f"{name} = {target}" for name, target in plugins), ""])
    )

    def run(url: str, *options: str) -> str:
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=suite,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(declared.parent), "FORECOURT_DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return process.stdout + process.stderr

    return run
