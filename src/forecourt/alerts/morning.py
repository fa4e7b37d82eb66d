"""The report of the night as a mail each morning: a task that an application has where
FORECOURT_REPORT_MAIL names somebody.
"""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import psycopg

from forecourt.jobs.backoff import exponential
from forecourt.jobs.job import job
from forecourt.language import marked
from forecourt.schedule.timetable import Timetable
from forecourt.settings import settings
from forecourt.store import tasks

AT = "07:00"
"""In the business zone: the duties of the night are over, and the day's begin."""


def mail_each_morning(timetable: Timetable, queue: str) -> None:
    """Add the task, where somebody wants the report and the timetable has it not yet."""
    if settings().report_mail and report.name not in timetable:
        task = timetable.add(report, queue=queue).daily_at(AT).using(queue=queue)
        task.describe(marked("Mails the report of the night to those who want it"))


@job(name="forecourt.report", tries=3, backoff=60, timeout=60)
def report(connection: psycopg.Connection[Any], queue: str) -> dict[str, int]:
    """Have the report mailed to everybody of FORECOURT_REPORT_MAIL, each by a call on `queue`."""
    at = tasks.now(connection).isoformat()
    readers = settings().report_mail
    mail_report.using(session=connection, queue=queue).dispatch_many(
        [{"to": address, "language": language, "at": at} for address, language in readers]
    )
    return {"mails": len(readers)}


@job(name="forecourt.mail_report", tries=8, backoff=exponential(60, maximum=timedelta(hours=1)), timeout=120)
def mail_report(connection: psycopg.Connection[Any], to: str, language: str, at: str) -> dict[str, int]:
    """Mail the report to one reader, about the day before the instant `at` (ISO 8601)."""
    from forecourt.alerts import mail

    # By name: what a night was is told by the pages, and the engine stands without them.
    compose = import_module("forecourt.web.morning").compose
    until = datetime.fromisoformat(at)
    subject, text, html = compose(connection, until, language)
    message = mail.compose(
        [to], subject, text, key=f"forecourt report {at} {to}", at=until, language=language, html=html
    )
    mail.hand_over(message)
    return {"sent": 1}
