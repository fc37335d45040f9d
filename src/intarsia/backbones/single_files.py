"""Reading a single-file checkpoint: its configuration lies beside it, else it is what ships for its family."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from intarsia.backbones.checkpoint_files import (
    CONFIG,
    INDEX,
    SCHEDULER,
    TOKENIZER_FILES,
    config_folder,
    short_reason,
    texts_fault,
)
from intarsia.backbones.checkpoint_kind import kind_of
from intarsia.backbones.pipeline_index import other_pipeline
from intarsia.backbones.shipped_configs import PIPELINES, Family, clip_tokenizer, family_settings, write_configuration
from intarsia.backbones.weight_headers import WeightHeader, read_header
from intarsia.backbones.wrong_kinds import check_file
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.notes import note

FAMILIES: dict[str, Family] = {"sd1": "sd1", "sd2": "sd2", "sdxl": "sdxl"}
PREDICTIONS = {
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "v-prediction": "v_prediction",
    "epsilon": "epsilon",
    "eps": "epsilon",
}


def is_xl(file: Path) -> bool:
    """Whether a single-file checkpoint is a Stable Diffusion XL, as the configuration beside it says, else its header."""
    beside = config_folder(file)
    if beside is not None:
        return other_pipeline(beside) is not None
    return kind_of(read_header(file)).family == "sdxl"


def read_single_file(file: Path, config: Path | None, kind: Any, *, dtype: Any, **settings: Any) -> Any:
    """The pipeline over the networks of a checkpoint in one .safetensors file of the first layout.

    Args:
        config: a folder in diffusers layout that holds the configurations and the tokenizer; without it those of
            the file's family are used, which ship with the package.
        kind: class of the pipeline.
        settings: of the pipeline.

    Raises:
        ModelError: the file is of another kind of model, damaged, or does not fit its configuration.
    """
    try:
        with single_file_configuration(file, config) as (folder, components):
            return kind.from_single_file(
                str(file),
                config=str(folder),
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                **components,
                **settings,
            )
    except ModelError:
        raise
    # diffusers answers with whatever the broken part raises, down to KeyError and AttributeError.
    except Exception as fault:
        raise ModelError(
            f"{file} could not be loaded as a Stable Diffusion checkpoint ({short_reason(fault)})",
            Remedy(
                f"compare it with {config}, or " if config else "download the checkpoint again, or ",
                Setting("models", "pocket", verb="try"),
            ),
        ) from fault


@contextmanager
def single_file_configuration(file: Path, beside: Path | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder with the configurations for a single-file checkpoint, and the parts that need no weights of it.

    Args:
        beside: a folder in diffusers layout that the user put there, which is then all that is needed.

    Raises:
        ModelError: the file is of a kind that cannot be used, or of a size for which nothing ships.
    """
    header = read_header(file)
    kind = check_file(file, header, configured=beside is not None)
    if beside is not None:
        check_configuration(beside)
        yield beside, {}
        return
    family = FAMILIES[kind.family]
    prediction = prediction_of(file, header, family, inpaints=kind.inpaints)
    settings = family_settings(family, channels=kind.channels, prediction=prediction)
    if "ztsnr" in header.shapes:
        settings["scheduler"] |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    with TemporaryDirectory(prefix="intarsia-") as place:
        write_configuration(Path(place), settings, pipeline=PIPELINES[family])
        tokenizers = {
            part: clip_tokenizer(**values) for part, values in settings.items() if part.startswith("tokenizer")
        }
        yield Path(place), tokenizers


def check_configuration(folder: Path) -> None:
    """See that what lies beside a single file can be read: the index, and what each part says of itself.

    Raises:
        ModelError: a file cannot be; the message names it.
    """
    fault = texts_fault(folder, [INDEX])
    for part in (place for place in sorted(folder.iterdir()) if place.is_dir()):
        fault = fault or texts_fault(part, [CONFIG, SCHEDULER, *TOKENIZER_FILES])
    if fault is not None:
        raise ModelError(f"The configuration in {folder} cannot be used: ", *fault)


def prediction_of(file: Path, header: WeightHeader, family: Family, *, inpaints: bool) -> str:
    """What the denoiser of a single file predicts, epsilon or v_prediction: the weights themselves do not say.

    Asked in turn: tensors that name it (as finetunes of XL carry), the writer's metadata (modelspec, kohya's), a
    configuration of the first layout beside the file (.yaml). A Stable Diffusion 2 that says nothing is taken for the
    release for 768 px, which predicts v, unless its name says 512 or base or it inpaints.
    """
    if "v_pred" in header.shapes:
        return "v_prediction"
    told = PREDICTIONS.get(header.metadata.get("modelspec.prediction_type", "").lower())
    if told is not None:
        return told
    if header.metadata.get("ss_v_parameterization", "").lower() == "true":
        return "v_prediction"
    yaml = file.with_suffix(".yaml")
    if yaml.is_file():
        written = re.search(r"^\s*parameterization:\s*[\"']?(\w+)", yaml.read_text("utf-8", "replace"), re.MULTILINE)
        return PREDICTIONS.get(written[1] if written else "eps", "epsilon")
    if family != "sd2" or inpaints:
        return "epsilon"
    by_name = "epsilon" if re.search(r"512|base|inpaint|eps", file.stem, re.IGNORECASE) else "v_prediction"
    note(f"{file.name} does not say what it predicts: it was taken for {by_name}, by its name.")
    return by_name
