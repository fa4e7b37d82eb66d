"""Lists on their way into a statement, as PostgreSQL writes an array.

The driver gives a list of integers the smallest type that holds them, so a cast would convert the
whole array again for each row; and three short lists take it 40 microseconds, which is most of what
a claim of one call costs its slot.
"""

from collections.abc import Sequence


def bigints(numbers: Sequence[int]) -> str:
    """For a parameter that is cast to bigint[]."""
    return "{" + str(list(numbers))[1:-1] + "}"


def floats(numbers: Sequence[float]) -> str:
    """For a parameter that is cast to float8[]."""
    return "{" + str([float(number) for number in numbers])[1:-1] + "}"


def texts(strings: Sequence[str]) -> str:
    """For a parameter that is cast to text[]."""
    quoted = [string.replace("\\", r"\\").replace('"', r"\"") for string in strings]
    return "{" + ",".join(f'"{string}"' for string in quoted) + "}"
