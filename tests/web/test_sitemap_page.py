"""The published sitemap can be looked at where the pages are."""

import httpx

from forecourt.settings import settings


def test_what_was_published_is_served_as_it_lies_and_nothing_else(pages: httpx.Client) -> None:
    assert pages.get("/sitemap.xml").status_code == 404
    settings().public.mkdir(parents=True)
    for name in ("sitemap.xml", "sitemap-listings-0001.xml.gz", "sitemap-secret.txt", "other.xml"):
        (settings().public / name).write_bytes(name.encode())
    index, shard = pages.get("/sitemap.xml"), pages.get("/sitemap-listings-0001.xml.gz")
    assert (index.content, index.headers["content-type"]) == (b"sitemap.xml", "application/xml")
    assert (shard.content, shard.headers["content-type"]) == (b"sitemap-listings-0001.xml.gz", "application/gzip")
    for path in ("/sitemap-secret.txt", "/sitemap-..%2fother.xml", "/other.xml", "/sitemap-listings-0002.xml.gz"):
        assert pages.get(path).status_code == 404
