"""Loads the application by its name, so that the engine never imports the business."""

import traceback
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from forecourt import extras

importing: ContextVar[str | None] = ContextVar("importing", default=None)
"""The application that is being imported."""


class NoSuchApplication(RuntimeError):
    """FORECOURT_APP does not name an application that can be imported."""


def load(path: str) -> Any:
    """Import `module:attribute`, which declares its jobs and tasks on the way. Raises
    NoSuchApplication, and what of ours is raised meanwhile: it names the place.
    """
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise NoSuchApplication(f"FORECOURT_APP must look like package.module:attribute, not {path!r}")
    token = importing.set(path)
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if words := extras.explained(error):
            raise NoSuchApplication(
                f"FORECOURT_APP={path}: {words}, or let FORECOURT_APP name an application of your own"
            ) from None
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise _broken(path, error) from error
        raise NoSuchApplication(f"FORECOURT_APP={path}: there is no module {error.name!r}{_advice(module)}") from None
    except Exception as error:
        if type(error).__module__.startswith("forecourt."):
            raise
        raise _broken(path, error) from error
    finally:
        importing.reset(token)
    if not hasattr(found, attribute):
        raise NoSuchApplication(f"FORECOURT_APP={path}: module {module!r} has no {attribute!r}")
    app = getattr(found, attribute)
    if not hasattr(app, "declare"):
        kind = type(app).__name__
        raise NoSuchApplication(f"FORECOURT_APP={path} is a {kind}, not an application: app = Forecourt(timetable)")
    return app


def _advice(module: str) -> str:
    if module.endswith(".py"):
        return f": leave out the .py, {module.removesuffix('.py').replace('/', '.')}:app"
    return f" in {Path.cwd()} or among what is installed; is this the folder of your project?"


def _broken(path: str, error: Exception) -> NoSuchApplication:
    """With the lines of the application that raised it, and none of ours or of the import."""
    summary = traceback.TracebackException(type(error), error, _theirs(error.__traceback__))
    lines = "".join(summary.format()).removeprefix("Traceback (most recent call last):\n").rstrip()
    return NoSuchApplication(f"FORECOURT_APP={path} cannot be imported:\n{lines}")


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and (
        trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
        or trace.tb_frame.f_globals.get("__name__") in (__name__, "importlib")
    ):
        trace = trace.tb_next
    return trace
