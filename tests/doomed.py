"""The workshop, which cannot be loaded any more once doom has come: whoever tries is killed."""

import os
import signal
from pathlib import Path

from workshop import app

__all__ = ["app"]

if Path(os.environ["DOOM"]).exists():
    os.kill(os.getpid(), signal.SIGKILL)
