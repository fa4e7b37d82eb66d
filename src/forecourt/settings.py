"""Every setting, typed, read from FORECOURT_* and from a .env file beside the process."""

from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process. An environment variable wins over .env, .env over the default."""

    model_config = SettingsConfigDict(
        env_prefix="FORECOURT_", env_file=".env", env_file_encoding="utf-8", extra="ignore"
    )

    database_url: str | None = None
    """postgresql://user:password@host:port/name. Without it a private PostgreSQL runs under `var`."""

    pooled: bool = False
    """Whether the database is behind a pooler in transaction mode, such as PgBouncer: then nothing is asked of a session that
    lasts longer than a transaction, and idle workers find new calls by polling alone."""

    var: Path = Path("var")
    """The folder for everything local: the private database, photos, sitemap, archive, unsent mails."""

    timezone: str = "UTC"
    """The IANA zone in which the timetable is written and in which a business day begins and ends."""

    base_url: str = "http://localhost:8000"
    """The marketplace's public address: sitemap entries and links in mails start with it. No trailing slash."""

    app: str = "forecourt.marketplace.app:app"
    """module:attribute of the Forecourt application that workers, clock and commands load."""

    environment: str = "local"
    """What the tasks' `.environments(...)` compare with."""

    smtp_url: str | None = None
    """smtp://user:password@host:port, or smtps://. Without it mails become .eml files under `var`/outbox."""

    mail_from: str = "Forecourt <no-reply@localhost>"
    """The sender of every mail."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "text", "json"] = "auto"
    """auto: text on a terminal, one JSON object a line elsewhere."""

    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=1, le=65535)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, such as Asia/Damascus or Europe/Berlin")
        return value

    @field_validator("base_url")
    @classmethod
    def _absolute_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} must start with http:// or https://")
        return value.rstrip("/")

    @property
    def zone(self) -> ZoneInfo:
        """The business zone."""
        return ZoneInfo(self.timezone)

    @property
    def storage(self) -> Path:
        """Where photos and spooled uploads lie."""
        return self.var / "storage"

    @property
    def public(self) -> Path:
        """What the web server may serve as it is: the sitemap."""
        return self.var / "public"

    @property
    def archive(self) -> Path:
        """Where archived analytics lie, as Parquet."""
        return self.var / "archive"

    @property
    def outbox(self) -> Path:
        """Where mails lie when no SMTP server is configured."""
        return self.var / "outbox"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Tests call `settings.cache_clear()` after changing the environment."""
    return Settings()
