"""Where a command's answer comes from: the database that is near, or the server that `--url` names.

A command that lists or acts asks a function of `web.api`. Near, that runs in a transaction; from
afar, it is a request, and the same function runs on the server. So a command is written once, and
prints the same."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

import click

from forecourt.cli.console import me, transaction

T = TypeVar("T")

FROM_AFAR = (
    "top", "queue dispatch", "queue size", "queue explain", "queue monitor", "queue show", "queue cancel", "queue run-now",
    "queue failed", "queue retry", "queue forget", "queue flush", "queue prune", "queue pause", "queue resume",
    "queue clear", "queue restart", "queue worker list", "queue worker quiet", "queue worker resume",
    "queue worker stop", "schedule list", "schedule history", "schedule explain", "schedule diff", "schedule add",
    "schedule edit", "schedule remove", "schedule trigger", "schedule pause", "schedule resume", "report",
    "doctor", "queue workflow list", "queue workflow show", "queue workflow cancel", "queue workflow retry",
    "alerts list",
)  # fmt: skip
"""The commands that work with --url."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A server, and the token to ask it with."""

    url: str
    token: str | None


def ask(function: Callable[..., T], **given: Any) -> T:
    """What a function of the API answers. Raises its refusals, near and from afar."""
    remote = asked()
    if remote is not None:
        from forecourt.cli.remote import send

        answer: T = send(remote, function, given)
        return answer
    wanted = signature(function).parameters
    if "who" in wanted:
        given["who"] = me()
    if "near" in wanted:
        given["near"] = True
    if "app" in wanted:
        from forecourt.app import load

        given["app"] = load()
    with transaction() as tx:
        return function(tx, **given)


def asked() -> Remote | None:
    """The server that this command is for; None for the database that is near."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_root().obj
    return found if isinstance(found, Remote) else None


def require_near(context: click.Context, name: str, command: click.Command) -> None:
    """Raise Refused for a command that works only where the database is, if a server was named."""
    from forecourt.cli.errors import Refused

    if not isinstance(context.find_root().obj, Remote):
        return
    above = [one.info_name or "" for one in _line(context)[1:]]
    path = " ".join([*above, name])
    group = isinstance(command, click.Group)
    if path in FROM_AFAR or (group and any(one.startswith(f"{path} ") for one in FROM_AFAR)):
        return
    raise Refused(
        f"`forecourt {path}` works only where the database is, so not with --url. These do: {', '.join(FROM_AFAR)}"
    )


def _line(context: click.Context) -> list[click.Context]:
    return [*([] if context.parent is None else _line(context.parent)), context]
