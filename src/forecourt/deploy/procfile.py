"""For Heroku, Foreman, Honcho and whatever else reads a Procfile."""

import shlex

from forecourt.deploy.site import Site

SHUTDOWN, STOP = 25.0, 30.0
"""Seconds that a worker grants running calls, and that Heroku grants it."""


def procfile(site: Site) -> str:
    """The text of ./Procfile. Settings are the platform's."""
    worker = site.worker_within(min(site.ladder.shutdown, SHUTDOWN), STOP)
    return f"""\
# Heroku kills 30 s after TERM, so a worker waits for less, and what runs longer goes back and runs again.
# On a machine of your own: honcho start clock worker, or foreman start -m clock=1,worker=1 -t 30. Both start what is
# not named as well, and end everything as soon as one has ended, as release does. They kill after 5 s unless told.
# web needs somebody who may sign in, as it listens to all: forecourt web user add NAME --role admin
release: forecourt db migrate
clock: forecourt schedule work
worker: forecourt {shlex.join(worker.split(" "))}
web: FORECOURT_WEB_HOST=0.0.0.0 FORECOURT_WEB_PORT=$PORT forecourt web
"""
