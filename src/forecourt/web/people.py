"""Who is asking, and what they may do: three roles, each of which may do all that the one before
may, and scopes beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

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


class Scope(StrEnum):
    """What a program may be let do that has no role: hand in the marketplace's events, photos, or
    the browsers in which somebody wants to be told.
    """

    EVENTS = "events"
    PHOTOS = "photos"
    PUSH = "push"


ROLE_OF_SCOPE = {"read": Role.VIEWER, "operate": Role.OPERATOR, "admin": Role.ADMIN}
"""The scopes of a token that stand for roles."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks, or a program that does. `name` is None on a machine of one's own, where
    nobody is asked who they are. `role` is None for a program that only has scopes. `by` says how
    they were recognised."""

    name: str | None
    role: Role | None
    scopes: frozenset[str] = frozenset()
    by: str = "web"

    @property
    def who(self) -> str:
        """As the audit and pauses name them."""
        return f"{self.name or 'this machine'} ({self.by})"

    def may(self, role: Role, scope: Scope | None = None) -> bool:
        """Whether they have this role, or this scope."""
        return (self.role is not None and self.role >= role) or (scope is not None and scope in self.scopes)


def program(name: str, scopes: Sequence[str]) -> Person:
    """Whoever has a token of this name."""
    roles = [ROLE_OF_SCOPE[scope] for scope in scopes if scope in ROLE_OF_SCOPE]
    return Person(name, max(roles, default=None), frozenset(scopes), "token")


ANYBODY_HERE = Person(None, Role.ADMIN)
"""Whoever uses this machine, while nobody is known who could sign in."""


def person_of(request: Request) -> Person:
    """Who asks, as has been found out before anything was answered."""
    found = request.scope.get("person")
    assert isinstance(found, Person)
    return found
