"""What the pages tell a user to type, typed: with the installed script, in an empty folder, in a
bare environment.
"""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet import wait_until
from newcomers import free_port

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = Path(sys.executable).parent

ELSEWHERE = {"make demo": "tests/demo runs the demo", "make test": "runs this test", "make faults": "tests/faults"}
"""Commands of a checkout, which are not typed here, and why not."""

DAEMONS = {
    "forecourt up": ["clock started", "worker started"],
    "forecourt schedule work": ["clock started"],
    "forecourt queue work": ["worker started"],
    "forecourt web": ["web started"],
}
"""Commands that stay until they are told to stop, and what shows that they work."""


@dataclass
class User:
    """Somebody who has just installed it: an empty folder, an empty home, and nothing in the
    environment.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def save(self, page: str) -> None:
        """Save the examples that give themselves a name."""
        for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            if name := re.match(r"# (\w+\.py)\n", code):
                (self.folder / name[1]).write_text(code)

    def type(self, line: str) -> None:
        """Type a line, and look whether it worked."""
        line = line.partition("  #")[0].strip()
        if line in ELSEWHERE:
            return
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value
            return
        words = " ".join(shlex.split(line)[:3])
        signs = next((signs for daemon, signs in DAEMONS.items() if words.startswith(daemon)), None)
        if signs is not None and not words.startswith(("forecourt web user", "forecourt web token")):
            self._watch(line, signs)
            return
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr

    def _watch(self, line: str, signs: list[str]) -> None:
        log = self.folder / "said.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.folder,
                env=self.environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            for sign in signs:
                wait_until(lambda sign=sign: sign in log.read_text(), what=f"{sign!r}: {log.read_text()}")  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(40) in (0, 130), log.read_text()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    folder, home = tmp_path / "empty", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    path = f"{SCRIPTS}:/usr/local/bin:/usr/bin:/bin"
    user = User(folder, {"PATH": path, "HOME": str(home), "FORECOURT_WEB_PORT": free_port()})
    yield user
    subprocess.run(["forecourt", "db", "stop"], cwd=folder, env=user.environment, check=False, capture_output=True)


PAGES_WITH_COMMANDS = [page for page in PAGES if "```console" in page.read_text()]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_type_works(user: User, page: Path) -> None:
    text = page.read_text()
    user.save(text)
    typed = 0
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            user.type(line)
            typed += 1
    assert typed


def test_the_crontab_s_line_works_from_cron_s_folder(user: User) -> None:
    """cron starts in the home folder, with nothing but a short PATH; here the project lies
    elsewhere.
    """
    [line] = re.findall(r"```cron\n\* \* \* \* \* (.*)\n```", (ROOT / "docs" / "running.md").read_text())
    user.save((ROOT / "README.md").read_text())
    (user.folder / ".env").touch()
    (user.folder / ".venv").mkdir()
    (user.folder / ".venv" / "bin").symlink_to(SCRIPTS)
    user.type("FORECOURT_APP=shop:app forecourt db migrate")
    home = Path(user.environment["HOME"])
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    line = line.replace("/srv/shop", shlex.quote(str(user.folder)))
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=home, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "a word would be a mail each minute"
    assert not list(home.rglob("postgres")), "no second database"


def test_every_line_of_prose_of_the_readme_fits_a_hundred_columns() -> None:
    in_code = False
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith("|"):
            assert len(line) <= 100, line
