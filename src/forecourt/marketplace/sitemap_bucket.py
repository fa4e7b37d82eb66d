"""Brings a sitemap that lies in a folder into a bucket, in the order in which no crawler meets a
name without a file.
"""

from collections.abc import Iterable
from pathlib import Path

from forecourt.marketplace.bucket import Bucket
from forecourt.marketplace.urlset import A_SHARD, Published

FIRST = "sitemap.xml"


def send(folder: Path, bucket: Bucket, files: Iterable[Published]) -> int:
    """Send what is not there with the same bytes, the index last, and then remove the shards that
    it no longer names. Returns how many files were sent. Raises StorageUnavailable; what was
    published before is then still whole."""
    names = sorted({file.name for file in files}, key=lambda name: (name == FIRST, name))
    sent = sum(bucket.send_file(name, folder / name) for name in names)
    with bucket.deleting() as delete:
        for key in set(filter(A_SHARD.fullmatch, bucket.keys("sitemap-"))) - set(names):
            delete(key)
    return sent
