"""What parameters may be."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Le, Len, MaxLen

from forecourt.durations import LONGEST
from forecourt.store.search import LARGEST_ID

PORTION = 1000
"""Calls that one request may name."""

Name = Annotated[str, Len(1, 200)]
Words = Annotated[str, MaxLen(2000)]
Error = Annotated[str, Len(1, 500)]
"""The class of an error, or its beginning as far as kinds are told apart."""

Priority = Annotated[int, Ge(-32767), Le(32767)]
Delay = Annotated[float, Ge(0), Le(LONGEST)]
"""Seconds, up to a hundred years."""

Id = Annotated[int, Ge(1), Le(LARGEST_ID)]
Ids = Annotated[list[Id], Len(1, PORTION)]
Names = Annotated[Sequence[Name], MaxLen(100)]
Limit = Annotated[int, Ge(1), Le(10_000)]
A_PAGE = Annotated[int, Ge(1), Le(500)]
Cursor = Annotated[str, Len(1, 500)]
