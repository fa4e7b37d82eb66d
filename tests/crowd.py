"""An application for a worker with very many slots."""

import os
from pathlib import Path

from forecourt import Forecourt, job


@job
def stand(folder: str) -> None:
    """Says that it has begun, and waits, without a beat of work, until somebody opens the gate."""
    (Path(folder) / f"stands.{os.getpid()}").touch()
    (Path(folder) / "gate").open("rb").close()


@job
def pass_by(folder: str) -> None:
    """The smallest job."""


app = Forecourt()
