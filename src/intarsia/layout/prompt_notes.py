"""What is said of the words by which a layout is painted: what had no effect, and what other programs would read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intarsia.backbones.embedding_files import unused_messages
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.tokens import heeds_weights, unread_end
from intarsia.errors import TERMINAL, Message, Remedy
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.prompt_habits import habit_messages
from intarsia.records.weighted_prompt import parse_weights


def texts_of(record: ArrangeRecord) -> dict[str, str]:
    """The words of a record that are painted by, as notes call them."""
    return {"prompt": record.prompt, "negative prompt": record.negative_prompt, "background": record.background}


def prompt_notes(
    texts: Mapping[str, str], backbones: Backbones, added: Sequence[str], *, brackets: bool
) -> tuple[str, ...]:
    """The notes on words that a checkpoint painted by.

    Args:
        texts: by what notes call them.
        added: textual inversions, FILE or FILE:WORD each.
        brackets: whether words in angle brackets name objects.
    """
    inpainter = backbones.inpainter
    heeded = backbones.diffusion is not None or heeds_weights(inpainter)
    messages: list[Message] = list(unused_messages(added, list(texts.values())))
    for called, text in texts.items():
        messages += habit_messages(text, called, heeded=heeded, triggers=not (brackets or added))
        if heeded:  # which is also read whole
            continue
        if end := unread_end(inpainter.tokenizer, text, inpainter.text_limit):
            fact = f"The models read {inpainter.text_limit} tokens of the {called}: {end} at its end had no effect."
            messages.append((fact, Remedy("say it in fewer words")))
        if parse_weights(text).spans:
            messages.append((f"The checkpoint's text encoders heed no weights of words: they left the {called}.",))
    return tuple(TERMINAL.sentence(message) for message in messages)
