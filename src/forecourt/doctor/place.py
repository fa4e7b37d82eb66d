"""The machine and the folder that this process has."""

import os
import shutil
from pathlib import Path

from forecourt.doctor.check import House, Result, Status
from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.settings import settings
from forecourt.slots import markers

ROOM, LITTLE_ROOM = 15.0, 5.0


def disk(_house: House) -> list[Result]:
    """Whether local files have room, and may be written."""
    there = nearest(settings().var)
    usage = shutil.disk_usage(there)
    free = 100 * usage.free / usage.total
    status: Status = "fail" if free < LITTLE_ROOM else "warn" if free < ROOM else "ok"
    room = Result(
        marked("disk"),
        status,
        _("%(share)s %% free in %(path)s", share=f"{free:.0f}", path=there),
        f"{ROOM:.0f} %",
        _("Photos, archive and mails are kept there: make room."),
        free,
        "percent",
    )
    return [room, *_closed()]


def nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that is there and can be reached."""
    # Path's own is_dir raises where a folder above may not be entered.
    return next(one for one in (folder, *folder.parents) if os.path.isdir(one))  # noqa: PTH112


def _closed() -> list[Result]:
    """The first of the folders into which nothing can be written: a command as root may have made
    it.
    """
    here = settings()
    in_bucket = here.storage_url is not None
    for folder in (
        here.var,
        markers.folder(),
        here.outbox,
        *(() if in_bucket else (here.storage, here.archive, here.public)),
    ):
        there = nearest(folder)
        below = there.joinpath(*folder.relative_to(there).parts[:1])
        if there != folder and os.path.lexists(below):
            words = _("%(path)s is not a folder", path=below)
        elif not os.access(there, os.W_OK | os.X_OK):
            words = _("%(path)s may not be written by this user", path=there)
        else:
            continue
        advice = _("Give it to the user that runs Forecourt, or name another with FORECOURT_VAR.")
        return [Result(marked("folder"), "fail", words, "", advice)]
    return []
