"""Where a bucket is, and who may use it:
`s3://KEY:SECRET@bucket/prefix?endpoint=https://host&region=name`.
"""

import re
from dataclasses import dataclass, field

LOOKS = (
    "s3://KEY:SECRET@bucket/prefix?endpoint=https://host:port&region=name, of which all but the bucket may be absent"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket of S3, or of a server that speaks like it. Without a key, what the environment says
    counts: AWS_ACCESS_KEY_ID and its like, or the role of the machine."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """For people and logs: without the secret."""
        path = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        return f"{path} at {self.endpoint}" if self.endpoint else path


def read(text: str) -> BucketAddress:
    """Raises ValueError, which never repeats the secret."""
    from urllib.parse import (  # here: most processes have no bucket, and every command reads settings
        parse_qsl,
        unquote,
        urlsplit,
    )

    parts = urlsplit(text)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    login, _, bucket = parts.netloc.rpartition("@")
    key, _, secret = login.partition(":")
    endpoint = asked.get("endpoint")
    if parts.scheme != "s3" or parts.fragment or set(asked) - {"endpoint", "region"}:
        raise ValueError(f"expected {LOOKS}")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is not the name of a bucket: expected {LOOKS}")
    if bool(key) != bool(secret):
        raise ValueError(
            f"a key without its secret, or a secret without its key: write / + @ in it as %2F %2B %40. Expected {LOOKS}"
        )
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ValueError(f"the endpoint {endpoint!r} must start with http:// or https://")
    return BucketAddress(
        bucket,
        parts.path.strip("/"),
        endpoint.rstrip("/") if endpoint else None,
        asked.get("region") or None,
        unquote(key) or None,
        unquote(secret) or None,
    )
