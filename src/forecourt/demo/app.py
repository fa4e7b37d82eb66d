"""The demo as an application: the marketplace with three more jobs, and its timetable as
FORECOURT_DEMO_AT says.
"""

import os

from forecourt import Forecourt
from forecourt.demo import jobs
from forecourt.demo.timetable import tonight, usual
from forecourt.marketplace.app import app as marketplace

incidents = (jobs.charge_expired_card, jobs.ask_silent_registry, jobs.walk_the_lot)
"""What goes wrong on purpose. Importing their module is what registers them."""

at = os.environ.get("FORECOURT_DEMO_AT")
"""HH:MM in UTC, when every task is due; without it they are due as ever."""

app = Forecourt(tonight(at) if at else usual, queues=marketplace.queues)
