"""Code blocks and commands of the documentation."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support import CONFIGS, ROOT

PAGES = sorted([ROOT / 'README.md', *(ROOT / 'docs').glob('*.md'), *CONFIGS.rglob('README.md')])
# What begins a command: a program, or a variable that is set for it.
COMMAND = re.compile(r'(\$ )?([A-Z_]+=\S+ )*(python|bash|source|pip|torchrun)(?= )')


class Block(NamedTuple):
    """A code block, or a command inside a sentence or a table.

    Attributes:
        page: Path of the file in the repository.
        line: Line of the file where it begins, from 1.
        text: The code, without indentation.
    """

    page: str
    line: int
    text: str

    @property
    def kind(self) -> str:
        """``'shell'``; ``'script'`` for Python that imports something; ``'config'`` for other Python; or ``'text'``."""
        if COMMAND.match(self.text):
            return 'shell'
        try:
            nodes = ast.parse(self.text).body
        except SyntaxError:
            return 'text'
        return 'script' if any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes) else 'config'

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def blocks_of(path: Path) -> Iterator[Block]:
    """Yield the fenced and the indented code blocks of a file, and the commands and options in backticks."""
    page, prose = str(path.relative_to(ROOT)), []
    lines = path.read_text().splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith('```'):
            end = lines.index('```', number + 1)
            yield Block(page, number + 2, '\n'.join(lines[number + 1 : end]))
            prose += [''] * (end + 1 - number)
            number = end + 1
        elif line.startswith('    ') and not prose[-1].strip():
            end = next(
                (n for n in range(number, len(lines)) if lines[n] and not lines[n].startswith('    ')), len(lines)
            )
            yield Block(page, number + 1, textwrap.dedent('\n'.join(lines[number:end])).strip('\n'))
            prose += [''] * (end - number)
            number = end
        else:
            prose.append(line)
            number += 1
    text = '\n'.join(prose)
    for span in re.finditer(r'`([^`]+)`', text):
        # A sentence may break a command into two lines.
        code = ' '.join(span[1].split())
        if COMMAND.match(code) or re.match(r'--[a-z]', code):
            yield Block(page, text.count('\n', 0, span.start()) + 1, code)


BLOCKS = [block for path in PAGES for block in blocks_of(path)]
# The config for a dataset of one's own, which others complete and commands name.
OWN_DATA = next(block.text for block in BLOCKS if block.text.startswith('# my_data.py'))
