"""Loads the application by its name, so that the engine never imports the business."""

from importlib import import_module
from typing import Any

from forecourt import extras


class NoSuchApplication(RuntimeError):
    """FORECOURT_APP does not name an application that can be imported."""


def load(path: str) -> Any:
    """Import `module:attribute`, which registers its jobs and tasks on the way. Raises
    NoSuchApplication.
    """
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise NoSuchApplication(f"FORECOURT_APP must look like package.module:attribute, not {path!r}")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if words := extras.explained(error):
            raise NoSuchApplication(
                f"FORECOURT_APP={path}: {words}, or let FORECOURT_APP name an application of your own"
            ) from None
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise NoSuchApplication(f"FORECOURT_APP={path}: there is no module {error.name!r}") from None
    except AttributeError:
        raise NoSuchApplication(f"FORECOURT_APP={path}: module {module!r} has no {attribute!r}") from None
