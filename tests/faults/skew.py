"""Hosts whose wall clocks are wrong. What is simulated: every reading of the real time by a host's
processes, through the C library. PostgreSQL's own clock and monotonic time are right."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("skew.c")


class Skew:
    """How far a host's wall clock is off, in seconds; may be changed while its processes run."""

    def __init__(self, library: Path, file: Path, seconds: float) -> None:
        self.environment = {"LD_PRELOAD": str(library), "SKEW_FILE": str(file)}
        self._file = file
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """From now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))

    def shown(self) -> float:
        """What time a process of that host believes it is."""
        command = [sys.executable, "-S", "-c", "import time; print(time.time())"]
        return float(subprocess.check_output(command, env=os.environ | self.environment))


def library(folder: Path) -> Path | None:
    """The shim, compiled; None where there is no C compiler, or no preloading."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    made = folder / "skew.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made
