"""What FORECOURT_APP names: Django is set up, then the jobs are imported and their timetable
written.
"""

import os

import django

from forecourt import Forecourt, Timetable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
django.setup()

from bookshop import jobs  # noqa: E402 - models can be imported only now

timetable = Timetable("Europe/Berlin")
timetable.add(jobs.remind_of_empty_shelves).daily_at("06:30")
app = Forecourt(timetable)
