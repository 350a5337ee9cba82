"""Paths and helpers that several tests share."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
WHOLE_CONFIGS = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)


def run_tool_in(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a tool as a user does, from a folder of the user's; gives the finished process."""
    program = [sys.executable] if command[0].endswith('.py') else ['bash']
    return subprocess.run(
        [*program, str(ROOT / 'tools' / command[0]), *map(str, command[1:])],
        cwd=folder,
        env={**os.environ, 'PYTHON': sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
