"""What the package needs of a system, so far as it can be read off its text: Windows and macOS have it, too."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from intarsia import progress

SOURCE = Path(__file__).parents[1] / "src" / "intarsia"
FILES = sorted(SOURCE.rglob("*.py"))

POSIX_MODULES = {
    "resource",
    "fcntl",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "posix",
    "syslog",
    "readline",
    "curses",
    "spwd",
    "crypt",
    "nis",
}
POSIX_NAMES = {
    "os": {
        "fork", "forkpty", "setsid", "getsid", "killpg", "getpgid", "setpgid", "getuid", "geteuid", "getgid", "getegid",
        "getgroups", "getpwuid", "uname", "nice", "wait", "waitid", "wait3", "wait4", "mkfifo", "mknod", "chown",
        "lchown", "sched_getaffinity", "sched_setaffinity", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_SYNC",
        "O_NONBLOCK", "statvfs", "fchmod", "fchown", "sync", "sendfile", "posix_fallocate", "posix_fadvise", "ctermid",
        "getloadavg", "openpty", "ttyname", "register_at_fork", "pread", "pwrite", "sysconf", "pathconf", "confstr",
    },
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM", "SIGPIPE", "SIGCHLD", "alarm", "setitimer", "pause"},
    "socket": {"AF_UNIX"},
    "select": {"poll", "epoll"},
}  # fmt: skip
OPENERS = {"open": 1, "read_text": 0, "write_text": 1, "fdopen": 1, "TextIOWrapper": 1}
"""Functions that open text, and the place of the argument in a method's call that may say otherwise."""


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def guarded(tree: ast.Module) -> set[ast.AST]:
    """What stands in a `try` that catches a missing module or attribute, or behind a look at the system."""
    safe: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            caught = [ast.dump(handler.type) for handler in node.handlers if handler.type is not None]
            if re.search("ImportError|AttributeError", " ".join(caught)):
                safe.update(ast.walk(ast.Module(node.body, [])))
        elif isinstance(node, ast.FunctionDef):
            looks = [
                k for k, step in enumerate(node.body) if isinstance(step, ast.If) and "win32" in ast.dump(step.test)
            ]
            safe.update(ast.walk(ast.Module(node.body[looks[0] :], [])) if looks else ())
    return safe


def posix_only(tree: ast.Module) -> Iterator[str]:
    """Modules and names that Windows lacks, and that are not asked for with care."""
    safe = guarded(tree)
    for node in ast.walk(tree):
        if node in safe:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in POSIX_MODULES:
                yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name in POSIX_NAMES.get(node.module, ()))
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES.get(ast.unparse(node.value), ()):
            yield ast.unparse(node)


def without_encoding(tree: ast.Module) -> Iterator[str]:
    """Calls that open text in whatever encoding the system prefers."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in OPENERS or any(keyword.arg in ("encoding", None) for keyword in node.keywords):
            continue
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        modes = [
            *texts,
            *(k.value.value for k in node.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)),
        ]
        if name == "read_text" and node.args:  # the first is the encoding
            continue
        if name in ("open", "fdopen"):
            opened = [mode for mode in modes if re.fullmatch(r"[rwxab+t]{1,4}", str(mode))]
            if (not opened and node.args) or any("b" in str(mode) for mode in opened):
                continue  # of another kind (os.open, Ledger.open), or of bytes
            if isinstance(node.func, ast.Attribute) and not opened and ast.unparse(node.func.value)[:1].isupper():
                continue
        yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import resource", ["resource"]),
        ("from fcntl import flock", ["fcntl"]),
        ("import os\nos.fork()", ["os.fork"]),
        ("import signal\nsignal.SIGKILL", ["signal.SIGKILL"]),
        ("from signal import SIGHUP", ["signal.SIGHUP"]),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", []),
        ("import os\ntry:\n    os.sysconf('x')\nexcept (ValueError, AttributeError):\n    pass", []),
        ("import signal\ngetattr(signal, 'SIGHUP', None)", []),
        ("def f():\n    if sys.platform == 'win32':\n        return 0\n    import resource", []),
        ("def f():\n    import resource\n    if sys.platform == 'win32':\n        return 0", ["resource"]),
    ],
)
def test_the_search_finds_what_it_looks_for(text: str, found: list[str]) -> None:
    assert list(posix_only(ast.parse(text))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("p.read_text()", 1),
        ("p.write_text('a')", 1),
        ("open('x')", 1),
        ("p.open()", 1),
        ("p.open('w')", 1),
        ("p.open('rb')", 0),
        ("p.open(encoding='utf-8')", 0),
        ("p.read_text('utf-8')", 0),
        ("p.read_text(encoding='utf-8', errors='replace')", 0),
        ("os.fdopen(n, 'wb')", 0),
        ("os.fdopen(n, 'w')", 1),
        ("Image.open(file)", 0),
        ("Ledger.open(out, create=False)", 0),
    ],
)
def test_the_search_finds_text_without_an_encoding(text: str, found: int) -> None:
    assert len(list(without_encoding(ast.parse(text)))) == found


def test_nothing_needs_what_windows_lacks() -> None:
    assert {str(file.relative_to(SOURCE)): names for file in FILES if (names := [*posix_only(parsed(file))])} == {}


def test_text_is_opened_in_an_encoding_that_is_said() -> None:
    found = {str(file.relative_to(SOURCE)): calls for file in FILES if (calls := [*without_encoding(parsed(file))])}
    assert found == {}


def test_memory_is_measured_where_there_is_no_module_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    psutil = pytest.importorskip("psutil")
    measured = progress.peak_memory_mb("cpu")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert measured / 10 < progress.peak_memory_mb("cpu") < measured * 2
    counted = SimpleNamespace(rss=1 << 20, peak_wset=3 << 20)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: counted))
    assert progress.peak_memory_mb("cpu") == 3.0
