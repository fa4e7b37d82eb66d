"""Changes what the business decides, as `forecourt settings` does."""

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.language import gettext as _
from forecourt.marketplace import business_changes
from forecourt.marketplace.business import KINDS, business
from forecourt.marketplace.business_changes import UnknownSetting
from forecourt.web.actions.common import needed
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell

LONGEST = 6_300
"""Characters of a value that come back to its field: a list of a hundred parts of user agents."""


def change(request: Request, form: Form) -> Response:
    """POST /settings/business. What will not do comes back to its field, with what was expected."""
    name = f"wallet_limit.{form['of'].strip()}" if form.get("of") else needed(form, "name")
    typed = form.get("value", "")
    try:
        with acting() as tx:
            before = KINDS[name].write(getattr(business(tx), name)) if name in KINDS else None
            row = business_changes.change(tx, name, typed, who=person_of(request).who)
    except (UnknownSetting, ValueError):
        place = f"set-{name}" if not form.get("of") else "set-other"
        return RedirectResponse(f"/settings?{urlencode({'set': name[:200], 'to': typed[:LONGEST]})}#{place}", 303)
    return back(
        form,
        _("%(name)s is %(value)s now.", name=name, value=row.value),
        command=shell("forecourt", "settings", "set", name, row.value),
        undo=None if before is None else ("/settings/business", {"name": name, "value": before}),
    )


def default(request: Request, form: Form) -> Response:
    """POST /settings/default"""
    name = needed(form, "name")
    try:
        with acting() as tx:
            before = KINDS[name].write(getattr(business(tx), name)) if name in KINDS else None
            business_changes.unset(tx, name, who=person_of(request).who)
    except UnknownSetting as error:
        raise HTTPException(404, str(error)) from None
    return back(
        form,
        _("%(name)s is at its default again.", name=name),
        command=shell("forecourt", "settings", "unset", name),
        undo=None if before is None else ("/settings/business", {"name": name, "value": before}),
    )
