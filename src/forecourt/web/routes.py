"""Every address of the pages, with the least role that may ask for it. There is no other place
where roles are enforced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forecourt import extras
from forecourt.language import gettext as _
from forecourt.language import lookup
from forecourt.web.access import at_hand, identify
from forecourt.web.application import CannotLoad, known_marketplace, may_have_marketplace
from forecourt.web.database import hurry
from forecourt.web.people import ROLE_OF_SCOPE, Person, Role, Scope

Form: TypeAlias = dict[str, str]

LONGEST_FORM = 256 * 1024
"""Bytes of a form; what an operator writes or ticks is far shorter."""

_imported: dict[str, Callable[..., Any]] = {}
"""What was found before, by its path: one that has been imported needs no thread."""


@dataclass(frozen=True, slots=True)
class Later:
    """An endpoint of the marketplace's, as `module:attribute`: imported when it is asked, so never
    in another application.
    """

    path: str

    def found(self) -> Callable[..., Any]:
        """Import it. Raises CannotLoad where the packages are missing that it needs."""
        module, _, attribute = self.path.partition(":")
        try:
            endpoint: Callable[..., Any] = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise CannotLoad(extras.explained(error) or str(error)) from error
        _imported[self.path] = endpoint
        return endpoint

    def __call__(self, *given: Any) -> Any:
        return self.found()(*given)


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and a path, what answers, and who may ask: None for everybody, signed in or not; and
    programs whose token has the `scope`. The endpoint of a POST gets its form as well; of several
    fields with one name it gets the values with a comma between. A `raw` endpoint is a coroutine
    that gets the request alone, and reads the body by itself."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    role: Role | None
    scope: Scope | None = None
    raw: bool = False

    @property
    def of_marketplace(self) -> bool:
        return isinstance(self.endpoint, Later)

    def route(self) -> Route:
        """As Starlette routes it."""
        answer = self._pass if self.raw else self._read if self.method == "GET" else self._act
        return Route(self.path, answer, methods=[self.method], name=f"{self.method} {self.path}")

    async def _pass(self, request: Request) -> Response:
        await self._let_in(request)
        endpoint = self.endpoint
        if isinstance(endpoint, Later):
            known = _imported.get(endpoint.path)
            endpoint = await run_in_threadpool(endpoint.found) if known is None else known
        answer: Response = await endpoint(request)
        return answer

    async def _read(self, request: Request) -> Response:
        await self._let_in(request)
        return await run_in_threadpool(self.endpoint, request)

    async def _act(self, request: Request) -> Response:
        await self._let_in(request)
        form = await _form(request)
        return await run_in_threadpool(self.endpoint, request, form)

    async def _let_in(self, request: Request) -> None:
        hurry()
        if self.role is not None:
            me = at_hand(request)
            if me is None:
                me = await run_in_threadpool(identify, request)
            request.scope["person"] = me
            if not me.may(self.role, self.scope):
                raise self._refusal(me, self.role)
        if self.of_marketplace and not await _may_have_marketplace():
            raise HTTPException(404, _("The application of this server is not the marketplace"))
        asked = [request.scope["path"], *request.path_params.values()]
        if request.scope["query_string"]:  # most have none, and to make a mapping of nothing takes time as well
            asked += request.query_params.values()
        if any("\x00" in str(text) for text in asked):
            raise HTTPException(400, _("there is a NUL in the address, which no name can contain"))

    def _refusal(self, me: Person, needed: Role) -> HTTPException:
        if me.by != "token":
            words = _(
                "%(name)s is a %(role)s; this needs the role %(needed)s",
                name=me.name,
                role=lookup(me.role.word) if me.role else "",
                needed=lookup(needed.word),
            )
            return HTTPException(403, words)
        scope = self.scope or next(scope for scope, role in ROLE_OF_SCOPE.items() if role is needed)
        words = f"the token {me.name} has the scopes {', '.join(sorted(me.scopes))}; this needs {scope}"
        return HTTPException(
            403, words, {"WWW-Authenticate": f'Bearer realm="forecourt", error="insufficient_scope", scope="{scope}"'}
        )


async def _may_have_marketplace() -> bool:
    known = known_marketplace()
    return await run_in_threadpool(may_have_marketplace) if known is None else known


async def _form(request: Request) -> Form:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise HTTPException(413, _("the form is longer than %(count)s KB", count=LONGEST_FORM // 1024))
    # Joined once: to append each to the text before copies it a hundred thousand times.
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True, errors="replace"):
        given.setdefault(name, []).append(value)
    form: Form = {name: ",".join(values) for name, values in given.items()}
    if any("\x00" in value for value in form.values()):
        raise HTTPException(400, _("there is a NUL in the form, which no name can contain"))
    return form
