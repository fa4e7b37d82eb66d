"""For Heroku, Foreman, Honcho and whatever else reads a Procfile."""

import shlex

from forecourt.deploy.site import Site


def procfile(site: Site) -> str:
    """The text of ./Procfile. Settings are the platform's."""
    return f"""\
release: forecourt db migrate
clock: forecourt schedule work
worker: forecourt {shlex.join(site.worker.split(" "))}
web: FORECOURT_WEB_HOST=0.0.0.0 FORECOURT_WEB_PORT=$PORT forecourt web
"""
