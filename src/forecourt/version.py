"""The version, in one place, and the commit that it was built from."""

from pathlib import Path

__version__ = "0.1.0"


def commit() -> str | None:
    """The commit, as git describes it: written into a wheel, asked for in a checkout; None where
    neither is known.
    """
    here = Path(__file__).parent
    if (written := here / "commit.txt").is_file():
        return written.read_text().strip() or None
    if not (here.parent.parent / ".git").exists():
        return None
    import subprocess

    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return asked.stdout.strip() or None
