"""The command line: every flag of an edit comes from its record, so it is described once.

Exit codes: 0 done, 2 bad input (nothing was done), 1 failed later, 3 some jobs of a batch failed, 130
stopped by Ctrl-C. Torch is imported by the commands that need it and not for help.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

import intarsia
from intarsia.cli import console
from intarsia.cli.arrange_flags import join_repeated
from intarsia.cli.commands.arrange import Arrange, arrange_command
from intarsia.cli.commands.batch import Batch, batch_command
from intarsia.cli.commands.bench import Bench, bench_command
from intarsia.cli.commands.demo import Demo, demo_command
from intarsia.cli.commands.doctor import Doctor, doctor_command
from intarsia.cli.commands.edit import Edit, edit_command
from intarsia.cli.commands.history import History, history_command
from intarsia.cli.commands.learn import Learn, learn_command
from intarsia.cli.commands.models import Models, models_command
from intarsia.cli.commands.objects import Objects, objects_command
from intarsia.cli.commands.prior import Prior, prior_command
from intarsia.cli.commands.regions import Regions, regions_command
from intarsia.cli.commands.remove import Remove, remove_command
from intarsia.cli.commands.replay import Replay, replay_command
from intarsia.cli.commands.ui import Ui, ui_command
from intarsia.cli.options import CommandResult, note_lines
from intarsia.cli.paths import readable_paths
from intarsia.errors import Cancelled, IntarsiaError, ModelError, UsageError
from intarsia.files import noting_writes, stopped
from intarsia.notes import collected, merged, say

Command = (
    Annotated[Edit, tyro.conf.subcommand("edit")]
    | Annotated[Objects, tyro.conf.subcommand("objects")]
    | Annotated[Arrange, tyro.conf.subcommand("arrange")]
    | Annotated[Remove, tyro.conf.subcommand("remove")]
    | Annotated[Learn, tyro.conf.subcommand("learn")]
    | Annotated[Prior, tyro.conf.subcommand("prior")]
    | Annotated[History, tyro.conf.subcommand("history")]
    | Annotated[Batch, tyro.conf.subcommand("batch")]
    | Annotated[Ui, tyro.conf.subcommand("ui")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Regions, tyro.conf.subcommand("regions")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)
DESCRIPTION = (
    "Edit a picture by words alone, move what is in it, or take it out. Try: intarsia demo; "
    "intarsia remove PHOTO --box 120,80,360,300; intarsia edit PHOTO --source trees --prompt 'a red house'; or: intarsia arrange PHOTO --find cat --move cat=+120,0. "
    "intarsia --version prints the version."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    console.prepare()
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    code = answer(arguments)
    return code if console.flush() else max(code, 1)


def answer(arguments: list[str]) -> int:
    """Run one command, and say what went wrong; returns the exit code."""
    if arguments[0] in ("--version", "-V"):
        return 0 if console.print_out(f"intarsia {intarsia.__version__}") else 1
    with noting_writes() as written:
        return tried(arguments, written)


def tried(arguments: list[str], written: list[Path]) -> int:
    """Run one command; `written` is what it has written until now."""
    stop = console.Stop()
    try:
        with console.stopped_by_signals(stop):
            return run(parse(arguments))
    except SystemExit as ending:  # tyro printed help or how a flag is wrong
        return ending.code if isinstance(ending.code, int) else 2
    except (KeyboardInterrupt, Cancelled) as ending:
        console.say(str(ending) or stopped(written))
        return 130
    except Exception as problem:
        if "--debug" in arguments:
            traceback.print_exc()
        if stop.asked:
            console.say(stopped(written))
            return 130
        ours = isinstance(problem, IntarsiaError)
        console.say(str(problem) if ours else unforeseen(problem))
        return 2 if ours else 1


def parse(arguments: list[str]) -> Any:
    """The command that the arguments ask for.

    Raises:
        SystemExit: they asked for help, or are wrong; tyro has printed it.
        UsageError: the current folder is gone.
    """
    try:
        command = tyro.cli(
            Command,
            prog="intarsia",
            description=DESCRIPTION,
            args=join_repeated(readable_paths(arguments)),
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone, tyro.conf.PositionalMetavarFromFieldName),
        )
    except OSError as problem:  # nobody takes what it prints
        raise SystemExit(console.give_up(problem, asked=bool({"-h", "--help"} & {*arguments}))) from problem
    try:
        Path.cwd()
    except OSError as problem:  # libraries of numbers end the process over it
        raise UsageError("The current folder is gone: change into one that is there, and try again.") from problem
    return command


def unforeseen(problem: Exception) -> str:
    """The message of an error that is no `IntarsiaError`."""
    if isinstance(problem, MemoryError) or "out of memory" in str(problem).lower():
        return "Out of memory. Pass a smaller --size, --vram low, or close other programs."
    said = " ".join(str(problem).split()) or "no message"
    return f"Failed ({type(problem).__name__}: {said}). Run it again with --debug to see where, and report it."


def run(command: Any) -> int:
    """Run a command: JSON or lines on stdout, everything else on stderr."""
    output = command.output
    note = console.NoteHandler()
    logger = logging.getLogger("intarsia")
    logger.addHandler(note)
    level = logger.level
    logger.setLevel(logging.ERROR if output.quiet else logging.INFO)
    try:
        # Whatever a library prints must not end up between the braces.
        with contextlib.redirect_stdout(sys.stderr) if output.json else contextlib.nullcontext():
            if isinstance(command, Batch):
                with collected(logger.warning) as said:  # told at once: a batch may last for days
                    (summary, lines), code = batch_command(command)
                summary = {**summary, "run_notes": said} if said else summary
            elif isinstance(command, AT_ONCE):
                (summary, lines), code = COMMANDS[type(command)](command), 0
            else:
                (summary, lines), code = noted(COMMANDS[type(command)], command), 0
    finally:
        logger.removeHandler(note)
        logger.setLevel(level)
    printed = True
    if output.json and summary:
        printed = console.print_out(json.dumps(summary, indent=1))
    elif lines and not (output.json or output.quiet):  # of several processes, the main one alone has something to say
        printed = console.print_out("\n".join(map(console.plain, lines)))
    return code if printed else max(code, 1)


def noted(perform: Callable[[Any], CommandResult], command: Any) -> CommandResult:
    """A command's output, with the notes that no result of it keeps."""
    said: list[str] = []
    try:
        with collected() as said:
            summary, lines = perform(command)
    except ModelError as problem:
        about = str(problem).split(" ", 1)[0]
        say(*(sentence for sentence in said if about in sentence))  # such as why another id is looked for
        raise
    except IntarsiaError:
        raise  # which says in one sentence what to do
    except Exception:
        say(*said)  # beside the error
        raise
    more = [sentence for sentence in said if sentence not in summary.get("notes", ())]
    if more and summary:
        summary = {**summary, "notes": list(merged(summary.get("notes", ()), more))}
    return summary, [*lines, *note_lines(more)]


AT_ONCE = (Ui, Demo)
"""Commands that last, or have no result: their notes are told at once, in the log."""

COMMANDS: dict[type, Callable[[Any], CommandResult]] = {
    Edit: edit_command,
    Objects: objects_command,
    Arrange: arrange_command,
    Remove: remove_command,
    Learn: learn_command,
    Prior: prior_command,
    History: history_command,
    Ui: ui_command,
    Replay: replay_command,
    Models: models_command,
    Demo: demo_command,
    Regions: regions_command,
    Bench: bench_command,
    Doctor: doctor_command,
}
"""The function of each command but `batch`, which has an exit code of its own."""
