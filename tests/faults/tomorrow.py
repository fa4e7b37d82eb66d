"""The workshop after tomorrow's deploy: with one job more."""

from forecourt import job
from workshop import app, leave

__all__ = ["app"]


@job
def from_tomorrow(call: str) -> None:
    leave(call)
