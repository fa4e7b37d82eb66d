"""What FORECOURT_APP names: Django is set up, then the jobs are imported and their timetable
written.
"""

import os
from typing import Any

import django
from django.db import close_old_connections

from forecourt import Forecourt, Middleware, Timetable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
django.setup()

from bookshop import jobs  # noqa: E402 - models can be imported only now


class FreshConnections(Middleware):
    """Around each call, Django lets go of connections that broke or grew old, as it does around
    each request.
    """

    def before(self, call: Any) -> None:
        close_old_connections()

    def after(self, call: Any, error: BaseException | None) -> None:
        close_old_connections()


timetable = Timetable("Europe/Berlin")
timetable.add(jobs.remind_of_empty_shelves).daily_at("06:30")
app = Forecourt(timetable, middleware=[FreshConnections()])
