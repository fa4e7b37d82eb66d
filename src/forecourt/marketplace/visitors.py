"""Who looks at a page: a person, or a program, a messenger that makes a link's preview, a browser
that fetches ahead.

The same two patterns stand in SQL, in the function `seen_by`, for front ends that write their
events themselves.
"""

import re

_AHEAD = re.compile("prefetch|prerender|preview", re.IGNORECASE)
_PROGRAM = re.compile(
    # CUBOT is a phone. Applications of the marketplace's own (okhttp, CFNetwork) are people.
    "(?<!cu)bot|crawl|spider|slurp|facebookexternalhit|facebookcatalog|meta-externalagent|whatsapp/|skypeuripreview|linkpreview|"
    "embedly|vkshare|headless|lighthouse|pagespeed|inspectiontool|google-read-aloud|mediapartners|feedfetcher|favicon|scrapy|"
    "phantomjs|^(python|curl|wget|go-http-client|java/|ruby|perl|libwww|axios|node|undici|guzzle|postman|apache-httpclient|dart)|"
    "python-requests|aiohttp|httpx|pingdom|statuscake|uptime|ia_archiver|chatgpt-user|perplexity",
    re.IGNORECASE,
)


def is_person(user_agent: str | None, purpose: str | None = None) -> bool:
    """Whether a request for a page is a view. `user_agent` and `purpose` (of Sec-Purpose, Purpose
    or X-Moz) are its headers.

    Without a user agent (None) nobody can tell, and it is; an empty one no browser sends.
    """
    if purpose and _AHEAD.search(purpose):
        return False
    return user_agent is None or (user_agent.strip(" ") != "" and not _PROGRAM.search(user_agent))
