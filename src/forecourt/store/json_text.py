"""JSON that travels through Python on its way from one row to another, and must arrive as it was.

The fast library rounds integers of more than 64 bits, and refuses to write them.
"""

import json
from typing import Any


def dumps(value: Any) -> str:
    """A value as JSON text. Raises ValueError for NaN and infinity, which JSON has no words for."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """The value of JSON text. Raises RecursionError for what is nested too deeply."""
    return json.loads(text)
