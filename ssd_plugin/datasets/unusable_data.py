"""The limit on unusable data above which training refuses to start or to continue."""

# Fraction of unusable images, annotations or boxes. A few are skipped and reported; many mean that a path or a format
# is wrong.
MAX_FRACTION = 0.05


def excess(
    unusable: int, total: int, what: str, problem: str, owner: object, option: str, limit: float = MAX_FRACTION
) -> str | None:
    """Describe an excess of unusable data.

    Args:
        unusable: Number of unusable items.
        total: Number of all items.
        what: What the items are, such as ``'images'``.
        problem: What is wrong with the unusable ones, such as ``'cannot be read'``.
        owner: The component that sets the limit; the text names its type.
        option: Its option that changes the limit.
        limit: Largest fraction of unusable items allowed.

    Returns:
        A clause with the numbers and the option, without a final period, or ``None`` up to the limit.
    """
    if not exceeds(unusable, total, limit):
        return None
    return (
        f'{unusable} of the {total} {what} {problem} ({unusable / max(total, 1):.1%}), more than the {limit:.0%} that '
        f'{type(owner).__name__} allows ({option})'
    )


def exceeds(unusable: int, total: int, limit: float = MAX_FRACTION) -> bool:
    """Return whether more than a fraction ``limit`` of the items is unusable."""
    return unusable > limit * total
