"""What must hold of every input: a result or one clear sentence, files untouched, nothing left half-written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intarsia.errors import IntarsiaError
from intarsia.notes import collected
from trust.fuzz_cases import Case
from trust.fuzz_readers import EDITED, READ, READERS, REFUSED, run_command

LONGEST_SENTENCE = 700
"""Characters; a longer message is read by nobody."""

NOT_FOR_PEOPLE = re.compile(
    r"NoneType|object has no attribute|object at 0x|Traceback|<class |\b[A-Z][A-Za-z]*(?:Error|Exception|Warning)\b"
    r"|expected str|must be str\b|must be real number|not subscriptable|not iterable|unhashable|unsupported operand"
    r"|invalid literal for|could not convert|bytes-like|can't decode byte|codec can't|\[Errno|\\x[0-9a-f]{2}\\x|[\s(\[]b['\"]"
    r"|out of range\)|index out of|unpack|struct\b|positional argument|keyword argument|\btuple\[|\bdict\[|\blist\["
    r"|\b(?:int|float|str|bool|dict|tuple|list) is expected|0x[0-9a-f]{6,}|site-packages|\.py\b|PosixPath|numpy|Tensor\b"
)
"""What only those who wrote the code understand."""

SENTENCE_END = re.compile(r"[.!?](?:\s+(?=[A-Z'\"/])|$)")


@dataclass(frozen=True)
class Outcome:
    """How an input ended.

    Attributes:
        format, how: of the input.
        end: "read", "refused" or "edited"; "failed" where something did not hold.
        fault: what did not hold, in a few words by which alike ones are counted; empty where all did.
        detail: more of it.
        seconds: it took.
        memory: greatest resident memory of its process, in bytes.
    """

    format: str
    how: str
    end: str
    fault: str = ""
    detail: str = ""
    seconds: float = 0.0
    memory: int = 0


class UnheldError(Exception):
    """Something that must hold of every input did not: in a few words, and more of it."""

    def __init__(self, fault: str, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault, self.detail = fault, detail


def check_sentence(text: str) -> None:
    """Raise `UnheldError` unless a message is a sentence or two that people understand."""
    if "\n" in text.strip() or "\r" in text:
        raise UnheldError("several lines", text)
    if not text.strip():
        raise UnheldError("no words", repr(text))
    if len(text) > LONGEST_SENTENCE:
        raise UnheldError("longer than anybody reads", text)
    found = NOT_FOR_PEOPLE.search(text)
    if found is not None:
        raise UnheldError("a programmer's words", text)
    if text.rstrip()[-1] not in ".!?" or len(SENTENCE_END.findall(text)) > 3:
        raise UnheldError("not one or two sentences", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnheldError("no characters", ascii(text)) from None


def where_raised(problem: BaseException) -> str:
    """The last place in the package that an error went through."""
    frames = [f for f in traceback.extract_tb(problem.__traceback__) if f"{os.sep}intarsia{os.sep}" in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def states(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of change of every file."""
    return {
        str(file.relative_to(folder)): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def run_case(case: Case) -> Outcome:
    """Read or edit one input in a folder of its own, and judge what came of it."""
    home = Path.cwd()
    began, memory = time.monotonic(), 0
    end, fault, detail = "failed", "", ""
    with tempfile.TemporaryDirectory(prefix="intarsia-fuzz-", ignore_cleanup_errors=True) as place:
        given, out = Path(place) / "in", Path(place) / "out"
        given.mkdir()
        out.mkdir()
        for name, data in case.files.items():
            (given / name).parent.mkdir(parents=True, exist_ok=True)
            (given / name).write_bytes(data)
            os.utime(given / name, (1_700_000_000, 1_700_000_000))
        before = states(given)
        try:
            os.chdir(given)
            reset_peak()
            began = time.monotonic()
            try:
                end = judged_run(case, out)
            finally:
                seconds, memory = time.monotonic() - began, peak_memory()
            check_inputs(case, given, before)
        except UnheldError as unheld:
            end, fault, detail = "failed", unheld.fault, unheld.detail
        finally:
            os.chdir(home)
    return Outcome(case.format, case.how, end, fault, detail[:2000], seconds, memory)


def judged_run(case: Case, out: Path) -> str:
    """How a case ends.

    Raises:
        UnheldError: something does not hold.
    """
    with said_besides() as said:
        if case.argv:
            end = judged_command(case, out)
        else:
            end = READ
            try:
                with sentences_checked():
                    READERS[case.reader](case)
            except IntarsiaError as problem:
                check_sentence(str(problem))
                end = REFUSED
            except UnheldError:
                raise
            except AssertionError as problem:
                raise UnheldError("came back otherwise", f"{problem} at {where_raised(problem)}") from problem
            except Exception as problem:
                kind = type(problem).__name__
                raise UnheldError(f"no sentence: {kind}", f"{problem!r} at {where_raised(problem)}") from problem
    if said:
        raise UnheldError("raw warning", " | ".join(said))
    return end


class CheckedLog(logging.Handler):
    """What the package logs is printed for people, too."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO:
            check_sentence(record.getMessage())


@contextlib.contextmanager
def sentences_checked() -> Iterator[None]:
    """Raise `UnheldError` where a note or a line of the log within is no sentence."""
    logger, checked = logging.getLogger("intarsia"), CheckedLog()
    logger.addHandler(checked)
    try:
        with collected() as notes:
            yield
    finally:
        logger.removeHandler(checked)
    for said in notes:
        check_sentence(said)


def judged_command(case: Case, out: Path) -> str:
    code, _, err = run_command(case)
    lines = [line for line in err.splitlines() if line.strip()]
    ours = [line.removeprefix("intarsia: ") for line in lines if line.startswith("intarsia: ")]
    if "Traceback" in err or any("Warning:" in line for line in lines):
        raise UnheldError("raw traceback or warning", err)
    if code == 1:
        raise UnheldError("failed late", err)
    if code != 130:
        for line in ours:
            check_sentence(line)
    usage = "For full help" in err  # how a flag is wrong, in a frame of its own
    if code == 2 and not ours and not usage:
        raise UnheldError("no sentence", err)
    if len(ours) < len(lines) and not usage:
        raise UnheldError("raw warning", err)
    if code not in (0, 2, 3, 130):
        raise UnheldError(f"exit code {code}", err)
    left = [file for file in sorted(out.rglob("*")) if file.is_file() and case.argv[0] != "batch"]
    if code != 0:
        if left:
            raise UnheldError("half-written", ", ".join(file.name for file in left))
        return REFUSED
    for file in left:
        check_whole(file)
    if case.argv[0] in ("edit", "remove", "arrange"):
        check_edited(Path(case.argv[1]), out)
        return EDITED
    return READ


def check_whole(file: Path) -> None:
    """Raise `UnheldError` unless a file that was written can be read."""
    from intarsia.imaging.read import read_photo

    if file.name.startswith(".") or file.suffix == ".part":
        raise UnheldError("half-written", file.name)
    try:
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
        elif file.suffix in (".png", ".jpg", ".webp", ".tif", ".bmp"):
            read_photo(file)
    except (IntarsiaError, ValueError) as problem:
        raise UnheldError("unreadable result", f"{file.name}: {problem}") from problem


def check_edited(photo: Path, out: Path) -> None:
    """Raise `UnheldError` unless a result has the photo's size, and its pixels wherever nothing was changed."""
    from intarsia.imaging.read import read_photo

    record = next(iter(out.glob("*.json")), None)
    if record is None:
        raise UnheldError("no result", ", ".join(file.name for file in out.iterdir()))
    facts = json.loads(record.read_text("utf-8"))
    before, after = read_photo(photo), read_photo(out / facts["picture"])
    if before.size != after.size:
        raise UnheldError("another size", f"{before.size} became {after.size}")
    mask = read_photo(record.with_suffix(".mask.png")).pixels[..., 0]
    if mask.shape != before.pixels.shape[:2]:
        raise UnheldError("another size", f"mask {mask.shape}")
    if Path(facts["picture"]).suffix in (".png", ".tif"):
        kept = mask == 0
        if not np.array_equal(before.pixels[kept], after.pixels[kept]):
            raise UnheldError("pixels outside changed", str((before.pixels[kept] != after.pixels[kept]).sum()))


def check_inputs(case: Case, given: Path, before: dict[str, tuple[str, int]]) -> None:
    """Raise `UnheldError` where an input was changed, or something was written beside it."""
    after = states(given)
    if case.reader == "ledger" or case.format == "ledgers":  # it is the tool's own, and written to
        after = {name: after.get(name, ("", 0)) for name in before}
        for name in ("ledger.sqlite",):
            before.pop(name, None)
            after.pop(name, None)
    if after != before:
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        raise UnheldError("input touched", ", ".join(changed))


@contextlib.contextmanager
def said_besides() -> Iterator[list[str]]:
    """What is said besides sentences: warnings of Python, and what libraries log or print to the terminal."""
    said: list[str] = []

    sys.stderr.flush()
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            printed = file.read(2000).decode("utf-8", "replace")
            said += [line for line in printed.splitlines() if line.strip() and not line.startswith("intarsia: ")]
            # Python's own switch for developers, which users never see.
            shown = [w for w in warned if not issubclass(w.category, ResourceWarning | DeprecationWarning)]
            said += [f"{w.category.__name__}: {w.message}" for w in shown]


def reset_peak() -> None:
    """Let the system measure the greatest memory from here on, where it can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "utf-8")


def peak_memory() -> int:
    """Greatest resident memory of this process, in bytes."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
