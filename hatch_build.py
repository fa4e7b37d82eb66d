"""Writes the commit into wheels and source distributions, for `forecourt --version`: what is
installed has no repository to ask.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    """Beside version.py, where there is a repository, and nothing for an editable installation,
    which has one to ask.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable":
            return
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],  # noqa: S607
            cwd=self.root,
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0:
            written = Path(tempfile.mkdtemp()) / "commit.txt"
            written.write_text(asked.stdout)
            beside = "forecourt" if self.target_name == "wheel" else "src/forecourt"
            build_data["force_include"][str(written)] = f"{beside}/commit.txt"
