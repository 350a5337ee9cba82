"""What the entries of COCO's JSON must have to be of any use."""

import math
from collections.abc import Callable, Sequence

# Beyond these, whole numbers are none to NumPy.
LARGEST = 2**53


def _is_text(value) -> bool:
    """That a file can be named."""
    return isinstance(value, str) and not any(letter == '\0' or '\ud800' <= letter <= '\udfff' for letter in value)


def _is_id(value) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= LARGEST)


def _is_number(value) -> bool:
    """Also NaN and infinity: as coordinates they are a fault of their own."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= LARGEST)


def _is_length(value) -> bool:
    return _is_number(value) and math.isfinite(value) and abs(value) <= LARGEST


def is_box(value) -> bool:
    """Four numbers."""
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


Kind = dict[str, Callable[[object], bool]]
# Of the entries of each list.
KINDS: dict[str, Kind] = dict(
    images=dict(id=_is_id, file_name=_is_text, width=_is_length, height=_is_length),
    annotations=dict(id=_is_id, image_id=_is_id, category_id=_is_id, bbox=is_box, area=_is_number),
    categories=dict(id=_is_id, name=_is_text),
)


def what_is_missing(entry: object, kind: Kind) -> str | None:
    """What makes an entry useless, if anything.

    Args:
        entry: of one of the lists.
        kind: of :data:`KINDS`.
    """
    if not isinstance(entry, dict):
        return f'it is no object with keys but {_short(entry)}'
    missing = [key for key in kind if key not in entry]
    if missing:
        return f'it lacks {", ".join(missing)}'
    wrong = [f'{key} is {_short(entry[key])}' for key, fits in kind.items() if not fits(entry[key])]
    return ', '.join(wrong) or None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:40]}...'


def wrong_order(names: Sequence[str], classes: Sequence[str]) -> str | None:
    """What is wrong with the order of the categories, if anything: MMDetection, its metric too, counts labels in the order of the file,
    but names them by the classes of the config.

    Args:
        names: of the file's categories.
        classes: of the config.
    """
    found = [name for name in names if name in classes]
    if len(set(found)) < len(found):
        return 'two of its categories have the same name'
    index = next((index for index, (name, called) in enumerate(zip(found, classes)) if name != called), None)
    return (
        None
        if index is None
        else (
            f'labels count the categories in the order of the file, so that its {found[index]!r} would be called {classes[index]!r}; set '
            f'metainfo.classes to {tuple(found)}'
        )
    )
