"""Files that are written whole or not at all; light, since it knows nothing of pictures."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.file_names import shortened

STAGE = ".intarsia-"
"""How the hidden folders begin that files are written into before they get their names."""

FORMER = "former."
"""How the names begin of files that are replaced, until all is in its place."""

SYSTEM = os.name

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
"""Flags of a file that is made, and never found; on Windows its line ends stay as they are."""

PART = ".part"
"""How the hidden names end of files that are not whole yet."""

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between attempts to replace a file that another program has open."""

_WRITTEN: ContextVar[list[Path] | None] = ContextVar("_WRITTEN", default=None)


@contextlib.contextmanager
def noting_writes() -> Iterator[list[Path]]:
    """The files that get their names meanwhile, in their order; within another such block, its list goes on."""
    outer = _WRITTEN.get()
    written: list[Path] = [] if outer is None else outer
    token = _WRITTEN.set(written)
    try:
        yield written
    finally:
        _WRITTEN.reset(token)


def note_written(paths: Iterable[Path]) -> None:
    """Count files as written: they are whole and have their names."""
    written = _WRITTEN.get()
    if written is not None:
        written.extend(paths)


def stopped(written: Iterable[Path]) -> str:
    """What somebody is told who has stopped a command, by what it had written until then."""
    there = [path for path in dict.fromkeys(written) if os.path.lexists(path)]
    if not there:
        return "stopped; nothing was written."
    more = f" and {len(there) - 2} more" if len(there) > 3 else ""
    named = ", ".join(map(str, there[: 2 if more else 3]))
    return f"stopped when it had written {named}{more}: what is there is whole."


def write_bytes_atomically(path: str | Path, data: bytes, overwrite: bool = False) -> Path:
    """Write a file whole or not at all, making its folder where that is missing.

    The bytes go to a hidden file in the same folder first, which takes the name only once it is safe
    on the disk. Without `overwrite` an existing file is never replaced, even one that appears meanwhile.

    Raises:
        OutputError: the file exists, or the folder or disk refuses.
    """
    path = Path(path)
    check_absent(path, overwrite)
    start = f".{shortened(path.name, 40)}."
    part = path.with_name(f"{start}{os.getpid()}-{secrets.token_hex(4)}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_parts(path.parent, start)
        try:
            # Not tempfile: its files are for the owner alone, whatever the umask says.
            with os.fdopen(os.open(part, NEW_FILE, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                replace_file(part, path)
            else:
                name_without_replacing(part, path)
            note_written([path])
        finally:
            part.unlink(missing_ok=True)
    except OSError as problem:
        raise cannot_write(path, problem) from problem
    except ValueError as problem:
        raise OutputError(f"{path!s} cannot be a file's name ({problem})", Remedy("choose another")) from problem
    return path


def remove_left_parts(folder: Path, start: str) -> None:
    """Remove what killed processes have left of files whose hidden names begin so."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        left = [e.name for e in entries if e.name.startswith(start) and e.name.endswith(PART)]
        for name in left:
            if not is_running(name.removeprefix(start).partition("-")[0]):
                (folder / name).unlink(missing_ok=True)


def is_running(number: str) -> bool:
    """Whether a process of this number may still run on this machine; True where that cannot be told."""
    if os.name != "posix" or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def name_without_replacing(part: Path, path: Path) -> None:
    """Give a finished file its name; `FileExistsError` where the name is taken."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # file systems without links (memory cards, some network folders): reserve the name instead
        os.close(os.open(path, NEW_FILE, 0o666))
        try:
            replace_file(part, path)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def replace_file(source: Path, target: Path) -> None:
    """Give a file or folder another name, in place of a file that has it.

    Windows refuses it while another program has one of them open, as indexers and virus scanners have new files for a
    moment: there it is tried again for some seconds.

    Raises:
        OSError: the system refuses.
    """
    for wait in WAITS:
        try:
            source.replace(target)
        except PermissionError:
            if SYSTEM != "nt" or target.is_dir():
                raise
            time.sleep(wait)
        else:
            return
    source.replace(target)


def stage_prefix() -> str:
    """How the names of this process's hidden folders begin: its number tells later whether it is still at work."""
    return f"{STAGE}{os.getpid()}-"


def check_writable(folder: Path, names: Iterable[str]) -> None:
    """Make sure that files of these names can be written into a folder, which is made later where it is missing.

    Nothing is left behind. A folder that is not there yet may still refuse what its parent takes.

    Raises:
        OutputError: the names are too long, or nothing can be written there.
    """
    longest = max(names, key=lambda name: len(os.fsencode(name)), default="NAME")
    place = next(above for above in (folder, *folder.parents) if os.path.isdir(above))  # noqa: PTH112  # no OSError
    # The longest names that there are meanwhile.
    stage = f"{stage_prefix()}{'0' * 8}"
    paths = [place, *(above for above in folder.parents if place in above.parents), folder, folder / longest]
    paths += [folder / stage / f"{FORMER}{longest}"]
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                path.lstat()
        probe = place / f"{stage_prefix()}{secrets.token_hex(4)}"
        probe.mkdir()
        with contextlib.suppress(FileNotFoundError):  # another process took it for one that was left behind
            probe.rmdir()
    except OSError as problem:
        raise cannot_write(folder / longest, problem) from problem


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also where names differ in case or in how they are composed alone."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return one.resolve() == other.resolve()


def check_absent(path: Path, overwrite: bool) -> None:
    """Raise `OutputError` where a file would be replaced unasked, or a folder has the name."""
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises on a name that is too long
        raise OutputError(
            f"{path} is a folder, so no file can have that name", Remedy("choose another", page="try it again")
        )
    if not overwrite and os.path.lexists(path):
        raise exists_already(path)


def exists_already(path: Path) -> OutputError:
    return OutputError(
        f"{path} exists already",
        Remedy(Setting("overwrite", True, verb="pass"), " to replace it"),
        Remedy("choose another name", page="try it again"),
    )


def cannot_write(path: Path, problem: OSError) -> OutputError:
    """The system's refusal as a sentence for the user."""
    code = problem.errno
    if isinstance(problem, FileExistsError) and problem.filename2 is None and Path(str(problem.filename)) != path:
        code = errno.ENOTDIR  # mkdir met a file where a folder was asked for
    if code == errno.EEXIST:
        return exists_already(path)
    elsewhere = Remedy("name another folder", page=())  # the operator's: visitors name none
    if code == errno.ENOTDIR:
        return OutputError(f"{path} cannot be written, since a part of {path.parent} is a file", elsewhere)
    if code in (errno.ENOSPC, errno.EDQUOT):
        freed = Remedy("free some space or name another folder", page=())
        return OutputError(f"{path} cannot be written, since the disk is full", freed)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{path} cannot be written, since {path.parent} is not writable", elsewhere)
    if code == errno.ENAMETOOLONG:
        whole = str(path)
        shown = whole if len(whole) <= 160 else f"{whole[:60]}...{whole[-80:]}"
        return OutputError(
            f"{shown} cannot be written, since the path, or a name in it, is longer than this system takes",
            Remedy("name another folder with ", Setting("out"), page=()),
            Remedy("choose a shorter name with ", Setting("name"), page="give the photo a shorter name"),
        )
    return OutputError(
        f"{path} cannot be written ({problem.strerror or problem})",
        Remedy("name another folder or file", page=()),
    )


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
