"""All rules in one table."""

from forecourt.web.pages.overview import overview
from forecourt.web.people import Role
from forecourt.web.routes import Rule

RULES = (Rule("GET", "/", overview, Role.VIEWER),)
