"""What `pip install forecourt` leaves out: the packages of the marketplace, and the words for
whoever lacks one.
"""

from importlib.util import find_spec
from traceback import walk_tb

MARKETPLACE = {
    "PIL": "Pillow",
    "pyarrow": "pyarrow",
    "babel": "Babel",
    "python_multipart": "python-multipart",
}
"""Modules that `forecourt[marketplace]` brings, with the names of their packages."""

INSTALL = "pip install 'forecourt[marketplace]'"


def lacking() -> str | None:
    """Why the marketplace cannot work here, and what to do; None where all of its packages are
    installed. Imports none.
    """
    absent = [package for module, package in MARKETPLACE.items() if find_spec(module) is None]
    if not absent:
        return None
    return f"the marketplace needs {', '.join(absent)}, not installed here: {INSTALL}"


def explained(error: ModuleNotFoundError) -> str | None:
    """The same for an import that failed; None where it was not the marketplace that asked for one
    of its packages.
    """
    importers = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    asked = next((name for name in reversed(importers) if not name.startswith("importlib")), "")
    ours = asked.startswith("forecourt.") and (error.name or "").partition(".")[0] in MARKETPLACE
    return lacking() if ours else None
