"""Tells search engines that speak IndexNow which pages changed, so that they need not come by to
see.

Google does not speak it; Bing, Yandex, Naver and Seznam do, and one of them tells the others.
"""

import json
import logging
from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from psycopg import Connection
from psycopg.sql import SQL
from sqlalchemy import text

from forecourt import job
from forecourt.database import in_transaction_of, session
from forecourt.marketplace import places
from forecourt.marketplace.address import NoPublicAddress, public_address
from forecourt.marketplace.bucket import Bucket
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.paging import pages
from forecourt.marketplace.urlset import MAX_LOC
from forecourt.settings import settings

ENDPOINT = "https://api.indexnow.org/indexnow"
MOST = 10_000
"""Addresses in one request, as the protocol has it."""

PAGE = 1_000
"""Rows that are read at once."""

PATIENCE = 15.0
"""Seconds for one request."""

# What a transaction that is still open changed bears its beginning as its time, so the last ten
# minutes wait for the next run.
SPAN = text(
    """
    SELECT coalesce(max(until), now() - interval '1 day') AS since, now() - interval '10 minutes' AS until
    FROM sitemap_announcements
    """
)
# Pages that went are told as well: the engine comes, finds nothing, and forgets them.
CHANGED = SQL(
    """
    SELECT '/car-listings/' AS path, slug AS name
    FROM car_listings
    WHERE greatest(updated_at, deleted_at) >= %(since)s
      AND greatest(updated_at, deleted_at) < %(until)s
    UNION ALL
    SELECT '/car-providers/', id::text
    FROM car_providers
    WHERE updated_at >= %(since)s
      AND updated_at < %(until)s
    ORDER BY 1, 2
    """
)
NOTE = text("INSERT INTO sitemap_announcements (until, urls) VALUES (:until, :urls)")

log = logging.getLogger(__name__)


class Refused(RuntimeError):
    """The search engine does not accept what we tell; the message says why, and what to do."""


@job(queue="low", tries=3, backoff=[60, 600], timeout=300, fail_on=(Refused, NoPublicAddress))
def announce_changes() -> dict[str, int]:
    """Tell search engines which pages changed since they were told last, and publish the key by
    which they know us.

    Returns how many addresses were told; none without FORECOURT_INDEXNOW_KEY. Told again after a
    crash: that does no harm. Raises Refused for a key or an address that they do not accept,
    NoPublicAddress, and OSError while they do not answer or have had enough.
    """
    key = settings().indexnow_key
    if key is None:
        return {"urls": 0}
    base = public_address()
    _publish_key(key)
    urls = 0
    with session() as tx:
        since, until = tx.execute(SPAN).one()
        if until <= since:
            return {"urls": 0}
        with closing(_addresses(in_transaction_of(tx), base, since, until)) as addresses:
            while part := list(islice(addresses, MOST)):
                _tell(key, base, part)
                urls += len(part)
        tx.execute(NOTE, {"until": until, "urls": urls})
    log.info("Told search engines of %d changed pages", urls)
    return {"urls": urls}


def _addresses(tx: Connection[Any], base: str, since: datetime, until: datetime) -> Generator[str, None, None]:
    """Of what changed, however much that is, as it is read. Close it."""
    prefixes = [prefix for _, prefix in settings().languages] or [""]
    with closing(pages(tx, CHANGED, {"since": since, "until": until}, PAGE)) as changed:
        for page in changed:
            for path, name in page:
                for prefix in prefixes:
                    address = f"{base}{prefix}{path}{quote(name, safe='')}"
                    if len(address) <= MAX_LOC:  # else the engine refuses the whole request, and each one after it
                        yield address


def _publish_key(key: str) -> None:
    place = places.public()
    storage = place if isinstance(place, Bucket) else Folder(place)
    storage.put(f"{key}.txt", key.encode())


def _tell(key: str, base: str, urls: list[str]) -> None:
    said = {"host": urlsplit(base).netloc, "key": key, "keyLocation": f"{base}/{key}.txt", "urlList": urls}
    request = Request(
        ENDPOINT,
        data=json.dumps(said).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "Forecourt"},
        method="POST",
    )
    try:
        urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except HTTPError as answer:
        answer.close()
        if answer.code in (400, 403, 422):
            raise Refused(
                f"IndexNow answered {answer.code}: it must find {base}/{key}.txt with the key in it, and FORECOURT_BASE_URL must "
                "be the host of all addresses"
            ) from None
        raise OSError(f"IndexNow answered {answer.code}; it is told again later") from None
