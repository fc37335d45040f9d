"""The fuzz itself, and the inputs that failed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from intarsia.errors import PictureError
from trust import fuzz_oracle, fuzz_readers
from trust.fuzz import figures
from trust.fuzz_cases import SHARES, Case, case_of
from trust.fuzz_kept import KEPT
from trust.fuzz_oracle import Outcome, UnheldError, check_sentence, run_case
from trust.fuzz_workers import judged


@pytest.mark.parametrize("name", KEPT)
def test_what_failed_once_holds(name):
    outcome = run_case(KEPT[name])
    assert not outcome.fault, outcome.detail


@pytest.mark.parametrize("start", range(3))
def test_a_few_inputs_hold(start):
    failed = [(index, run_case(case_of(1, index))) for index in range(start, 150, 9)]
    assert not [(index, outcome.fault, outcome.detail) for index, outcome in failed if outcome.fault]


def test_an_input_is_made_again_from_its_seed_and_number():
    assert sum(share for _, share in SHARES) == 100
    for index in (0, 15, 30, 50, 60, 70, 80):
        assert case_of(3, index) == case_of(3, index)
    assert len({str(case_of(3, index).files) for index in range(0, 400, 100)}) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two\nlines.",
        "'NoneType' object has no attribute 'size'.",
        "Job 1 gives 'steps' as 'x', but expected str.",
        "It cannot be read (KeyError): copy it again.",
        "It cannot be read ([Errno 2] No such file): copy it again.",
        "It cannot be read (chunk b'zzZZ'): copy it again.",
        "without an end",
        "many words " * 100 + ".",
        "half a character \ud800.",
    ],
)
def test_what_is_no_sentence_is_found(text):
    with pytest.raises(UnheldError):
        check_sentence(text)


@pytest.mark.parametrize(
    "text",
    [
        "The picture a.png is empty (0 bytes): it was perhaps not copied to its end; copy it again.",
        "'cat' was not outlined. Nothing in the box 10,10,40,40 stands out from its surroundings: draw it closer.",
        "The scene has 'cat': give --back 'a=b'.",
    ],
)
def test_a_sentence_is_one(text):
    check_sentence(text)


def raising(problem: BaseException):
    def read(case: Case) -> None:
        raise problem

    return read


CASE = Case(format="PNG", reader="photo", files={"photo.png": b"words"})


def test_ends_are_told_apart(monkeypatch):
    assert run_case(CASE).end == "refused"
    for reader, fault in (
        (raising(KeyError("x")), "no sentence: KeyError"),
        (raising(PictureError("It is cut off (KeyError): copy it.")), "a programmer's words"),
        (lambda case: Path("photo.png").write_bytes(b"others"), "input touched"),
        (lambda case: Path("more.png").touch(), "input touched"),
        (lambda case: __import__("warnings").warn("raw", UserWarning, stacklevel=1), "raw warning"),
    ):
        monkeypatch.setitem(fuzz_readers.READERS, "photo", reader)
        assert run_case(CASE).fault == fault


def test_what_takes_too_much_fails():
    good = Outcome("PNG", "cut", "read", seconds=1, memory=1 << 20)
    assert judged(good) == good
    assert judged(Outcome("PNG", "cut", "read", seconds=11)).fault == "slow"
    assert judged(Outcome("PNG", "cut", "read", memory=3 << 30)).fault == "memory"


def test_a_result_must_be_whole(tmp_path):
    (tmp_path / "a.png").write_bytes(b"words")
    with pytest.raises(UnheldError, match="unreadable"):
        fuzz_oracle.check_whole(tmp_path / "a.png")
    (tmp_path / ".a.part").touch()
    with pytest.raises(UnheldError, match="half-written"):
        fuzz_oracle.check_whole(tmp_path / ".a.part")


def test_figures_count_each_fault_once():
    outcomes = {
        str(n): Outcome("PNG", "cut", "failed", fault) for n, fault in enumerate(("died", "hang", "half-written"))
    }
    part = figures(1, {**outcomes, "good": Outcome("PNG", "cut", "read", seconds=0.5, memory=1 << 20)})
    assert not part.holds and len(part.left) == 3
    assert [figure.value for figure in part.figures if figure.bound == "0"] == ["1", "0", "0", "1", "1"]
