"""Completion, by the shell itself; and what `--version` says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FORECOURT = Path(sys.executable).with_name("forecourt")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{FORECOURT.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "SHELL": "/bin/bash"}


def test_bash_completes_what_was_begun_after_one_command(environment: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    said = subprocess.run([FORECOURT, "completion", "--install"], env=environment, capture_output=True, text=True)
    path = tmp_path / ".local/share/bash-completion/completions/forecourt"
    assert (said.returncode, f"Written to {path}" in said.stdout) == (0, True), said.stderr
    asked = f"source {path}; COMP_WORDS=(forecourt queue ret); COMP_CWORD=2; _forecourt_completion forecourt ret; echo $COMPREPLY"
    done = subprocess.run(["bash", "-c", asked], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "retry", done.stderr


def test_an_unknown_shell_is_answered_with_those_that_are_known(environment: dict[str, str]) -> None:
    said = subprocess.run(
        [FORECOURT, "completion"], env=environment | {"SHELL": "/bin/tcsh"}, capture_output=True, text=True
    )
    assert (said.returncode, "name one of bash, zsh, fish" in said.stderr) == (2, True)


def test_the_version_says_which_commit_it_is(environment: dict[str, str]) -> None:
    said = subprocess.run([FORECOURT, "--version"], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"forecourt \d+\.\d+\.\d+( \([0-9a-f]{7,}(-dirty)?\))?\n", said.stdout), said.stdout
