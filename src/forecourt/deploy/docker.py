"""For Docker: one image for every kind of process."""

import json

from forecourt.deploy.site import Site

# After the project is copied: what it needs may lie in it, as a wheel of Forecourt's does.
INSTALL = {
    "requirements.lock": "RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.lock",
    "requirements.txt": "RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt",
    "pyproject.toml": "RUN --mount=type=cache,target=/root/.cache/pip pip install .",
    None: "# Name what the project needs in a requirements.txt, Forecourt among it, and print this file again.",
}


def docker(site: Site) -> str:
    """The text of ./Dockerfile."""
    settings = "".join(
        f"ENV {name}={_quoted(value)}\n"
        for name, value in site.settings.items()
        if name not in ("FORECOURT_VAR", "FORECOURT_HOST", "FORECOURT_WEB_HOST")
    )
    return f"""\
# syntax=docker/dockerfile:1
# docker build -t {site.name} . && docker run --init --env-file .env {site.name} schedule work
# Keep .env, var and .venv out of the image: name them in .dockerignore.
FROM python:{site.python}-slim

ENV PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 forecourt
WORKDIR /srv/{site.name}
COPY . .
{INSTALL[site.requirements]}
RUN mkdir -p /var/lib/forecourt && chown forecourt /var/lib/forecourt
ENV FORECOURT_VAR=/var/lib/forecourt
{settings}USER 10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["forecourt"]
CMD {json.dumps(site.worker.split(" "))}
"""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
