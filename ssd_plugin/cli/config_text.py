"""Text of a config that a person can read: nested ``dict(...)`` calls with comments, in lines of bounded length."""

import textwrap
from dataclasses import dataclass
from typing import Any

WIDTH = 120
INDENT = 4


@dataclass(frozen=True)
class Code:
    """An expression, such as ``_base_.train_pipeline``."""

    text: str


@dataclass(frozen=True)
class Commented:
    """A value with a comment above it.

    Attributes:
        value: The value.
        comment: What the comment says; it is wrapped.
    """

    value: Any
    comment: str


def assignment(name: str, value: Any) -> str:
    """Return the lines of ``name = value``, with a comment above if there is one."""
    comment, value = _parts(value, 0)
    return f'{comment}{name} = {_text(value, 0, len(name) + 3)}\n'


def comment(text: str, indent: int = 0) -> str:
    """Return a text as lines of comments."""
    prefix = ' ' * indent + '# '
    return ''.join(f'{line}\n' for line in textwrap.wrap(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix))


def _parts(value: Any, indent: int) -> tuple[str, Any]:
    """Return the lines of the comment of a value, and the value."""
    if isinstance(value, Commented):
        return comment(value.comment, indent), value.value
    return '', value


def _text(value: Any, indent: int, used: int) -> str:
    """Return the text of a value.

    Args:
        value: The value.
        indent: Indentation of the line in which it begins.
        used: Characters of that line before it, and behind it.
    """
    flat = _flat(value)
    if flat is not None and indent + used + len(flat) <= WIDTH:
        return flat
    inner = indent + INDENT
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            above, item = _parts(item, inner)
            name = '**' if key.startswith('**') else f'{key}='
            lines.append(f'{above}{" " * inner}{name}{_text(item, inner, len(name) + 1)},\n')
        return f'dict(\n{"".join(lines)}{" " * indent})'
    if isinstance(value, (list, tuple)):
        begin, end = '[]' if isinstance(value, list) else '()'
        items = ''.join(f'{" " * inner}{_text(item, inner, 1)},\n' for item in value)
        return f'{begin}\n{items}{" " * indent}{end}'
    return str(flat)


def _flat(value: Any) -> str | None:
    """Return the text of a value in one line, ``None`` if it has a comment inside."""
    if isinstance(value, Commented):
        return None
    if isinstance(value, Code):
        return value.text
    if isinstance(value, dict):
        items = [(key, _flat(item)) for key, item in value.items()]
        if any(text is None for _, text in items):
            return None
        return f'dict({", ".join(f"**{text}" if key.startswith("**") else f"{key}={text}" for key, text in items)})'
    if isinstance(value, (list, tuple)):
        texts = [_flat(item) for item in value]
        if any(text is None for text in texts):
            return None
        joined = ', '.join(map(str, texts))
        if isinstance(value, list):
            return f'[{joined}]'
        return f'({joined},)' if len(texts) == 1 else f'({joined})'
    return repr(value)
