"""A small chart for a mail: bars, one a day, as PNG. Without words, which its mail has in the
reader's language.
"""

from collections.abc import Sequence
from io import BytesIO

WIDTH, HEIGHT = 1008, 200
"""Pixels, two for each of the mail's: phones have sharp screens."""

NOTHING, BAR, REST, LINE = range(4)
PALETTE = (0, 0, 0, 0x2B, 0x8A, 0x6F, 0x93, 0xB5, 0xA8, 0x9A, 0xA8, 0xA1)
"""Nothing is transparent, and the others can be told apart from a light ground and from a dark one:
a mail has either.
"""


def bars(values: Sequence[int], *, mirrored: bool) -> bytes:
    """The chart, with its highest bar darker; `mirrored` has time go from right to left. The same
    values give the same bytes.
    """
    from PIL import Image, ImageDraw  # here: most mails have no picture

    picture = Image.new("P", (WIDTH, HEIGHT), NOTHING)
    picture.putpalette(PALETTE)
    draw = ImageDraw.Draw(picture)
    most = max(max(values), 1)
    step = WIDTH / len(values)
    width = max(2, min(step * 0.72, 72))
    for place, value in enumerate(reversed(values) if mirrored else values):
        left = place * step + (step - width) / 2
        top = HEIGHT - 6 - round((HEIGHT - 16) * value / most)
        if value:
            draw.rectangle((left, min(top, HEIGHT - 9), left + width, HEIGHT - 6), BAR if value == most else REST)
    draw.rectangle((0, HEIGHT - 5, WIDTH, HEIGHT - 3), LINE)
    out = BytesIO()
    picture.save(out, "PNG", optimize=True, transparency=NOTHING)
    return out.getvalue()
