"""The application as its workers load it."""

import subprocess
import sys

COUNT_THREADS = """
import os, sys
import forecourt.marketplace.app
print(len(os.listdir("/proc/self/task")), "pyarrow" in sys.modules)
"""


def test_loading_the_application_starts_no_thread_for_slots_are_forked_from_it() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
