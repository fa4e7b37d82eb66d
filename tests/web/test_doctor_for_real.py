"""What a test cannot break in its own process, broken for a process of its own: a far database, a
wrong clock, a full disk that may not be written, a production on the private server.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import make_url

from faults.skew import Skew, library
from faults.wire import wire
from forecourt import Forecourt
from forecourt.doctor.check import House
from forecourt.doctor.database import whose
from forecourt.settings import settings
from forecourt.store import tasks

FULL = """
mount -t tmpfs -o size=256k tmpfs "$FORECOURT_VAR"
head -c 250k /dev/zero > "$FORECOURT_VAR/full" || true
mount -o remount,ro "$FORECOURT_VAR"
exec "$@"
"""


def test_a_far_database_a_wrong_clock_and_a_full_disk_are_found(database: str, tmp_path: Path) -> None:
    shim = library(tmp_path)
    apart = subprocess.run(["unshare", "--mount", "true"], capture_output=True) if shutil.which("unshare") else None
    if shim is None or apart is None or apart.returncode or os.geteuid():
        pytest.skip("needs a C compiler, unshare, and root")
    (var := tmp_path / "full").mkdir()
    skew = Skew(shim, tmp_path / "skew", 90.0)
    url = make_url(database)
    with wire(f"{url.query['host']}/.s.PGSQL.{url.query['port']}") as line:
        line.delay = 0.06
        away = url.set(host="127.0.0.1", port=line.port, query={"sslmode": "disable", "gssencmode": "disable"})
        environment = {"FORECOURT_DATABASE_URL": away.render_as_string(hide_password=False), "FORECOURT_VAR": str(var)}
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", FULL, "sh", sys.executable, "-m", "forecourt", "doctor", "--json"],
            env=os.environ | environment | skew.environment, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    told = {one["name"]: one for one in json.loads(done.stdout)}
    assert told["database"]["status"] in ("warn", "fail")
    assert told["database"]["value"] >= 60
    assert told["clocks"]["status"] == "fail"
    assert 85 < told["clocks"]["value"] < 120
    assert (told["disk"]["status"], told["disk"]["value"] < 5) == ("fail", True)
    assert told["folder"]["status"] == "fail"
    assert all(told[name]["advice"] for name in ("database", "clocks", "disk", "folder"))


AS_NOBODY = """
import os
from forecourt.doctor import place
os.setgroups([])
os.setgid(65534)
os.setuid(65534)  # after the imports: the interpreter may lie where only root may look
for found in place.disk(None):
    print(found.status, found.name, found.found)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")
def test_a_folder_that_this_user_cannot_reach_write_or_take_for_one_is_found() -> None:
    with TemporaryDirectory() as made:  # pytest's own folder is closed to others
        var = Path(made) / "far" / "var"
        (var / "run").mkdir(parents=True)

        def told(mode: int) -> list[str]:
            var.parent.chmod(mode)
            environment = os.environ | {"FORECOURT_VAR": str(var)}
            done = subprocess.run([sys.executable, "-c", AS_NOBODY], env=environment, capture_output=True, text=True)
            return done.stdout.splitlines()

        Path(made).chmod(0o777)
        assert told(0o700)[1:] == [f"fail folder {var.parent} may not be written by this user"]
        var.chmod(0o777)
        assert told(0o755)[1:] == [f"fail folder {var / 'run'} may not be written by this user"]
        (var / "run").chmod(0o777)
        assert len(told(0o755)) == 1
        (var / "outbox").touch()
        assert told(0o755)[1:] == [f"fail folder {var / 'outbox'} is not a folder"]


def test_a_production_on_the_private_server_is_found(tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tx, Forecourt(), tasks.now(tx))
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "production")
    settings.cache_clear()
    assert whose(house)[0].status == "ok"
    monkeypatch.delenv("FORECOURT_DATABASE_URL")
    settings.cache_clear()
    [found] = whose(house)
    assert (found.status, "FORECOURT_DATABASE_URL" in found.advice) == ("warn", True)
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "local")
    settings.cache_clear()
    assert whose(house)[0].status == "ok"
