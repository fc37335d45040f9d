"""Every error that Intarsia raises on purpose, and the remedies that they carry.

    IntarsiaError
    ├── PictureError (ValueError)     a picture cannot be read, or is of a kind we refuse
    ├── RegionError (ValueError)      a box or mask given by the user cannot be used
    │   └── EmptyMaskError            nothing of a mask is left at the size it is needed
    ├── LayoutError (ValueError)      a scene's objects or a target layout cannot be read
    ├── RecordError (ValueError)      a setting is out of range, or two contradict each other
    ├── UsageError                    a flag of the command line cannot be read or is out of range
    ├── OutputError (OSError)         a result cannot be written where it was asked for
    ├── ModelError (RuntimeError)     a checkpoint is unknown, incomplete or not on this machine
    ├── WorkersError (RuntimeError)   processes that should do the work cannot be started
    │   └── ClusterError              a cluster cannot be reached
    ├── MissingExtraError (ImportError)  an optional dependency is not installed
    └── Cancelled                     the user stopped the work

Each error says the fact and the nearest cause, and carries its remedies as data:

    raise PictureError(
        "Nothing is left of the mask", Remedy("draw a larger one"), Remedy("work at a larger ", Setting("size"))
    )

`str` of it is one sentence in the words of the command line, "Nothing is left of the mask: draw a larger
one, or work at a larger --size."; `message_for` words it for another front end. The command line prints it
without a traceback and exits with 2 (bad input); what goes wrong later exits with 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Setting:
    """A setting that an error names; text of it is a flag of the command line.

    Attributes:
        name: a field of a record, dotted within a group ("learn.prior"), or a setting of one front end
            ("overwrite").
        value: what it should be; True for a switch, None where it is left open.
        verb: what the user does with it, where the sentence leaves that to the front end: "pass".
    """

    name: str
    value: object = None
    verb: str = ""

    def __str__(self) -> str:
        return TERMINAL.word(self)


@dataclass(frozen=True, init=False)
class Command:
    """A command that an error names.

    Attributes:
        program: "intarsia", or what another one is called.
        name: its first words, which come before what is asked of it.
        arguments: the words after its name.
        flags: names and values of its flags, as `Setting` has them; one that is None is left out.
        quoted: whether it stands in quotation marks, as one that is to be typed.
    """

    name: str
    arguments: tuple[str, ...]
    flags: tuple[tuple[str, object], ...]
    program: str
    quoted: bool

    def __init__(
        self, name: str, *arguments: str, program: str = "intarsia", quoted: bool = True, **flags: object
    ) -> None:
        own = {
            "name": name,
            "arguments": arguments,
            "flags": tuple(pair for pair in flags.items() if pair[1] is not None),
        }
        for field, value in {**own, "program": program, "quoted": quoted}.items():
            object.__setattr__(self, field, value)

    @property
    def line(self) -> str:
        """What is typed in a terminal."""
        flags = (as_flag(Setting(name, value)) for name, value in self.flags)
        return " ".join((self.program, self.name, *self.arguments, *flags))

    def __str__(self) -> str:
        return TERMINAL.word(self)


Part = str | Setting | Command
"""A piece of a sentence."""


@dataclass(frozen=True, init=False)
class Remedy:
    """One way out, as a clause without its full stop.

    A front end leaves a remedy out where a setting or command of it is not the user's to choose.

    Attributes:
        parts: "pass its mask with ", Setting("masks").
        page: the same advice where controls are worked by hand, if that takes other words; empty where it
            helps nobody there.
    """

    parts: tuple[Part, ...]
    page: tuple[Part, ...] | None

    def __init__(self, *parts: Part, page: str | Sequence[Part] | None = None) -> None:
        by_hand = (page,) if isinstance(page, str) else None if page is None else tuple(page)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "page", by_hand)


Message = tuple[Part | Remedy, ...]
"""A fact in pieces, and its remedies."""


def one_of(*names: str) -> Remedy:
    """The remedy where settings exclude each other."""
    flags: list[Part] = ["pass one of "]
    for place, name in enumerate(names):
        flags += ["" if place == 0 else " and " if place == len(names) - 1 else ", ", Setting(name)]
    return Remedy(*flags, page="keep one of them")


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """How a front end words what errors name.

    Attributes:
        word: what a setting or a command is called there.
        offers: whether its user can choose that.
        otherwise: the remedy where none of an error's own is left.
        by_hand: whether settings are controls, so that `Remedy.page` is meant.
    """

    word: Callable[[Setting | Command], str]
    offers: Callable[[Setting | Command], bool] = lambda named: True
    otherwise: str = ""
    by_hand: bool = False

    def sentence(self, parts: Iterable[Part | Remedy]) -> str:
        """A fact and its remedies, in one or two sentences.

        Halves of characters, as Python has them for bytes of a name that are no UTF-8, are shown by their numbers: no
        JSON and no console takes them.
        """
        return self._sentence(tuple(parts)).encode("utf-8", "backslashreplace").decode("utf-8")

    def _sentence(self, parts: tuple[Part | Remedy, ...]) -> str:
        remedies = [part for part in parts if isinstance(part, Remedy)]
        fact = self.text(part for part in parts if not isinstance(part, Remedy))
        if not remedies:
            return fact
        clauses = [self.text(clause) for clause in map(self.clause, remedies) if clause and self.all_offered(clause)]
        said = in_a_row(clauses or [self.otherwise])
        return f"{fact} {said[:1].upper()}{said[1:]}." if fact.endswith(".") else f"{fact}: {said}."

    def clause(self, remedy: Remedy) -> tuple[Part, ...]:
        return remedy.page if self.by_hand and remedy.page is not None else remedy.parts

    def all_offered(self, parts: Iterable[Part]) -> bool:
        return all(isinstance(part, str) or self.offers(part) for part in parts)

    def text(self, parts: Iterable[Part]) -> str:
        return "".join(part if isinstance(part, str) else self.word(part) for part in parts)


def in_a_row(clauses: Sequence[str]) -> str:
    """Alternatives: one, or another; of three, one, another, or the third."""
    *first, last = clauses
    return f"{', '.join(first)}, or {last}" if first else last


def as_flag(named: Setting | Command) -> str:
    """The words of the command line: pass --tolerance 4, 'intarsia learn SCENE'."""
    if isinstance(named, Command):
        return f"'{named.line}'" if named.quoted else named.line
    flag = f"--{named.name.replace('_', '-')}"
    value = "" if named.value is None or named.value is True else str(named.value)
    return " ".join(filter(None, (named.verb, flag, value)))


CALLS = {"learn": "intarsia.learn"}
"""The public functions that do what commands do."""


def as_argument(named: Setting | Command) -> str:
    """The words of a Python program: pass tolerance=4, intarsia.learn."""
    if isinstance(named, Command):
        return CALLS.get(named.name, as_flag(named)) if named.program == "intarsia" else as_flag(named)
    value = named.value.strip("'") if isinstance(named.value, str) else named.value
    field = named.name if value is None else f"{named.name}={value!r}"
    return f"{named.verb} {field}".strip()


TERMINAL = FrontEnd(word=as_flag)
PYTHON = FrontEnd(word=as_argument)


class IntarsiaError(Exception):
    """Base of all errors that carry a message for the user.

    Attributes:
        parts: the fact in pieces, and its remedies. They are kept when the error is pickled or copied.
    """

    def __init__(self, *parts: Part | Remedy) -> None:
        super().__init__(TERMINAL.sentence(parts))
        self.parts = parts

    def message_for(self, front_end: FrontEnd) -> str:
        """The whole sentence in the words of a front end, such as `PYTHON`."""
        return front_end.sentence(self.parts)

    def replace(self, old: str, new: str) -> Self:
        """The same error with other words in its texts, such as a shorter path."""

        def replaced(parts: Iterable[Part]) -> tuple[Part, ...]:
            return tuple(part.replace(old, new) if isinstance(part, str) else part for part in parts)

        return type(self)(
            *(
                Remedy(*replaced(part.parts), page=part.page and replaced(part.page))
                if isinstance(part, Remedy)
                else replaced([part])[0]
                for part in self.parts
            )
        )


class PictureError(IntarsiaError, ValueError):
    """A picture cannot be read, or is of a kind that would be damaged by editing it."""


class RegionError(IntarsiaError, ValueError):
    """A box or mask cannot be used with this picture."""


class EmptyMaskError(RegionError):
    """A mask covers nothing at the size at which it is needed."""


class LayoutError(IntarsiaError, ValueError):
    """A scene's objects or its target layout contradict the picture, each other, or themselves."""


class RecordError(IntarsiaError, ValueError):
    """A setting is out of range, missing, or contradicts another."""


class UsageError(IntarsiaError):
    """A flag of the command line cannot be read, is out of range, or contradicts another.

    No ValueError: tyro would catch that and print it in its own form.
    """


class OutputError(IntarsiaError, OSError):
    """A result cannot be written; nothing was overwritten and nothing is half-written."""


class ModelError(IntarsiaError, RuntimeError):
    """A checkpoint is unknown, incomplete, or not on this machine."""


class WorkersError(IntarsiaError, RuntimeError):
    """Processes that should do the work end before they have begun."""


class ClusterError(WorkersError):
    """A cluster cannot be reached, or has no room for the work."""


class MissingExtraError(IntarsiaError, ImportError):
    """An optional dependency is needed; the message holds the command that installs it."""


class Cancelled(IntarsiaError):
    """The work was stopped on request; nothing was written."""
