"""Errors shown to users, in one line with the problem, its place and a remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

# Characters of the message of another package's error that are shown.
LONGEST = 300
# Known names are listed up to this number.
MOST_LISTED = 30


class UserError(Exception):
    """A mistake in the input of the user. The command-line tools print its message without a traceback."""


class UnusableData(ValueError):
    """Data that training or evaluation cannot use; the message names the file, or the limit that was exceeded."""


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error that has one, without the quotes of a ``KeyError``."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    line = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return line if len(line) <= LONGEST else f'{line[:LONGEST]} ...'


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``'; did you mean X?'`` for the known name nearest to an unknown one, or the known names if they are few.

    Args:
        name: The unknown name.
        known: Names to choose from.
        cutoff: Lowest similarity, 0..1, as of :func:`difflib.get_close_matches`.
    """
    by_lower = {other.lower(): other for other in sorted(known)}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    if close:
        return f'; did you mean {by_lower[close[0]]}?'
    return f'; known: {", ".join(by_lower.values())}' if 0 < len(by_lower) <= MOST_LISTED else ''
