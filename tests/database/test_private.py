"""Who owns the private server: it starts with the first owner, outlives killed ones, and stops with
the last.
"""

import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from owners import Owner, data_in, postmaster_in
from sqlalchemy import create_engine, make_url, text

from forecourt.database.private import PrivateServer, PrivateServerError

Own = Callable[..., Owner]


def test_the_first_start_makes_a_database_that_psycopg_and_sqlalchemy_can_use(empty_root: Path) -> None:
    server = PrivateServer(empty_root / "var" / "postgres")
    url = server.start()
    with psycopg.connect(url) as connection:
        answer = connection.execute("SELECT current_user, current_database(), lower('ÄÖÜ')").fetchone()
        assert answer == ("forecourt", "forecourt", "äöü")
        settings = "fsync", "full_page_writes", "synchronous_commit", "timezone", "server_encoding"
        assert [connection.execute(f"SHOW {name}").fetchone() for name in settings] == [
            ("on",), ("on",), ("on",), ("UTC",), ("UTF8",),
        ]  # fmt: skip
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as through_sqlalchemy:
        assert through_sqlalchemy.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
    server.release()
    assert postmaster_in(server.root) is None


def test_a_warm_start_loses_nothing(root: Path) -> None:
    server = PrivateServer(root)
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.release()
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    server.release()


def test_settings_for_another_server_do_not_lead_astray(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "5999",
        "PGHOST": "db.invalid",
        "PGUSER": "x",
        "PGDATABASE": "x",
        "PGDATA": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    server = PrivateServer(root, durable=False)
    url = server.start()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == "forecourt"
    engine.dispose()
    server.release()


def test_a_table_without_a_schema_s_name_does_not_land_among_the_engine_s(root: Path) -> None:
    """The role is named like the engine's schema, which PostgreSQL would otherwise look into
    first.
    """
    server = PrivateServer(root, durable=False)
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE SCHEMA forecourt")
        connection.execute("CREATE TABLE mine (id int)")
        assert connection.execute("SELECT 'public.mine'::regclass::text").fetchone() == ("mine",)
    server.release()


def test_nobody_gets_in_by_tcp_and_only_this_user_by_the_socket(root: Path) -> None:
    server = PrivateServer(root, durable=False)
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
        rules = "SELECT type, auth_method FROM pg_hba_file_rules WHERE type <> 'local' AND auth_method <> 'reject'"
        assert connection.execute(rules).fetchall() == []
    data = data_in(root)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / ".s.PGSQL.5432").stat().st_mode) == 0o700
    server.release()


def test_the_server_stops_with_its_last_owner(root: Path, own: Own) -> None:
    first, second = own(), own()
    postmaster = postmaster_in(root)
    assert postmaster is not None
    first.tell("server.release()")
    assert postmaster_in(root) == postmaster
    second.tell("server.release()")
    assert postmaster_in(root) is None


def test_an_owner_that_ends_without_release_has_released(root: Path, own: Own) -> None:
    assert own().leave() == 0
    assert postmaster_in(root) is None


def test_a_killed_owner_leaves_the_server_to_the_next_who_is_then_the_last(root: Path, own: Own) -> None:
    own().kill()
    postmaster = postmaster_in(root)
    assert postmaster is not None
    heir = own()
    assert postmaster_in(root) == postmaster
    heir.tell("server.release()")
    assert postmaster_in(root) is None


def test_release_may_come_twice_and_before_start(root: Path) -> None:
    server = PrivateServer(root, durable=False)
    server.release()
    server.start()
    server.release()
    server.release()
    server.start()
    assert postmaster_in(root) is not None
    server.release()
    assert postmaster_in(root) is None


def test_stop_stops_whoever_uses_it_and_start_brings_it_back(root: Path, own: Own) -> None:
    owner = own()
    operator = PrivateServer(root)
    assert operator.stop() is True
    assert operator.stop() is False
    assert postmaster_in(root) is None
    owner.tell("server.start()")
    assert postmaster_in(root) is not None
    owner.tell("server.release()")
    assert postmaster_in(root) is None


def test_stop_of_what_never_was_makes_nothing(tmp_path: Path) -> None:
    assert PrivateServer(tmp_path / "nowhere").stop() is False
    assert not (tmp_path / "nowhere").exists()


def test_release_survives_the_removal_of_the_folder(root: Path, own: Own) -> None:
    owner = own()
    PrivateServer(root).stop()
    root.rename(root.with_name("moved"))
    assert owner.leave() == 0
    assert not root.exists()
    root.with_name("moved").rename(root)


def test_a_forked_child_neither_stops_the_server_nor_keeps_it(root: Path, own: Own) -> None:
    owner = own()
    owner.tell("import os, time")
    owner.tell("child = os.fork() or (server.release(), sys.exit())")  # runs the exit hooks too
    owner.tell("os.waitpid(child, 0)")
    assert postmaster_in(root) is not None

    sleeping = owner.ask("os.fork() or time.sleep(60)")
    executing = owner.ask("os.fork() or os.execvp('sleep', ['sleep', '60'])")
    heir = own()
    owner.kill()
    heir.tell("server.release()")
    assert postmaster_in(root) is None
    for child in (sleeping, executing):
        os.kill(child, signal.SIGKILL)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(root: Path, own: Own) -> None:
    interrupted = own(start_new_session=True)  # its process group stands for the terminal's
    postmaster = postmaster_in(root)
    own()
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.process.wait()
    assert postmaster is not None
    assert postmaster_in(root) == postmaster


def test_starts_at_once_share_one_server(empty_root: Path, own: Own) -> None:
    owners = [own(wait=False) for _ in range(4)]
    assert len({owner.hear() for owner in owners}) == 1
    assert (empty_root / "server.log").read_text().count("ready to accept connections") == 1
    for owner in owners:
        owner.leave()
    assert postmaster_in(empty_root) is None


def test_a_start_is_never_caught_by_anothers_last_release(root: Path) -> None:
    failures: list[Exception] = []

    def come_and_go() -> None:
        server = PrivateServer(root, durable=False)
        try:
            for _ in range(10):
                with psycopg.connect(server.start()) as connection:
                    connection.execute("SELECT 1")
                server.release()
        except (psycopg.Error, PrivateServerError) as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert postmaster_in(root) is None


@pytest.mark.parametrize(
    "name", ["a" * 100, "a,b", "سيارات", "100% & 'more'"], ids=["long", "comma", "arabic", "punctuation"]
)
def test_a_path_that_no_socket_can_have_is_no_obstacle(root: Path, name: str) -> None:
    folder = root.with_name(name)
    root.rename(folder)
    server = PrivateServer(folder, durable=False)
    url = server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    sockets = Path(str(make_url(url).query["host"]))
    assert sockets.parent == Path("/tmp")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    server.release()
    assert not sockets.exists(), "nothing is left in /tmp"
    folder.rename(root)


def test_a_socket_folder_that_others_can_open_is_refused(root: Path) -> None:
    folder = root.with_name("a" * 100)
    root.rename(folder)
    server = PrivateServer(folder, durable=False)
    sockets = Path(str(make_url(server.start()).query["host"]))
    server.release()
    sockets.mkdir(0o755)
    with pytest.raises(PrivateServerError, match=rf"{sockets} should be a folder that only .* can open"):
        server.start()
    folder.rename(root)
    sockets.rmdir()


def test_data_of_another_major_version_is_refused_and_kept(root: Path) -> None:
    data = data_in(root)
    (data / "PG_VERSION").write_text("16\n")
    data.rename(root / "pg16")
    with pytest.raises(
        PrivateServerError, match=r"pg16 was written by PostgreSQL 16, .* holds PostgreSQL .*FORECOURT_PG_BIN"
    ):
        PrivateServer(root).start()
    assert [folder.name for folder in root.glob("pg*")] == ["pg16"]


def test_a_folder_that_is_no_data_directory_is_refused_and_kept(root: Path) -> None:
    (data_in(root) / "PG_VERSION").unlink()
    with pytest.raises(PrivateServerError, match=r"pg\d\d is not a data directory of PostgreSQL.*Move it away"):
        PrivateServer(root).start()
    assert (data_in(root) / "base").is_dir()


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrivateServerError, match=r"cannot use .*/file/postgres: .*FORECOURT_VAR"):
        PrivateServer(tmp_path / "file" / "postgres").start()
