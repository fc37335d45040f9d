"""What is printed reaches every terminal, pipe and file, and costs no work where it does not."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from intarsia.cli import console
from intarsia.cli.commands.history import History
from intarsia.cli.main import COMMANDS, main
from intarsia.errors import ModelError, PictureError
from intarsia.files import write_bytes_atomically
from intarsia.results.staging import staging

WORDS = "一只狗, кот, कि, 🐕, \u202eturned, caf\udce9, a\nb, \x1b[31mred → ━╭╮╰╯│─•\u00d7…"
ENCODINGS = ("ascii", "cp1252", "cp437", "cp932", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "koi8-r")


@pytest.fixture
def edits(tmp_path: Path) -> Path:
    """A folder with an edit's record."""
    record = {"kind": "EditRecord", "photo": "/photos/一只狗.png", "prompt": WORDS, "source": "chien, perro"}
    facts = {"record": record, "output_sha256": "0", "made_at": "2026-01-01T00:00:00", "picture": "p.png"}
    (tmp_path / "p.json").write_text(json.dumps(facts), encoding="utf-8")
    return tmp_path


def stream(encoding: str) -> io.TextIOWrapper:
    """As Python opens stdout for a pipe: strict."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")


def printed(to: io.TextIOWrapper) -> str:
    to.flush()
    assert isinstance(to.buffer, io.BytesIO)
    return to.buffer.getvalue().decode(to.encoding)


def run(monkeypatch: pytest.MonkeyPatch, encoding: str, arguments: Sequence[str]) -> tuple[int, str, str]:
    """A command whose output is read by something that takes an encoding: exit code, stdout, stderr."""
    out, err = stream(encoding), stream(encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = main([*arguments])
    return code, printed(out), printed(err)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_takes_what_is_printed(monkeypatch: pytest.MonkeyPatch, encoding: str, edits: Path) -> None:
    code, out, err = run(monkeypatch, encoding, ["history", str(edits)])
    assert (code, err) == (0, "") and "p.json" in out and len(out.splitlines()) == 3
    code, out, _ = run(monkeypatch, encoding, ["history", str(edits), "--json"])
    assert code == 0 and WORDS in json.loads(out.lstrip("\ufeff"))["edits"][0]["words"]
    for arguments in (["--help"], ["edit", "--help"], ["models"]):
        code, out, _ = run(monkeypatch, encoding, arguments)
        assert code == 0 and len(out) > 1000 and "\\u2" not in out
    code, _, err = run(monkeypatch, encoding, ["replay", WORDS])
    assert code == 2 and err.startswith(("intarsia: There is no file", "\ufeffintarsia: There is no file"))
    assert len(err.splitlines()) == 1


def test_tables_and_sentences_get_ascii_where_there_is_nothing_else() -> None:
    out = stream("ascii")
    out.reconfigure(errors=console.READABLE)
    out.write("╭──╮ a → b… “it\u2019s” 2 \u00d7 3 é 狗 🐕 \udce9")
    assert printed(out) == '+--+ a -> b... "it\'s" 2 x 3 \\xe9 \\u72d7 \\U0001f415 \\udce9'
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", console.READABLE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("photo\u202egnp.exe", r"photo\u202egnp.exe"),
        ("a\u2028b\u2066c\u2069", r"a\u2028b\u2066c\u2069"),
        ("\x9b31m", r"\x9b31m"),
        *((text, text) for text in ("कि 👩🏽\u200d🌾", "\u200fכֶּלֶב", "cafe\u0301", "C:\\new")),
    ],
)
def test_no_text_acts_on_a_terminal(text: str, shown: str) -> None:
    assert console.plain(text) == shown


class Refusing(io.RawIOBase):
    """A pipe without a reader, or a full disk."""

    def __init__(self, number: type[OSError] | int) -> None:
        self.problem: OSError | None = number() if isinstance(number, type) else OSError(number, os.strerror(number))

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.problem is not None:
            raise self.problem
        return len(data)


Refuses: TypeAlias = Callable[[type[OSError] | int], io.TextIOWrapper]


@pytest.fixture
def refusing() -> Iterator[Refuses]:
    """Makes streams that take nothing, until the test is over: from Python 3.13 on, one that ends unwritten is an error."""
    files, streams = [], []

    def made(number: type[OSError] | int) -> io.TextIOWrapper:
        files.append(Refusing(number))
        streams.append(io.TextIOWrapper(io.BufferedWriter(files[-1]), encoding="utf-8"))
        return streams[-1]

    yield made
    for file in files:
        file.problem = None
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(("problem", "code"), [(BrokenPipeError, 0), (28, 1)], ids=["reader gone", "disk full"])
@pytest.mark.parametrize("arguments", [["--version"], ["models"], ["models", "--json"], ["edit", "--help"]])
def test_what_cannot_be_printed_is_said_once(
    monkeypatch: pytest.MonkeyPatch, problem: Any, code: int, arguments: list[str], refusing: Refuses
) -> None:
    err = stream("utf-8")
    monkeypatch.setattr(console, "swallow", lambda stream: monkeypatch.setattr(sys, "stdout", io.StringIO()))
    monkeypatch.setattr(sys, "stdout", refusing(problem))
    monkeypatch.setattr(sys, "stderr", err)
    assert main(arguments) == code
    assert printed(err).count("intarsia: ") == code
    assert "Failed" not in printed(err)


def test_errors_that_cannot_be_printed_keep_their_code(monkeypatch: pytest.MonkeyPatch, refusing: Refuses) -> None:
    for problem in (BrokenPipeError, 28):
        monkeypatch.setattr(sys, "stderr", refusing(problem))
        assert main(["replay", "nowhere.json"]) == 2
        monkeypatch.setattr(sys, "stderr", refusing(problem))
        assert main(["edit"]) == 2


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, refusing: Refuses) -> None:
    monkeypatch.setattr(sys, "stderr", refusing(28))
    handler = console.NoteHandler()
    handler.handle(logging.makeLogRecord({"msg": "a note"}))
    err = stream("ascii")
    monkeypatch.setattr(sys, "stderr", err)
    console.prepare()
    console.NoteHandler().handle(logging.makeLogRecord({"msg": "100% of \x1b[31m狗"}))
    assert printed(err) == "intarsia: 100% of \\x1b[31m\\u72d7\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_stop_with_one_line_and_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("no such signal on this system")
    before = signal.getsignal(number)

    def interrupted(command: History) -> Any:
        os.kill(os.getpid(), number)
        raise AssertionError("nothing stopped it")

    monkeypatch.setitem(COMMANDS, History, interrupted)
    assert main(["history"]) == 130
    assert capsys.readouterr().err == "intarsia: stopped; nothing was written.\n"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    "problem", [ModelError("unet could not be loaded: download the checkpoint again."), OSError(5, "x")]
)
def test_what_a_library_makes_of_a_signal_is_a_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, problem: Exception
) -> None:
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("no such signal on this system")

    def interrupted(command: History) -> Any:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            raise problem from None
        raise AssertionError("nothing stopped it")

    monkeypatch.setitem(COMMANDS, History, interrupted)
    assert main(["history"]) == 130
    assert capsys.readouterr().err == "intarsia: stopped; nothing was written.\n"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.png"], "stopped when it had written OUT/a.png: what is there is whole."),
        (["a.png", "a.json"], "stopped when it had written OUT/a.json, OUT/a.png: what is there is whole."),
        (
            ["a.png", "b.png", "c.png", "d.json"],
            "stopped when it had written OUT/a.png, OUT/b.png and 2 more: what is there is whole.",
        ),
        ([], "stopped; nothing was written."),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_a_stop_after_the_writing_says_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    names: list[str],
    said: str,
    together: bool,
) -> None:
    def interrupted(command: History) -> Any:
        if together and names:
            with staging(tmp_path, overwrite=False) as stage:
                for name in names:
                    (stage / name).write_bytes(b"1")
        else:
            for name in sorted(names):
                write_bytes_atomically(tmp_path / name, b"1")
        write_bytes_atomically(tmp_path / "gone", b"1").unlink()
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, History, interrupted)
    assert main(["history"]) == 130
    told = capsys.readouterr().err.replace(f"{tmp_path}{os.sep}", "OUT/")
    if names and len(names) == 2 and together:
        said = said.replace("OUT/a.json, OUT/a.png", "OUT/a.png, OUT/a.json")  # a result's record comes last
    assert told == f"intarsia: {said}\n"


def test_a_stop_at_the_very_end_says_what_is_there(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport intarsia.cli.main\nfrom intarsia.__main__ import start\n"
        "from intarsia.files import write_bytes_atomically\n"
        "def main():\n    write_bytes_atomically(Path(sys.argv[1]), b'1')\n    raise KeyboardInterrupt\n"
        "intarsia.cli.main.main = main\nsys.exit(start())"
    )
    picture = tmp_path / "a.png"
    done = subprocess.run([sys.executable, "-c", code, str(picture)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"intarsia: stopped when it had written {picture}: what is there is whole.\n"


WORKING = """
import atexit, sys, threading, time, torch
from intarsia.cli import console

layer = torch.nn.Conv2d(8, 8, 3, padding=1)

def work():
    while True:
        layer(torch.ones(1, 8, 64, 64)).sum().backward()

for _ in range(int(sys.argv[1])):
    threading.Thread(target=work, daemon=True).start()
atexit.register(print, "tidied")
time.sleep(0.3)
console.leave(130)
sys.exit(7)
"""


@pytest.mark.parametrize(("threads", "code"), [(3, 130), (0, 7)])
def test_threads_at_work_end_with_the_process(threads: int, code: int) -> None:
    """The interpreter's own end aborted it: "terminate called without an active exception"."""
    command = [sys.executable, "-c", WORKING, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "tidied\n", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_interpreter_ends_changes_nothing(name: str) -> None:
    code = (
        "import atexit, os, signal, sys\nimport intarsia.cli.main\nfrom intarsia.__main__ import start\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "intarsia.cli.main.main = lambda: print('done') or 3\nsys.exit(start())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


def test_a_current_folder_that_is_gone_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    assert main(["history", "/nowhere"]) == 2
    assert capsys.readouterr().err == (
        "intarsia: The current folder is gone: change into one that is there, and try again.\n"
    )


def test_an_error_is_one_line_whatever_a_file_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(command: History) -> Any:
        raise PictureError("There is no picture a\nb\x1b[2J%s.png")

    monkeypatch.setitem(COMMANDS, History, failing)
    assert main(["history"]) == 2
    assert capsys.readouterr().err == "intarsia: There is no picture a\\nb\\x1b[2J%s.png\n"


def python(*words: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "intarsia", *words], timeout=60, check=False, **how)


CLOSED: dict[str, tuple[Callable[[], object], int]] = {
    "stdout": (lambda: os.close(1), 0),
    "all": (lambda: os.closerange(0, 3), 0),
}


@pytest.mark.skipif(sys.platform == "win32", reason="a process is started otherwise there")
@pytest.mark.parametrize(("close", "code"), CLOSED.values(), ids=CLOSED)
def test_closed_streams_swallow_what_is_printed(edits: Path, close: Callable[[], object], code: int) -> None:
    assert python("history", str(edits), preexec_fn=close).returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device on this system")
def test_a_full_device_and_a_reader_that_leaves(edits: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = python("history", str(edits), stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"cannot be printed (No space" in done.stderr
        assert python("history", "nowhere", stdout=full, stderr=full).returncode == 2
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.closing(os.fdopen(writer, "wb")) as broken:
        done = python("models", stdout=broken, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
def test_a_signal_ends_the_wait_for_a_thread() -> None:
    code = (
        "import os, signal, sys, threading, time\nimport intarsia.cli.main\nfrom intarsia.__main__ import start\n"
        "def work():\n    time.sleep(0.3)\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(60)\n"
        "intarsia.cli.main.main = lambda: threading.Thread(target=work).start() or 3\nsys.exit(start())"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGTERM
