"""Type checkers know what a job takes: `dispatches.py` is read by those that people use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import playwright
import pyright
import pytest

ROOT = Path(__file__).parents[2]
READ = Path(__file__).with_name("dispatches.py")
REFUSED = {number for number, line in enumerate(READ.read_text().splitlines(), 1) if line.endswith("# refused")}


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT).stdout


def test_mypy_refuses_what_a_job_does_not_take_and_nothing_else() -> None:
    found = [json.loads(line) for line in output(sys.executable, "-m", "mypy", "--output=json", READ).splitlines()]
    assert {error["line"] for error in found if error["severity"] == "error"} == REFUSED
    assert {Path(error["file"]).name for error in found} == {READ.name}


def test_pyright_refuses_what_a_job_does_not_take_and_nothing_else() -> None:
    node = shutil.which("node") or Path(playwright.__file__).parent / "driver" / "node"
    if not os.access(node, os.X_OK):
        pytest.skip("pyright needs Node, which is neither installed nor beside Playwright")
    checker = Path(pyright.__file__).parent / "dist" / "index.js"
    found = json.loads(output(node, checker, "--pythonpath", sys.executable, "--outputjson", READ))[
        "generalDiagnostics"
    ]
    assert {error["range"]["start"]["line"] + 1 for error in found if error["severity"] == "error"} == REFUSED
    assert {Path(error["file"]).name for error in found} == {READ.name}
