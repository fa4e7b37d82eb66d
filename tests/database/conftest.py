"""Folders with private servers to break."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from owners import Owner

from forecourt.database.private import PrivateServer


@pytest.fixture
def own(empty_root: Path) -> Iterator[Callable[..., Owner]]:
    """Makes owners of the server in `root` or `empty_root`; with wait=False they may still be
    starting it.
    """
    owners: list[Owner] = []

    def make(*, wait: bool = True, **options: Any) -> Owner:
        owner = Owner(empty_root, **options)
        owners.append(owner)
        if wait:
            owner.hear()
        return owner

    yield make
    for owner in owners:
        owner.close()


@pytest.fixture(scope="session")
def fresh_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a private server ran once; tests copy it instead of making a data directory
    each.
    """
    root = tmp_path_factory.mktemp("private")
    server = PrivateServer(root, durable=False)
    server.start()
    server.release()
    return root


@pytest.fixture
def empty_root(tmp_path: Path) -> Iterator[Path]:
    """A folder for a private server, which is stopped after the test."""
    root = tmp_path / "postgres"
    root.mkdir()
    yield root
    PrivateServer(root).stop()


@pytest.fixture
def root(fresh_data: Path, empty_root: Path) -> Path:
    """The same, with a data directory already made, and the server stopped."""
    for path in fresh_data.glob("pg*"):
        subprocess.run(["cp", "-a", str(path), str(empty_root)], check=True)
    return empty_root
