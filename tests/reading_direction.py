"""What a page in Arabic shows the wrong way round: an option, a path, a time or a figure whose
characters stand from right to left.
"""

from typing import Any

_TURNED_ROUND = r"""
() => {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode;
        if (!node.parentElement.checkVisibility() || node.parentElement.closest('.unseen')) continue;
        for (const token of node.data.matchAll(/[-+<\/~]*[0-9A-Za-z](?:[\w.:\/+@=%-]*\w)?(?: [-+]\d+)?\+?/g)) {
            const places = [...token[0]].map((_, n) => {
                const range = document.createRange();
                range.setStart(node, token.index + n);
                range.setEnd(node, token.index + n + 1);
                return range.getClientRects()[0];
            }).filter(place => place);
            // On the next line it begins anew.
            if (places.some((place, n) => n && place.top < places[n - 1].bottom - 4 && place.left < places[n - 1].left - 0.5))
                found.push(`turned round: ${token[0]} in ${node.data.trim().slice(0, 80)}`);
        }
    }
    return found;
}
"""


def turned_round(page: Any) -> list[str]:
    """Each such piece of text, with what it stands in."""
    return list(page.evaluate(_TURNED_ROUND))
