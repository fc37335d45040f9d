"""What who edited by words should know of the result, a sentence each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from intarsia.backbones.embedding_files import unused_messages
from intarsia.backbones.fills import paints_size
from intarsia.backbones.protocols import Backbones, Inpainter, KnowsNouns
from intarsia.backbones.samplers import wastes_steps
from intarsia.backbones.tokens import SHOWN_WORDS, heeds_weights, unread_end
from intarsia.errors import TERMINAL, Command, Message, Remedy, Setting
from intarsia.imaging.drawings import is_drawing
from intarsia.imaging.geometry import LONGEST_TO_SHORTEST, Box, Size, to_stride
from intarsia.imaging.photo import Photo
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord
from intarsia.records.prompt_habits import habit_messages
from intarsia.records.weighted_prompt import parse_weights, without_weights
from intarsia.regions.intent import head, read_intent
from intarsia.regions.word_notes import (
    NAME_OTHERWISE,
    SAY_WHERE,
    empty_message,
    ground_message,
    is_known,
    not_known,
    other_spelling,
    unlearned_message,
)

BLUR = "what they paint into it is a blurred drawing"
"""Of models that know no photographs; front ends find the note by it, to say it louder."""

DOWNLOAD = Command("models download", "sd15")
"""Gets models that know photographs."""

FEWEST_CELLS = 2
"""Cells of the latent image that a region is wide and high at least, for something to be painted in it."""

MOST_LCM_GUIDANCE, USUAL_LCM_STEPS = 2.5, 12
"""Guidance and steps above which consistency models are asked for what they were not distilled for."""

FEWEST_KARRAS_STEPS = 18
"""Steps of Karras's noise levels from which a checkpoint of zero terminal signal makes whole pictures, as the pocket models do."""

WINDOWS = ("search.anchors", "search.smallest_window", "search.largest_window")
ADVISED = (*WINDOWS, "search.proposals", "search.network_weight")
APPRAISED = ("score.shown", "score.left", "score.lost", "score.gain", "score.bias")
LOSSES = ("fit.loss_text", "fit.loss_direction", "fit.loss_structure", "fit.structure")

READ: dict[Preset, tuple[str, ...]] = {
    "default": ("search.preview_steps", "search.survivors", "search.continued", "search.enough", *APPRAISED),
    "exhaustive": (*ADVISED, "score.text", "score.image", "score.crop", "score.direction", "score.relevance"),
    "paper": (*WINDOWS, *LOSSES, "fit.rounds", "fit.rate", "fit.schedule"),
    "released": (*WINDOWS, "fit.rounds"),
    "released-exact": (*WINDOWS, "fit.rounds"),
}
"""Settings of search, score and fit that a preset reads; a region network reads `ADVISED`, too."""

TEXTS = {"source": "text of what is there", "sentence": "prompt", "negative_prompt": "negative prompt"}
"""What the text encoders read of a record, as notes call it."""


def edit_notes(
    photo: Photo,
    record: EditRecord,
    backbones: Backbones,
    region: Box,
    *,
    found: bool,
    ground: bool,
    given: bool,
) -> tuple[str, ...]:
    """The notes of an edit, in the words of the command line.

    Args:
        photo: the picture before.
        region: bounds of what was repainted, in pixels of the size at which the models worked.
        found: whether anything that the source words name was seen where it was looked for.
        ground: whether they name what most of the picture shows, which a segmenter may know beside its nouns.
        given: whether the user said where, by a box or a mask.
    """
    segmenter = backbones.segmenter
    nouns = segmenter.nouns if isinstance(segmenter, KnowsNouns) else ()
    inpainter = backbones.inpainter
    toy = toy_world(backbones.name, inpainter.native_side, photo)
    intent = read_intent(record.source, record.prompt)
    messages = [
        toy,
        empty_message(record)
        or (ground_message(record, segmenter) if ground else source_message(record, nouns, found=found, given=given)),
        unlearned_message(intent, inpainter.tokenizer) if backbones.name == "pocket" and not toy else (),
        *cut_messages(record, backbones, judged=not given or record.keep > 1),
        *weight_messages(record, heeded=heeds_weights(inpainter)),
        *spelling_messages(record, heeded=heeds_weights(inpainter)),
        *unused_messages(record.embedding, (record.sentence, record.negative_prompt)),
        *setting_messages(record, inpainter.stride, given=given),
        *sampler_messages(record, inpainter, given=given),
    ]
    if not given and photo.size.long > LONGEST_TO_SHORTEST * photo.size.short:
        messages.append(
            (
                f"The photo, {photo.size}, is more than {LONGEST_TO_SHORTEST} times as long as wide: the models saw it as a "
                "whole only small",
                SAY_WHERE,
            )
        )
    if given:
        messages += [
            clipped_message(record, photo.size),
            small_message(region, inpainter.cell),
        ]
    return tuple(TERMINAL.sentence(message) for message in messages if message)


def toy_world(models: str, native_side: int, photo: Photo) -> Message:
    """That models which only know small drawn pictures are asked to edit a photograph; empty where they are not.

    Args:
        models: as records name them.
        native_side: short side of the pictures that they were trained on, in pixels.
    """
    if paints_size(native_side, photo.size) or is_drawing(photo):
        return ()
    pocket = "The pocket models know a toy world of a dozen drawn things, and this looks like a photograph"
    other = f"The models were trained on pictures of {native_side} pixels, and this looks like a photograph"
    return (
        f"{pocket if models == 'pocket' else other}: {BLUR}.",
        Remedy("for photographs, run ", DOWNLOAD, " and pass ", Setting("models", "sd15")),
    )


def source_message(record: EditRecord, nouns: Sequence[str], *, found: bool, given: bool) -> Message:
    """That the source words are not known, or name nothing that is seen; empty where they do.

    Args:
        nouns: all that the segmenter knows; empty where it knows many.
        found: whether it found anything that they name.
        given: whether they had no part in choosing the place.
    """
    intent = read_intent(record.source, record.prompt)
    if not intent.sources or intent.change in ("background", "whole"):  # these are places, and not looked for
        return ()
    source, heads = without_weights(record.source), [head(phrase) for phrase in intent.sources]
    known = any(is_known(noun, nouns) for noun in heads)
    if known and (found or given):
        return ()
    fact = f"Nothing in the photo looks like {source!r}" if known else not_known(source, nouns)
    if given:
        return (f"{fact}.",)
    return (
        f"{fact}, so that the place was guessed from what stands out",
        *(() if known else other_spelling(heads[0], nouns)),
        NAME_OTHERWISE,
        SAY_WHERE,
    )


def cut_messages(record: EditRecord, backbones: Backbones, *, judged: bool) -> list[Message]:
    """What the text encoders leave unread of the record's texts.

    Args:
        judged: whether what was painted was compared with the prompt.
    """
    inpainter, fewer = backbones.inpainter, Remedy("say it in fewer words")
    limit = inpainter.text_limit
    messages: list[Message] = []
    for name, called in TEXTS.items():
        if name == "negative_prompt" and record.guidance <= 1:
            continue  # it is not read at all, which another note says
        if name == "source":
            most = min(limit, getattr(backbones.segmenter, "text_limit", None) or limit)
        elif not heeds_weights(inpainter):
            most = limit
        else:  # whoever paints reads it all
            most = getattr(backbones.scorer, "text_limit", None) or 0
            if (
                name == "sentence"
                and judged
                and most
                and (end := unread_end(inpainter.tokenizer, record.sentence, most))
            ):
                messages.append(
                    (f"All of the prompt was painted, but judged by its first {most} tokens, without {end}.", fewer)
                )
            continue
        if end := unread_end(inpainter.tokenizer, getattr(record, name), most):
            messages.append((f"The models read {most} tokens of the {called}: {end} at its end had no effect.", fewer))
    return messages


def weight_messages(record: EditRecord, *, heeded: bool) -> list[Message]:
    """Weights of words that had no effect.

    Args:
        heeded: whether what paints heeds them.
    """
    messages: list[Message] = []
    if parse_weights(record.source).spans:
        messages.append(("Weights in the text of what is there have no effect: it is not painted.",))
    if not heeded and any(parse_weights(text).spans for text in (record.sentence, record.negative_prompt)):
        messages.append(("The checkpoint's text encoders heed no weights of words: they were left out of the prompt.",))
    return messages


def spelling_messages(record: EditRecord, *, heeded: bool) -> list[Message]:
    """Spellings of other programs in what is painted, in what is kept away from, and in what is looked for."""
    texts = {**TEXTS, "prompt": TEXTS["sentence"]}
    return [
        message
        for name in ("source", "prompt", "negative_prompt")
        for message in habit_messages(
            getattr(record, name), texts[name], heeded=heeded and name != "source", triggers=not record.embedding
        )
    ]


def sampler_messages(record: EditRecord, inpainter: Inpainter, *, given: bool) -> list[Message]:
    """A sampler that was asked for more or fewer steps than it is made for, or for more guidance.

    Args:
        given: whether the user said where, so that no previews were painted.
    """
    messages: list[Message] = []
    if record.sampler == "lcm" and (record.guidance > MOST_LCM_GUIDANCE or record.steps > USUAL_LCM_STEPS):
        messages.append(
            (
                "The sampler lcm is made for few steps and hardly any guidance, of models that were distilled for it; it had "
                f"{record.steps} steps and a guidance of {record.guidance:g}.",
                Remedy("give ", Setting("steps", 6), " and ", Setting("guidance", 1.5)),
                Remedy("another ", Setting("sampler")),
            )
        )
    previews = record.search.preview_steps if record.preset == "default" and not given else ()
    if wastes_steps(inpainter, record.sampler) and min((record.steps, *previews)) < FEWEST_KARRAS_STEPS:
        messages.append(
            (
                "The checkpoint was trained to zero terminal signal, where dpmpp-2m-karras spends most steps on noise alone: "
                f"fewer than {FEWEST_KARRAS_STEPS}, as {'previews' if previews else 'this edit'} had, give broken pictures.",
                Remedy("pass ", Setting("sampler", "unipc")),
            )
        )
    return messages


def setting_messages(record: EditRecord, stride: int, *, given: bool) -> list[Message]:
    """Settings that had no effect, or another than they say.

    Args:
        stride: sides of the models' pictures are multiples of this, in pixels.
        given: whether the user said where.
    """
    messages: list[Message] = []
    if record.negative_prompt.strip() and record.guidance <= 1:
        messages.append(("Without guidance the negative prompt is not read", Remedy("raise ", Setting("guidance"))))
    if given and record.preset != "default":
        messages.append((f"The preset {record.preset!r} had nothing to choose, since the place was given.",))
    if not given and (unread := unread_settings(record)):
        more = "" if len(unread) <= SHOWN_WORDS else f" and {len(unread) - SHOWN_WORDS + 1} more"
        listed = ", ".join(unread if not more else unread[: SHOWN_WORDS - 1])
        messages.append((f"The preset {record.preset!r} does not read {listed}{more}.",))
    if record.refine and not given and record.preset != "default":
        messages.append(
            (f"The preset {record.preset!r} paints the whole picture at the models' size: nothing was refined.",)
        )
    if record.regions is not None and (given or record.preset not in ("default", "exhaustive")):
        why = "since the place was given" if given else f"which the preset {record.preset!r} does not do"
        messages.append((f"The region network {Path(record.regions).name} was not asked, {why}.",))
    if record.size is not None and (worked := to_stride(record.size, stride)) != record.size:
        messages.append(
            (f"The models worked at {worked} instead of {record.size} pixels: multiples of {stride} alone.",)
        )
    return messages


def unread_settings(record: EditRecord) -> list[str]:
    """The settings of search, score and fit that differ from the preset's own, and that it never reads."""
    usual = EditRecord(photo=record.photo, prompt=record.prompt, preset=record.preset)
    read = set(READ[record.preset])
    if record.regions is not None:
        read |= set(ADVISED)
    return [
        f"{part}.{field.name}"
        for part in ("search", "score", "fit")
        for field in dataclasses.fields(getattr(usual, part))
        if getattr(getattr(record, part), field.name) != getattr(getattr(usual, part), field.name)
        and f"{part}.{field.name}" not in read
    ]


def clipped_message(record: EditRecord, size: Size) -> Message:
    if record.box is None:
        return ()
    box = Box(*record.box)
    inside = box.clipped(size)
    if inside == box:
        return ()
    return (f"The box {box} reaches beyond the picture, which is {size}: {inside} was repainted.",)


def small_message(region: Box, cell: int) -> Message:
    """That a region is too small for the models.

    Args:
        region: in pixels of the size at which they work.
        cell: side of a cell of the latent image, in those pixels.
    """
    if min(region.width, region.height) >= FEWEST_CELLS * cell:
        return ()
    return (
        f"The region is only {region.width:.0f} x {region.height:.0f} pixels at the size at which the models work, where "
        f"they paint in cells of {cell}: hardly anything can be painted in it.",
        Remedy("give a larger region"),
        Remedy("work at a larger ", Setting("size")),
    )
