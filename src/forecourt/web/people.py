"""Who is asking, and what they may do: three roles, each of which may do all that the one before may."""

from dataclasses import dataclass
from enum import IntEnum

from starlette.requests import Request

from forecourt.language import marked


class Role(IntEnum):
    """viewer reads, operator also acts on what can be undone or done again, admin also destroys."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return {1: marked("viewer"), 2: marked("operator"), 3: marked("admin")}[self]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who looks at a page. `name` is None on a machine of one's own, where nobody is asked who they are."""

    name: str | None
    role: Role

    @property
    def who(self) -> str:
        """As the audit and pauses name them."""
        return f"{self.name or 'this machine'} (web)"

    def may(self, role: Role) -> bool:
        return self.role >= role


ANYBODY_HERE = Person(None, Role.ADMIN)
"""Whoever uses this machine, while nobody is known who could sign in."""


def person_of(request: Request) -> Person:
    """Who asks, as has been found out before anything was answered."""
    found = request.scope.get("person")
    assert isinstance(found, Person)
    return found
