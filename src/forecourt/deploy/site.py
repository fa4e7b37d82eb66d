"""What the files are filled with: the project, its processes, its settings, and how long each of
them waits for the next.
"""

import getpass
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from forecourt.app import Forecourt
from forecourt.ladder import Ladder
from forecourt.settings import PREFIX, Settings, project_folder, settings

SECRET = frozenset(
    {
        "database_url",
        "replica_url",
        "storage_url",
        "smtp_url",
        "indexnow_key",
        "alert_apprise",
        "alert_webhook",
        "alert_secret",
        "clock_ping",
    }
)
"""Settings that hold a password, or are as good as one: whoever knows the address may use it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A project as it stands here."""

    name: str
    """What its processes are called: letters, digits and dashes."""
    folder: Path
    forecourt: Path
    """The installed command."""
    user: str
    python: str
    """The version, as 3.13."""
    processes: int
    queues: tuple[str, ...]
    ladder: Ladder
    web_port: int
    var: Path
    has_private_server: bool
    """Whether PostgreSQL is ours to run, as no setting names one."""
    settings: Mapping[str, str]
    """FORECOURT_* that this process was given, without secrets."""
    requirements: str | None
    """The file that names what the project needs, if there is one: requirements.lock,
    requirements.txt or pyproject.toml.
    """

    @property
    def worker(self) -> str:
        """The arguments of a worker."""
        return self.worker_within(self.ladder.shutdown, self.ladder.stop)

    def worker_within(self, shutdown: float, stop: float) -> str:
        """The same for a worker that grants running calls so many seconds after it was told to
        stop, and is itself granted so many."""
        queues = ",".join(self.queues)
        waits = f"--shutdown-timeout {shutdown:.0f} --stop-grace {stop:.0f}"
        return f"queue work --queue {queues} --processes {self.processes} {waits}"


def here(app: Forecourt) -> Site:
    """The project of the current folder, with this process's settings."""
    folder = (project_folder() or Path.cwd()).resolve()
    known = ("requirements.lock", "requirements.txt", "pyproject.toml")
    return Site(
        name="".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in folder.name.lower()).strip(
            "-"
        )
        or "forecourt",
        folder=folder,
        forecourt=_command(),
        user=getpass.getuser(),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        processes=4,
        queues=app.queues,
        ladder=Ladder.of(app),
        web_port=settings().web_port,
        var=settings().var.resolve(),
        has_private_server=settings().database_url is None,
        settings=_given(os.environ),
        requirements=next((name for name in known if (folder / name).is_file()), None),
    )


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    named = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings) if field.name not in SECRET}
    return {name: environment[name] for name in sorted(named) if environment.get(name)}


def _command() -> Path:
    beside = Path(sys.executable).with_name("forecourt")
    return beside if beside.exists() else Path(shutil.which("forecourt") or "forecourt")
