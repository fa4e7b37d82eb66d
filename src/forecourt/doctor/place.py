"""The machine and the folder that this process has."""

import os
import shutil

from forecourt.doctor.check import House, Result, Status
from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.settings import settings

ROOM, LITTLE_ROOM = 15.0, 5.0


def disk(_house: House) -> list[Result]:
    """Whether local files have room, and may be written."""
    folder = settings().var
    there = next(one for one in (folder, *folder.parents) if one.exists())
    usage = shutil.disk_usage(there)
    free = 100 * usage.free / usage.total
    status: Status = "fail" if free < LITTLE_ROOM else "warn" if free < ROOM else "ok"
    found = [
        Result(
            marked("disk"),
            status,
            _("%(share)s %% free in %(path)s", share=f"{free:.0f}", path=there),
            f"{ROOM:.0f} %",
            _("Photos, archive and mails are kept there: make room."),
            free,
            "percent",
        )
    ]
    if not os.access(there, os.W_OK):
        found.append(
            Result(
                marked("folder"),
                "fail",
                _("%(path)s may not be written by this user", path=there),
                "",
                _("Give it to the user that runs Forecourt, or name another with FORECOURT_VAR."),
            )
        )
    return found
