"""Kills with signal 9 at a named step of a duty."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forecourt.settings import settings

# Forks once for each line of its input, before anything starts a thread, and lets the child be
# killed where the line says: before a function, after it, or amid what it yields.
DOOMED = """
import importlib, os, signal, sys
from sqlalchemy.orm import Session
import forecourt.marketplace.app, forecourt.marketplace.archive_erasure, forecourt.marketplace.urlset, forecourt.database

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def wrapped(*args, **options):
        function(*args, **options)
        kill()
    return wrapped

def in_the_middle(function):
    def wrapped(*args, **options):
        for piece in function(*args, **options):
            yield piece
            kill()
    return wrapped

def in_marketplace(name):
    return importlib.import_module("forecourt.marketplace." + name)

def in_a_transaction(job, **args):
    with Session(forecourt.database.engine()) as own, own.begin():
        job(session=own, **args)

def of_small_files(sitemap):
    sitemap.MAX_URLS = forecourt.marketplace.urlset.MAX_URLS = 4
    sitemap.CUT = 2
    return sitemap

def numbers(text):
    return [int(id) for id in text.split(",")]

DUTIES = {
    "archive": lambda _: in_marketplace("archive").archive_old_analytics(),
    "cut": lambda ids: in_a_transaction(
        lambda session: in_marketplace("archive_erasure").cut_from_archives(session, numbers(ids))
    ),
    "restore": lambda path: in_marketplace("restore").restore(path),
    "photos": lambda given: in_a_transaction(
        in_marketplace("photos").process_car_images, listing_id=int(given.split(",")[0]), images=given.split(",")[1:]
    ),
    "reap": lambda _: in_a_transaction(in_marketplace("trash").reap_blobs),
    "sitemap": lambda _: of_small_files(in_marketplace("sitemap")).generate_sitemap(),
}

for line in sys.stdin:
    what, when, module, name = line.split()
    if not (child := os.fork()):
        *owner, name = name.split(".")
        home = getattr(in_marketplace(module), owner[0]) if owner else in_marketplace(module)
        function = getattr(home, name)
        setattr(home, name, {"before": kill, "after": after(function), "amid": in_the_middle(function)}[when])
        duty, _, given = what.partition(":")
        DUTIES[duty](given)
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def doomed() -> Iterator[Callable[[str, str], None]]:
    """Gives a function that does something in a process which is killed at a step."""
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FORECOURT_VAR": str(settings().var)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def killed(what: str, step: str) -> None:
            process.stdin.write(f"{what} {step}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            assert process.stdout.readline() == "9\n", f"{what} was not killed {step}"  # type: ignore[union-attr]

        yield killed
