"""Every setting, typed, read from FORECOURT_* and from a .env file in the working directory.

They are read by hand because every command reads them: the libraries for that take longer to import
than such a command to run.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from forecourt.bucket_address import BucketAddress
from forecourt.setting_values import READERS

PREFIX = "FORECOURT_"
APP, VAR = f"{PREFIX}APP", f"{PREFIX}VAR"

MARKERS = (".env", "pyproject.toml", "var/postgres")
"""What only a project's own folder has: its settings, its description, or the private database that
was made there.
"""


QUEUE_LIMIT = 60.0
"""Seconds that the oldest call of a queue may wait, unless the settings say otherwise."""


class WrongSettings(ValueError):
    """Settings that cannot be followed; the message names each variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. An environment variable wins over .env, .env over the default;
    empty means the default.
    """

    database_url: str | None = None
    """postgresql://user:password@host:port/name. Without it a private PostgreSQL runs under
    `var`.
    """

    replica_url: str | None = None
    """A standby of it, from which sitemap and `forecourt analytics` read, where there is one."""

    pooled: bool = False
    """Whether the database is behind a pooler in transaction mode, such as PgBouncer: then nothing
    is asked of a session that lasts longer than a transaction, and idle workers find new calls by
    polling alone."""

    var: Path = Path("var")
    """The folder for everything local: the private database, photos, sitemap, archive, unsent
    mails. Relative to the project's folder, the nearest upwards with a .env, a pyproject.toml, a
    private database or the application; outside of any project it is `forecourt` in the user's data
    folder, ~/.local/share."""

    storage_url: BucketAddress | None = None
    """A bucket that speaks S3, for photos, archive and sitemap, so that several servers share them
    without a shared folder: s3://KEY:SECRET@bucket/prefix?endpoint=https://host&region=name.
    Without it they lie under `var`."""

    timezone: str = "UTC"
    """The IANA zone in which the timetable is written and in which a business day begins and
    ends.
    """

    base_url: str = "http://localhost:8000"
    """The marketplace's public address: sitemap entries and links in mails start with it. No
    trailing slash.
    """

    languages: tuple[tuple[str, str], ...] = ()
    """The languages that every page of the marketplace exists in, each with what its addresses go
    on with: `en,ar=/ar`. The first is for whoever speaks none of them. Empty: there is one version
    of each page."""

    photos_url: str | None = None
    """Where the front end serves photos: this address, a slash and a key. Without it the sitemap
    names no photos.
    """

    indexnow_key: str | None = None
    """The key by which search engines that speak IndexNow know that it is us who tell them what
    changed. Without it they are told nothing."""

    app: str = "forecourt.marketplace.app:app"
    """module:attribute of the Forecourt application that workers, clock and commands load."""

    environment: str = "local"
    """What the tasks' `.environments(...)` compare with."""

    host: str = ""
    """What this machine is called, where clock and workers must agree on it: for tasks that run on
    every server. Empty means the system's own name, which differs between the containers of one
    machine."""

    smtp_url: str | None = None
    """smtp://user:password@host:port, or smtps://. Without it mails become .eml files under
    `var`/outbox.
    """

    mail_from: str = "Forecourt <no-reply@localhost>"
    """The sender of every mail."""

    mail_templates: Path | None = None
    """A folder with mail templates of one's own, which go before those of the same name that come
    with Forecourt.
    """

    queue_limits: tuple[tuple[str, float], ...] = ()
    """How many seconds the oldest call of a queue may wait: high=30,low=3600. Unsaid it is 60."""

    alert_mail: tuple[tuple[str, str], ...] = ()
    """Who is told by mail when something is wrong, each with their language: ops@cars.example,
    omar@cars.example ar.
    """

    alert_webhook: str | None = None
    """An address that is sent the same as JSON, signed with `alert_secret`."""

    alert_webhook_language: Literal["en", "ar"] = "en"
    """The language of the words in it, for who reads them in a chat."""

    alert_secret: str | None = None
    """What the webhook's signature is made with: whsec_ and base64, or any text of 16 characters or
    more.
    """

    alert_apprise: tuple[str, ...] = field(default=(), repr=False)
    """Addresses of Apprise's that are told as well, with spaces between: tgram://token/chat
    ntfy://topic. They need `pip install 'forecourt[apprise]'`.
    """

    alert_quiet_hours: tuple[time, time] | None = None
    """From and until when, in the business zone, only failures are told: 22:00-07:00. What only
    wants a look waits for the end.
    """

    clock_ping: str | None = None
    """An address that the clock asks for each minute after a right round; whoever watches it misses
    us when all is gone.
    """

    report_mail: tuple[tuple[str, str], ...] = ()
    """Who gets the report of the night each morning, each with their language: anna@cars.example,
    omar@cars.example ar.
    """

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    log_format: Literal["auto", "text", "json"] = "auto"
    """auto: text on a terminal, one JSON object a line elsewhere."""

    event_origins: tuple[str, ...] = ()
    """Web sites whose pages may send events, beside the one at `base_url`: https://m.cars.example,
    with commas between.
    """

    photo_hook: str = ""
    """module:function that gets each photo as a Pillow image and returns it, changed: to blur
    number plates, say.
    """

    watermark: Path | None = None
    """A picture with transparency that is laid over published photos."""

    web_host: str = "127.0.0.1"
    web_port: int = 8000

    web_trusted_proxy: tuple[str, ...] = ()
    """Addresses and networks of proxies that sign people in: 10.0.0.5, 10.1.0.0/16. Only these are
    believed who asks.
    """

    web_trusted_proxy_user: str = "X-Forwarded-User"
    web_trusted_proxy_role: str = "X-Forwarded-Role"
    """The headers in which such a proxy names who asks, and what they may: viewer, operator or
    admin.
    """

    def queue_limit(self, queue: str) -> float:
        """How many seconds the oldest call of a queue may wait."""
        return dict(self.queue_limits).get(queue, QUEUE_LIMIT)

    @property
    def zone(self) -> ZoneInfo:
        """The business zone."""
        return ZoneInfo(self.timezone)

    @property
    def storage(self) -> Path:
        """Where photos and spooled uploads lie, unless they lie in a bucket."""
        return self.var / "storage"

    @property
    def public(self) -> Path:
        """What the web server may serve as it is, the sitemap, unless it lies in a bucket."""
        return self.var / "public"

    @property
    def archive(self) -> Path:
        """Where archived analytics lie, as Parquet, unless they lie in a bucket."""
        return self.var / "archive"

    @property
    def outbox(self) -> Path:
        """Where mails lie when no SMTP server is configured."""
        return self.var / "outbox"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Tests call `settings.cache_clear()` after changing
    the environment.

    Raises WrongSettings.
    """
    home = project_folder()
    written = {} if home is None else _from_file(home / ".env")
    found = read(written | os.environ)
    if os.environ.get(VAR):
        return replace(found, var=found.var.absolute())
    if home is not None:
        return replace(found, var=home / found.var)
    return replace(found, var=_data_folder())


def project_folder() -> Path | None:
    """The folder of the project that the current folder is in: the nearest one upwards that has one
    of the markers, or the application that FORECOURT_APP names. So a command that is typed in a
    folder below finds the same settings, and the same private database."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        return None
    module = os.environ.get(APP, "").partition(":")[0].replace(".", "/")
    markers = (*MARKERS, f"{module}.py", f"{module}/__init__.py") if module else MARKERS
    return next((folder for folder in (here, *here.parents) if any((folder / name).exists() for name in markers)), None)


def _data_folder() -> Path:
    """For commands outside of any project, wherever they are typed: cron's begin in the home
    folder, or in the root.
    """
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "forecourt"


def read(environment: Mapping[str, str]) -> Settings:
    """The settings that these variables make. Raises WrongSettings, naming all that are wrong."""
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for one in fields(Settings):
        variable = f"{PREFIX}{one.name.upper()}"
        if text := environment.get(variable):
            try:
                given[one.name] = READERS.get(one.name, str)(text)
            except (ValueError, OSError) as error:
                wrong.append(f"{variable}: {error}")
    known = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
    for name in sorted(name for name in environment if name.startswith(PREFIX) and name not in known):
        if meant := _close(name, known):
            wrong.append(f"{name} is no setting: did you mean {meant}?")
    if given.get("alert_webhook") and not given.get("alert_secret"):
        wrong.append("FORECOURT_ALERT_WEBHOOK needs FORECOURT_ALERT_SECRET, by which its receiver knows that it was us")
    if wrong:
        raise WrongSettings("; ".join(wrong))
    return Settings(**given)


def _close(name: str, known: Iterable[str]) -> str | None:
    """The setting whose name is so much like this one that it is misspelled. Kubernetes makes
    variables of its services' names, which are not."""
    from difflib import get_close_matches

    close = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1, 0.8)
    return f"{PREFIX}{close[0]}" if close else None


def _from_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8") as lines:
            for found in parse_stream(lines):
                if found.error and PREFIX in found.original.string:
                    raise WrongSettings(f"{path}, line {found.original.line}: expected NAME=value")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise WrongSettings(f"{path}, line {line}: expected UTF-8") from None
    return {name: value for name, value in dotenv_values(path, encoding="utf-8").items() if value is not None}
