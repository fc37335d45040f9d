"""Prompts for the objects of a scene: sentences that name them, by their words or by their learned tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from intarsia.backbones.prompt_chunks import prompt_ids
from intarsia.errors import LayoutError, Remedy, Setting
from intarsia.layout.scene import Scene


def sentence(phrases: Sequence[str], background: str = "") -> str:
    """A sentence that says what an image shows.

    Args:
        phrases: words or tokens of its objects.
        background: "grass", or with its own preposition, "in the snow".
    """
    objects = [f"{'an' if phrase[:1].lower() in tuple('aeiou') else 'a'} {phrase}" for phrase in phrases]
    listed = " and ".join(([", ".join(objects[:-1])] if objects[1:] else []) + objects[-1:])
    background = background.strip()
    if not background:
        return listed or "a photo"
    if not listed:
        return background
    leads = ("on", "in", "at", "under", "over", "by", "near", "before", "behind", "against", "with")
    if background.split()[0].lower() in leads:
        return f"{listed} {background}"
    article = "" if background.split()[0].lower() in ("a", "an", "the") else "the "
    return f"{listed} on {article}{background}"


def without_brackets(prompt: str, scene: Scene, tokens: Mapping[str, str] | None = None) -> str:
    """A prompt in the published form, "a <cat> on grass", with its objects named plainly.

    Args:
        prompt: the user's sentence.
        scene: whose objects may be named; a blank in a name may be written as "-" or "_".
        tokens: further names that brackets may hold, each with the object that it stands for. Its
            word after the token, as in "<new1> cat", is the same object once more and goes.

    Raises:
        LayoutError: brackets hold something else.
    """
    plain = {text.lower(): text for obj in scene.objects for text in (obj.words, obj.name) if text}
    further = {} if tokens is None else tokens
    words = {obj.name: obj.words or obj.name for obj in scene.objects}

    def named(found: re.Match[str]) -> str:
        inside, after = found[1].strip(), found[2]
        spelled = re.sub(r"[\s_-]+", " ", inside).lower()
        for text in (inside.lower(), spelled):
            if text in plain:
                return plain[text] + after
        if inside not in further and re.match(r"(?:lora|lyco)\s*:", inside, re.IGNORECASE):
            raise LayoutError(
                f"The prompt names <{inside}>, which is no object",
                Remedy("give the file and its weight with ", Setting("lora", "FILE:0.8")),
            )
        if inside not in further:
            listed = ", ".join(f"<{name}>" for name in scene.names)
            raise LayoutError(
                f"The prompt names <{inside}>, but the scene has {listed}: write one of these, or take the brackets away."
            )
        name = further[inside]
        same = "|".join(re.escape(text) for text in sorted({name, words[name]}, key=len, reverse=True))
        return name + re.sub(rf"^\s+(?:{same})(?![\w-])", "", after, flags=re.IGNORECASE)

    return re.sub(r"<([^<>]*)>([^<]*)", named, prompt)


def named_by_tokens(prompt: str, scene: Scene, phrases: Mapping[str, str]) -> str:
    """A prompt with the objects' names replaced by their tokens, whole words only.

    "pot" is not found in "teapot", nor in "pot-house". Of several objects of one class, the first
    mention of the class is the first object, and so on; names in full ("dog 2") go first. Objects that
    are not mentioned are appended.

    Args:
        prompt: the user's sentence.
        scene: whose objects have the names and the words.
        phrases: what stands for each object, by its name; objects that it lacks stay words.
    """
    waiting: dict[str, list[str]] = {}
    for obj in scene.objects:
        if obj.name in phrases:
            waiting.setdefault(obj.words.lower(), []).append(obj.name)
    names = {name.lower(): name for name in phrases}
    mentioned: set[str] = set()
    mentionable = sorted({*names, *waiting} - {""}, key=len, reverse=True)
    if not mentionable:
        return prompt
    pattern = re.compile(
        r"(?<![\w-])(?:" + "|".join(re.escape(text) for text in mentionable) + r")(?![\w-])", re.IGNORECASE
    )
    # Objects named in full are not waiting for a mention of their class.
    for found in pattern.findall(prompt):
        if found.lower() in names and names[found.lower()].lower() not in waiting:
            mentioned.add(names[found.lower()])

    def token(found: re.Match[str]) -> str:
        text = found[0].lower()
        if text in names and text not in waiting:
            return phrases[names[text]]
        left = [name for name in waiting[text] if name not in mentioned]
        name = left[0] if left else waiting[text][-1]
        mentioned.add(name)
        return phrases[name]

    replaced = pattern.sub(token, prompt)
    for obj in scene.objects:
        if obj.name in phrases and obj.name not in mentioned:
            token_of = phrases[obj.name]
            replaced += f", {'an' if token_of[:1] in tuple('aeiou') else 'a'} {token_of}"
    return replaced


def prompt_for(prompt: str, scene: Scene, phrases: Mapping[str, str], background: str = "") -> str:
    """The sentence for an image of some of a scene's objects, each by its token.

    Args:
        prompt: the user's; empty, or naming an object that is not in `phrases`: the sentence is built
            from the objects that are. Brackets about a name, as in "<cat>", are dropped.
        scene: whose objects may be named.
        phrases: token by name, of the objects that the image shows.
        background: of the sentence.

    Raises:
        LayoutError: the prompt has a name in brackets that is no object's.
    """
    prompt = without_brackets(prompt, scene)
    absent = [t for t in scene.objects if t.name not in phrases]
    mentions = re.compile(
        "|".join(rf"(?<![\w-]){re.escape(text)}(?![\w-])" for t in absent for text in {t.name, t.words} if text)
    )
    if not prompt.strip() or (absent and mentions.search(prompt.lower())):
        return sentence([phrases[t.name] for t in scene.objects if t.name in phrases], background)
    return named_by_tokens(prompt, scene, phrases)


def with_additions(prompt: str, additions: Sequence[str]) -> str:
    """A sentence of the whole image, ended by the tokens that are no object's."""
    return ", ".join([prompt, " ".join(additions)]) if additions else prompt


def token_positions(tokenizer: Any, prompt: str, tokens: Sequence[str], limit: int) -> list[int]:
    """The position among the states of a prompt at which each of some tokens first stands.

    Args:
        prompt: which names them all; its words may be weighted.
        limit: tokens that the text encoder reads at once, begin and end included.
    """
    ids = prompt_ids(tokenizer, prompt, limit)
    return [ids.index(wanted) for wanted in tokenizer.convert_tokens_to_ids(list(tokens))]
