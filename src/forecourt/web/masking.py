"""Hides from pages what not everybody should see who may look at them: values whose name says that they are secret."""

import re

NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "authorization", "credential", "private_key",
    "iban", "cvv",
)  # fmt: skip

# A value is a text, an object or a list without another in it, or whatever stands until the next comma. The text may be cut off.
SECRET = re.compile(
    rf'("[^"]*(?:{"|".join(NAMES)})[^"]*":\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|\{{[^{{}}]*(?:\}}|$)|\[[^\[\]]*(?:\]|$)|[^\s",}}\]]+)',
    re.IGNORECASE | re.DOTALL,
)


def masked(text: str) -> str:
    """JSON text with secret values as "•••". What is nested deeper than one level under such a name is not seen."""
    return SECRET.sub(r'\1"•••"', text)
