"""Makes all checks, those first that found something."""

from collections.abc import Sequence

import psycopg

from forecourt.database.revision import version
from forecourt.doctor import database, lateness, marketplace, place, telling, work
from forecourt.doctor.check import ORDER, Check, House, Result, Status
from forecourt.language import gettext as _

CHECKS: tuple[Check, ...] = (
    database.condition,
    database.standby,
    database.schema,
    database.partitions,
    database.whose,
    work.workers,
    work.clock,
    work.queues,
    work.overdue,
    lateness.late,
    work.failures,
    work.new_failures,
    work.duties,
    place.disk,
    telling.alerting,
    marketplace.storage,
    marketplace.sitemap,
    marketplace.events,
    marketplace.rollup,
    marketplace.archive,
    marketplace.mails,
    marketplace.twins,
)


OF_THIS_MACHINE: tuple[Check, ...] = (place.disk,)
"""Those that another machine may answer otherwise."""

OF_ALL: tuple[Check, ...] = tuple(check for check in CHECKS if check not in OF_THIS_MACHINE)
"""Those that every machine answers alike."""


def examine(house: House, checks: Sequence[Check] = CHECKS) -> list[Result]:
    """The results of all checks, the worst first; of a database without our tables only what does
    not look into them. Raises OperationalError when the database does not answer.
    """
    found: list[Result] = []
    if version(house.tx) is None:
        checks = [check for check in checks if check in (database.schema, *OF_THIS_MACHINE)]
    for check in checks:
        try:
            with house.tx.transaction():
                found += check(house)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its result
            name = check.__name__.replace("_", " ")
            found.append(Result(name, "fail", _("could not be checked:") + f" {type(error).__name__}: {error}"[:300]))
    return sorted(found, key=lambda result: ORDER[result.status])


def worst(results: Sequence[Result]) -> Status:
    """How the house is, all in all."""
    return min((result.status for result in results), key=lambda status: ORDER[status], default="ok")
