"""Commands that the suite runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


class FailedCommand(RuntimeError):
    """A command that the suite needs came to a bad end."""


def tried(words: Sequence[str | Path], *, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with what it prints kept, whatever its exit code; 127 where there is none."""
    asked = [str(word) for word in words]
    try:
        return subprocess.run(asked, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    except OSError as problem:
        return subprocess.CompletedProcess(asked, 127, stdout="", stderr=str(problem))


def must(words: Sequence[str | Path], *, cwd: Path = ROOT, **env: str) -> str:
    """Run a command; what it printed.

    Raises:
        FailedCommand: it came to a bad end.
    """
    done = tried(words, cwd=cwd, **env)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise FailedCommand(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{said}")
    return done.stdout


def cloned(to: Path) -> Path:
    """The last commit's tree in a folder of its own."""
    must(["git", "clone", "--quiet", ROOT, to])
    return to
