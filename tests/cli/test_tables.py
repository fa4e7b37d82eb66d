"""Tables in a terminal of 80 columns: nothing that decides is cut off."""

import os
import pty
import subprocess
import sys

PRINTED = """
from forecourt.cli.console import print_table, say

rows = [
    ["recalculate_all_commission_statements", "1st of the month at 03:00", 7, "failed 3 h ago: no space left"],
    ["tidy", "", 123456789, "done"],
    ["x" * 500, "", 1, ""],
]
print_table(["task", "when", "calls", "last result"], rows, empty="")
say("end", fg="red", bold=True)
"""


def test_what_does_not_fit_is_folded_figures_stay_whole_and_no_color_is_heeded() -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", PRINTED], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    told = ""
    while "end" not in told:
        told += os.read(ours, 65536).decode()
    os.close(ours)
    lines = told.replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    assert "123456789" in told
    assert " left" in told, "the last column is there to its end"
    assert len(lines) <= 1 + 3 + 1 + 3 + 1, "a cell takes three lines at most"
    assert "\x1b" not in told
