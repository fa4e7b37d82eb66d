"""The watcher: an agent of every clock and web server, of whom one at a time looks."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.errors import QueryCanceled

from forecourt.alerts import content, sending
from forecourt.app import Forecourt
from forecourt.database.connecting import connect
from forecourt.doctor.check import Check, House, Result
from forecourt.doctor.examination import OF_ALL, OF_THIS_MACHINE, examine
from forecourt.doctor.work import DEAD
from forecourt.language import language
from forecourt.process import hostname
from forecourt.quiet import quiet_until
from forecourt.settings import settings
from forecourt.store import alert_messages, alerts, tasks
from forecourt.watch.episodes import News, follow
from forecourt.workers.agent import Agent

log = logging.getLogger("forecourt.watch")

PATIENCE = 60.0
"""Seconds that workers get to send a message. While none lives, they get none."""

# For the transaction only: through PgBouncer the connection is not ours alone.
LIMITS = "SELECT set_config('statement_timeout', '10s', true), set_config('jit', 'off', true)"


class Watcher(Agent):
    """Looks, and tells. `application` is asked in each round, so that one that cannot be loaded now
    is loaded later.
    """

    every = 30.0
    longest_backoff = 60.0

    def __init__(self, application: Callable[[], Forecourt]) -> None:
        self._application = application

    def run_once(self) -> int:
        """One look, if it is nobody else's turn, and a try at what no worker has sent. Returns how
        many messages that made or sent. Raises what the database does."""
        with closing(connect(application_name="forecourt watch")) as connection:
            app = self._application()
            # What only this machine can see, each machine watches by itself.
            told = self._look(connection, app, settings().app, OF_ALL)
            told += self._look(connection, app, f"{settings().app} on {hostname()}", OF_THIS_MACHINE)
            return told + self._send_what_is_left(connection)

    def _look(self, connection: Connection[Any], app: Forecourt, of: str, checks: Sequence[Check]) -> int:
        with _limited(connection) as tx:
            if not alerts.turn(tx, of, self.every - 5):
                return 0
            now = tasks.now(tx)
            house = House(tx, app, now)
            news = follow(tx, of, _results(house, checks), now, quiet=is_quiet(now))
            if not news.began and not news.ended:
                return 0
            told = sending.tell(tx, lambda: _content(news, house, checks), app.queues[0])
        for alert in news.began:
            log.warning("%s: %s", alert.subject, alert.found)
        for alert in news.ended:
            log.info("%s is well again", alert.subject)
        return len(told)

    def _send_what_is_left(self, connection: Connection[Any]) -> int:
        with _limited(connection) as tx:
            silent = tasks.liveness(tx, timedelta(seconds=DEAD)).worker_ago
            alive = silent is not None and silent.total_seconds() <= DEAD
            left = alert_messages.left_over(tx, PATIENCE if alive else 0.0)
        sent = 0
        for id in left:
            try:
                with connection.transaction():
                    sent += sending.send(connection, id)
            except Exception as error:  # noqa: BLE001 - whatever its channel raises; it is tried again, and so are the others
                log.warning("alert %s was not sent, and is tried again: %s", id, error)
                with connection.transaction():
                    alert_messages.refused(connection, id, f"{type(error).__name__}: {error}")
        return sent


def _results(house: House, checks: Sequence[Check]) -> list[Result] | None:
    """What the checks found; None where the database took too long for one of them."""
    try:
        with house.tx.transaction():
            return examine(house, checks)
    except QueryCanceled:
        return None


def _content(news: News, house: House, checks: Sequence[Check]) -> dict[str, Any]:
    """The message in the language that is spoken. What checks found was noted in English, and so in
    another language they are asked again; what is otherwise by now is told as it was noted.
    """
    began = news.began
    if language() != "en":
        again = {result.name: result for result in _results(house, checks) or ()}
        began = [
            replace(alert, found=again[alert.subject].found, advice=again[alert.subject].advice)
            if alert.subject in again and again[alert.subject].status == alert.status
            else alert
            for alert in began
        ]
    return content.content(began, news.ended, news.left, house.now)


@contextmanager
def _limited(connection: Connection[Any]) -> Iterator[Connection[Any]]:
    with connection.transaction():
        connection.execute(LIMITS)
        yield connection


def is_quiet(now: datetime) -> bool:
    """Whether only failures are told now."""
    return quiet_until(now, settings().zone, settings().alert_quiet_hours) is not None
