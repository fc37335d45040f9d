"""The command line: every flag of an edit comes from its record, so it is described once.

Exit codes: 0 done, 2 bad input (nothing was done), 1 failed later, 3 some jobs of a batch failed, 130
stopped by Ctrl-C. Torch is imported by the commands that need it and not for help.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import platform
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

import intarsia
from intarsia.app.bars import progress_bar
from intarsia.app.batch_flags import Batch
from intarsia.app.flags import Answer, Files, FlagError, Machine, Talk
from intarsia.app.layout_flags import Arrange, History, LayoutCommand, Learn, Objects, Prior, join_repeated
from intarsia.app.ui_flags import Ui
from intarsia.errors import Cancelled, IntarsiaError, OutputError
from intarsia.records import EditRecord, FitSettings

if TYPE_CHECKING:
    from intarsia.backbones.protocols import Backbones
    from intarsia.parallel import World

BoxEdges = tuple[float, float, float, float]


def read_box(words: list[str]) -> BoxEdges | None:
    """x0,y0,x1,y1 as four numbers."""
    try:
        x0, y0, x1, y1 = (float(edge) for edge in words[0].split(","))
    except ValueError:
        raise FlagError(
            f"The box {words[0]!r} is not four numbers with commas between them: "
            "give --box x0,y0,x1,y1 in pixels, e.g. --box 10,20,110,90."
        ) from None
    return x0, y0, x1, y1


BOX_FLAG = PrimitiveConstructorSpec(
    nargs=1,
    metavar="X0,Y0,X1,Y1",
    instance_from_str=read_box,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: ["none" if value is None else ",".join(f"{edge:g}" for edge in value)],
)


@dataclass(frozen=True, kw_only=True)
class EditFlags(EditRecord):
    """An edit's record in the form of flags; checked only when it becomes a record, for a plain message."""

    photo: tyro.conf.Positional[str]
    box: Annotated[BoxEdges | None, BOX_FLAG] = None

    def __post_init__(self) -> None:
        """Nothing yet: see `record`."""

    def record(self) -> EditRecord:
        """Raises: RecordError: a setting is out of range."""
        return EditRecord(**{f.name: getattr(self, f.name) for f in dataclasses.fields(EditRecord)})


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Edit a picture by words: find where, repaint there, rank, write the best."""

    record: Annotated[EditFlags, tyro.conf.arg(name="")]
    out: Path = Path("out")
    """Folder to write to."""
    files: tyro.conf.OmitArgPrefixes[Files] = Files()
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Make a recorded edit again, by words or by layout, and say whether the same pixels came out."""

    result: tyro.conf.Positional[Path]
    """NAME.json or NAME.png that intarsia edit or arrange wrote."""
    photo: Path | None = None
    """The photo, if it is no longer where the record says."""
    out: Path = Path("replayed")
    """Folder to write to."""
    files: tyro.conf.OmitArgPrefixes[Files] = Files()
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the checkpoints that are known to work, or download one for work without network."""

    action: tyro.conf.Positional[Literal["list", "download"]] = "list"
    """list, or download NAME."""
    name: tyro.conf.Positional[str] = ""
    """To download: a name of the list, or a hub id owner/name[@revision]."""
    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Edit and rearrange the scenes that ship with the package, and write demo.png and index.html."""

    out: Path = Path("demo-out")
    """Folder to write to."""
    overwrite: bool = False
    """Replace the demo that is there."""
    models: str = "pocket"
    """Checkpoints to show; the scenes are made for pocket."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Fit a region network over many pictures once; intarsia edit --regions FILE then uses it."""

    action: tyro.conf.Positional[Literal["fit"]]
    """fit."""
    jobs: tyro.conf.Positional[Path]
    """JSON: a list of records, or {"picture.png": ["source words", "prompt"]}."""
    out: Path = Path("regions.safetensors")
    """File to write."""
    start: Path | None = None
    """Go on from this network."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
    seed: int = 0
    """Seed of the first weights and of the order of the pictures."""
    fit: FitSettings = FitSettings()
    overwrite: bool = False
    """Replace the file."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Print what a report of a problem needs: versions, devices, folders, free memory."""

    talk: tyro.conf.OmitArgPrefixes[Talk] = Talk()


Command = (
    Annotated[Edit, tyro.conf.subcommand("edit")]
    | Annotated[Objects, tyro.conf.subcommand("objects")]
    | Annotated[Arrange, tyro.conf.subcommand("arrange")]
    | Annotated[Learn, tyro.conf.subcommand("learn")]
    | Annotated[Prior, tyro.conf.subcommand("prior")]
    | Annotated[History, tyro.conf.subcommand("history")]
    | Annotated[Batch, tyro.conf.subcommand("batch")]
    | Annotated[Ui, tyro.conf.subcommand("ui")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Regions, tyro.conf.subcommand("regions")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)
DESCRIPTION = (
    "Edit a picture by words alone, or move what is in it. Try: intarsia demo; "
    "intarsia edit PHOTO --source trees --prompt 'a red house'; or: intarsia arrange PHOTO --find cat --move cat=+120,0. "
    "intarsia --version prints the version."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if arguments[0] in ("--version", "-V"):
        print(f"intarsia {intarsia.__version__}")
        return 0
    try:
        command = tyro.cli(
            Command,
            prog="intarsia",
            description=DESCRIPTION,
            args=join_repeated(arguments),
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone, tyro.conf.PositionalMetavarFromFieldName),
        )
        return run(command)
    except SystemExit as stop:  # tyro printed help or how a flag is wrong
        return stop.code if isinstance(stop.code, int) else 2
    except (KeyboardInterrupt, Cancelled) as stop:
        print(f"intarsia: {stop if str(stop) else 'stopped; nothing was written.'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:
        if "--debug" in arguments:
            traceback.print_exc()
        ours = isinstance(problem, IntarsiaError)
        print(f"intarsia: {problem if ours else unforeseen(problem)}", file=sys.stderr)
        return 2 if ours else 1


def unforeseen(problem: Exception) -> str:
    """An error that nobody wrote a sentence for."""
    if isinstance(problem, MemoryError) or "out of memory" in str(problem).lower():
        return "Out of memory. Pass a smaller --size, --vram low, or close other programs."
    said = " ".join(str(problem).split()) or "no message"
    return f"Failed ({type(problem).__name__}: {said}). Run it again with --debug to see where, and report it."


def run(command: Edit | LayoutCommand | Batch | Ui | Replay | Models | Demo | Regions | Doctor) -> int:
    """Do what was asked, with the output where it belongs."""
    talk = command.talk
    note = logging.StreamHandler(sys.stderr)
    note.setFormatter(logging.Formatter("intarsia: %(message)s"))
    logger = logging.getLogger("intarsia")
    logger.addHandler(note)
    level = logger.level
    logger.setLevel(logging.ERROR if talk.quiet else logging.INFO)
    try:
        # Whatever a library prints must not end up between the braces.
        with contextlib.redirect_stdout(sys.stderr) if talk.json else contextlib.nullcontext():
            if isinstance(command, Batch):
                (summary, lines), code = batch_command(command)
            else:
                (summary, lines), code = ACTIONS[type(command)](command), 0
    finally:
        logger.removeHandler(note)
        logger.setLevel(level)
    if talk.json and summary:
        print(json.dumps(summary, indent=1))
    elif lines and not (talk.json or talk.quiet):  # of several processes, the main one alone has something to say
        print("\n".join(lines))
    return code


def batch_command(command: Batch) -> tuple[Answer, int]:
    """The exit code too: some jobs of a batch may fail, which is neither bad input nor all well."""
    from intarsia.app import batch_commands

    return batch_commands.batch_command(command)


def edit_command(command: Edit) -> Answer:
    from intarsia.app.edit_commands import make

    record = command.record.record()
    with progress_bar(command.talk) as on_progress:
        return make(record, command.out, command.files, loader(command.machine), on_progress=on_progress)[:2]


def replay_command(command: Replay) -> Answer:
    import torch

    from intarsia.app.outputs import pixel_digest, read_replay

    replay = read_replay(command.result, command.photo)
    if replay.threads is not None:
        torch.set_num_threads(replay.threads)
    if isinstance(replay.record, EditRecord):
        from intarsia.app.edit_commands import make

        with progress_bar(command.talk) as on_progress:
            summary, lines, result = make(
                replay.record,
                command.out,
                command.files,
                loader(command.machine),
                lead=replay.index,
                on_progress=on_progress,
            )
        made = result.candidates[replay.index].photo
    else:
        from intarsia.app.layout_commands import arrange_again

        summary, lines, made = arrange_again(command, replay.record, replay.index, loader(command.machine))
    assert made is not None
    same = pixel_digest(made) == replay.output_sha256
    verdict = (
        "The same pixels came out."
        if same
        else "Other pixels came out than were recorded: compare 'versions' in both JSON files, and the device."
    )
    return {**summary, "same_pixels": same}, [*lines, verdict]


def layout_command(command: LayoutCommand) -> Answer:
    """The commands of edit by layout; their module imports torch, and help must not."""
    from intarsia.app import layout_commands

    return layout_commands.answer(command, load)


def ui_command(command: Ui) -> Answer:
    from intarsia.app.ui import door

    return door.ui_command(command)


def loader(machine: Machine) -> Callable[[str], Backbones]:
    return lambda models: load(models, machine)


def load(models: str, machine: Machine) -> Backbones:
    from intarsia.backbones import load_backbones

    return load_backbones(models, device=machine.device, dtype=machine.dtype, vram=machine.vram)


def models_command(command: Models) -> Answer:
    from intarsia.backbones import CATALOG, cached, download

    if command.action == "download":
        if not command.name:
            raise FlagError("intarsia models download needs a name, e.g. intarsia models download sd15.")
        folders = [str(folder) for folder in download(command.name)]
        told = [f"{command.name} is on this machine: {folder}" for folder in folders]
        return {"name": command.name, "folders": folders}, told or [f"{command.name} needs no download."]
    if command.name:
        raise FlagError(f"intarsia models list takes no name, but {command.name!r} was given.")
    entries, lines = [], []
    for name, entry in CATALOG.items():
        here = entry.repository is None or cached(entry.repository, entry.revision)
        entries.append({"name": name, "here": here, **dataclasses.asdict(entry)})
        state = "here" if here else f"{entry.download_gb:g} GB to download"
        lines.append(f"{name:<11}{state:<21}{entry.repository or 'inside the package'}  ({entry.licence})")
        lines.append(f"{'':11}{entry.purpose}; {entry.native_side} px, about {entry.memory_gb:g} GB while working")
    return {"models": entries}, lines


def demo_command(command: Demo) -> Answer:
    from intarsia.app.demo import plan_demo, run_demo

    plan = plan_demo(command.out, overwrite=command.overwrite, models=command.models)
    backbones = load(command.models, command.machine)
    with progress_bar(command.talk) as on_progress:
        made = run_demo(plan, backbones, on_progress=on_progress)
    summary = {
        "sheet": str(made.sheet),
        "page": str(made.page),
        "edits": made.edits,
        "seconds": round(made.seconds, 1),
        "evaluations": made.evaluations,
    }
    lines = [
        f"{made.edits} pictures edited in {made.seconds:.0f} s, {made.evaluations} denoiser evaluations.",
        f"Contact sheet: {made.sheet}",
        f"Page: {made.page}",
    ]
    return summary, lines


def regions_command(command: Regions) -> Answer:
    from intarsia.parallel import world

    here = world()
    with only_main_speaks(here, command.talk):
        return fit_regions(command, here)


def fit_regions(command: Regions, world: World) -> Answer:
    from intarsia.app.jobs import read_edits
    from intarsia.app.outputs import refuse_file
    from intarsia.images import read_photo, refuse_existing
    from intarsia.parallel import in_step
    from intarsia.regions.network import RegionNetwork

    with in_step(world):
        jobs = read_edits(command.jobs)
        if command.out.suffix != ".safetensors":
            raise OutputError(f"{command.out} must end in .safetensors, the format of region networks: rename it.")
        refuse_file(command.out.parent)
        refuse_existing(command.out, command.overwrite)
        if command.start is not None:
            RegionNetwork.load(command.start)
        for job in jobs:
            read_photo(job.photo)
        machine = dataclasses.replace(command.machine, device=world.device(command.machine.device))
        backbones = load(command.models, machine)
    from intarsia.regions.fit import fit

    with progress_bar(command.talk) if world.is_main else contextlib.nullcontext() as on_progress:
        fitted = fit(
            jobs,
            backbones,
            command.fit,
            command.out,
            start=command.start,
            seed=command.seed,
            overwrite=command.overwrite,
            world=world,
            on_progress=on_progress,
        )
    summary = {
        "file": str(command.out),
        "pictures": len(jobs),
        "first_loss": fitted.first_loss,
        "last_loss": fitted.last_loss,
        "best_loss": fitted.best_loss,
        "evaluations": fitted.evaluations,
    }
    lines = [
        f"{command.out}  fitted on {len(jobs)} pictures, {fitted.evaluations} denoiser evaluations",
        f"  expected loss {fitted.first_loss:.4f} -> {fitted.last_loss:.4f} (always the best box: {fitted.best_loss:.4f})",
    ]
    return summary, lines


@contextlib.contextmanager
def only_main_speaks(world: World, talk: Talk) -> Iterator[None]:
    """Of several processes the main one prints; the others end with the same exit code, in silence."""
    if world.is_main:
        yield
        return
    from intarsia.parallel import from_main

    logging.getLogger("intarsia").setLevel(logging.ERROR)
    try:
        yield
    except Exception as problem:
        if talk.debug:
            raise
        # The launcher ends everybody once one has gone: wait until the main process has said why.
        with contextlib.suppress(Exception):
            from_main(world, None)
        raise SystemExit(2 if isinstance(problem, IntarsiaError) else 1) from None
    raise SystemExit(0)


def doctor_command(command: Doctor) -> Answer:
    from huggingface_hub import constants

    facts: dict[str, Any] = {
        "intarsia": intarsia.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{
            name: installed(name)
            for name in ("torch", "diffusers", "transformers", "huggingface_hub", "pillow", "numpy")
        },
        "extras": {name: installed(name) for name in ("gradio", "ray")},
        "devices": devices(),
        "cores": os.cpu_count(),
        "memory_free_gb": free_memory_gb(),
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_cache_free_gb": free_disk_gb(Path(constants.HF_HUB_CACHE)),
        "hub_offline": constants.HF_HUB_OFFLINE,
        "output_folder": str(Path("out").resolve()),
    }
    shown = {**facts, "extras": ", ".join(f"{k} {v}" for k, v in facts["extras"].items())}
    shown["devices"] = ", ".join(facts["devices"])
    return facts, [f"{name.replace('_', ' '):<20}{value}" for name, value in shown.items()]


def installed(name: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def devices() -> list[str]:
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    for k in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(k).total_memory / 2**30
        found.append(f"cuda:{k} ({torch.cuda.get_device_name(k)}, {memory:.0f} GB)")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def free_memory_gb() -> float | None:
    """GB of memory that can be had; None where the system does not say."""
    try:
        return round(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def free_disk_gb(folder: Path) -> float:
    """GB free on the disk that holds a folder, or would."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return round(shutil.disk_usage(place).free / 2**30, 1)


ACTIONS: dict[type, Callable[[Any], Answer]] = {
    Edit: edit_command,
    Objects: layout_command,
    Arrange: layout_command,
    Learn: layout_command,
    Prior: layout_command,
    History: layout_command,
    Ui: ui_command,
    Replay: replay_command,
    Models: models_command,
    Demo: demo_command,
    Regions: regions_command,
    Doctor: doctor_command,
}
