"""Logs: one line an event on standard error, JSON when nobody watches, with the ids of what is
being done.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

from forecourt.settings import settings
from forecourt.visible import visible

doing: ContextVar[dict[str, Any]] = ContextVar("doing")
"""What this process is busy with (job, call, attempt, task, worker): added to every line logged
meanwhile.
"""

_OWN = frozenset(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and whatever was given in `extra=` or is being
    done.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= _facts(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character, or a number of more than 64 bits: the slow library writes these too
            return json.dumps(line, default=str)


class Plain(logging.Formatter):
    """A line for people: local time, what happened, and the facts as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{clock} {'' if record.levelno < logging.WARNING else record.levelname + ' '}{record.getMessage()}"
        line = f"{line}  {facts}" if facts else line
        return visible(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


def configure() -> None:
    """Send this process's logs to standard error as the settings say."""
    chosen = settings().log_format
    text = sys.stderr.isatty() if chosen == "auto" else chosen == "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Plain() if text else JsonLines())
    logging.basicConfig(level=settings().log_level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: value for name, value in vars(record).items() if name not in _OWN and name != "message"}
    return doing.get({}) | given
