"""Runs the shell commands that its argument names, as JSON, the way `forecourt up` runs its
children.

`managed.py '{"commands": {"name": "command"}, "shutdown_timeout": 5, "as_json": false}'`
"""

import json
import os
import sys

from forecourt.cli.child import ChildProcess
from forecourt.cli.merged_output import MergedOutput
from forecourt.cli.process_manager import NAME, ProcessManager

asked = json.loads(sys.argv[1])
if "terminal" in asked:
    os.login_tty(asked["terminal"])
output = MergedOutput([NAME, *asked["commands"]], sys.stdout.buffer, as_json=asked.get("as_json", False))
children = [ChildProcess(name, ["bash", "-c", command], os.environ) for name, command in asked["commands"].items()]
sys.exit(ProcessManager(children, output, shutdown_timeout=asked.get("shutdown_timeout", 20)).run())
