"""Runs the shell commands that its argument names, as JSON, the way `forecourt up` runs its children.

`household.py '{"commands": {"name": "command"}, "patience": 5, "as_json": false}'`
"""

import json
import os
import sys

from forecourt.cli.child import Child
from forecourt.cli.foreman import NAME, Foreman
from forecourt.cli.transcript import Transcript

asked = json.loads(sys.argv[1])
if "terminal" in asked:
    os.login_tty(asked["terminal"])
transcript = Transcript([NAME, *asked["commands"]], sys.stdout.buffer, as_json=asked.get("as_json", False))
children = [Child(name, ["bash", "-c", command], os.environ) for name, command in asked["commands"].items()]
sys.exit(Foreman(children, transcript, patience=asked.get("patience", 20)).run())
