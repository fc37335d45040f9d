"""The pocket world: scenes of nameable objects on plain backgrounds.

Objects are colour emoji of the system font Noto Color Emoji, each with its own
hue, brightness, flip, size and tilt, so that an object is recognisable beyond
its class. Everything is drawn from one `numpy.random.Generator`: the same seed
gives the same scenes.

    python -m training.world --seed 7 --count 20 --out scenes/
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONT_FILES = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf"),
)
CODEPOINTS = {
    "cat": 0x1F408,
    "dog": 0x1F415,
    "rabbit": 0x1F407,
    "bird": 0x1F426,
    "cow": 0x1F404,
    "tree": 0x1F333,
    "plant": 0x1FAB4,
    "pot": 0x1F3FA,
    "house": 0x1F3E0,
    "car": 0x1F697,
    "ball": 0x26BD,
    "cake": 0x1F382,
}
NAMES = tuple(CODEPOINTS)
PLACES = {
    "grass": ("on the grass", "in the grass"),
    "snow": ("in the snow", "on the snow"),
    "sand": ("on the sand", "in the sand"),
    "table": ("on the table", "on a wood table"),
}
BACKGROUNDS = tuple(PLACES)
COLOURS = {  # of the colour-coded masks; far apart, background last
    name: tuple(
        int(c)
        for c in (
            60 + 48 * (i % 4),
            40 + 70 * ((i // 4) % 3),
            30 + 37 * ((i * 5) % 6),
        )
    )
    for i, name in enumerate(NAMES)
} | {"background": (255, 255, 255)}
# Side of an object as a fraction of the frame, by the number of objects in the scene.
SIDES = {1: (0.42, 0.76), 2: (0.36, 0.54), 3: (0.30, 0.42)}
COUNT_ODDS = (0.05, 0.43, 0.36, 0.16)  # of no, one, two, three objects


class FontMissingError(FileNotFoundError):
    """The emoji font is not installed."""


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        name: its class word, one of `NAMES`.
        box: (x0, y0, x1, y1) in pixels of the scene, the right and lower edges excluded.
        mask: (height, width) bool, the pixels that it covers.
    """

    name: str
    box: tuple[int, int, int, int]
    mask: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A rendered picture and all that is known of it."""

    image: Image.Image
    background: str
    objects: tuple[SceneObject, ...]


@functools.cache
def font() -> ImageFont.FreeTypeFont:
    for file in FONT_FILES:
        if file.exists():
            return ImageFont.truetype(str(file), 109)
    raise FontMissingError(
        "The font Noto Color Emoji is not installed, and the world draws its objects with it. "
        "Install the package fonts-noto-color-emoji (Debian, Ubuntu) or noto-fonts-emoji (Arch)."
    )


@functools.cache
def glyph(name: str) -> Image.Image:
    """The object's picture on a transparent square that just holds it."""
    sheet = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(sheet).text((12, 12), chr(CODEPOINTS[name]), font=font(), embedded_color=True)
    cut = sheet.crop(sheet.getbbox())
    side = max(cut.size) + 4
    square = Image.new("RGBA", (side, side))
    square.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return square


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: float, stretch: float = 1.0) -> np.ndarray:
    """(height, width) smooth noise in [-1, 1]; `cell` in pixels, stretched along x."""
    rows, columns = max(2, round(height / cell) + 1), max(2, round(width / (cell * stretch)) + 1)
    grid = Image.fromarray((rng.random((rows, columns)) * 255).astype(np.uint8))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1


def background(rng: np.random.Generator, kind: str, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) float picture in 0..255 of a plain background."""
    width, height = size
    unit = min(size) / 64  # textures keep their look at any size
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = {
        "grass": ((132, 190, 84), (84, 150, 58)),
        "snow": ((222, 231, 246), (245, 248, 253)),
        "sand": ((238, 214, 160), (216, 184, 124)),
        "table": ((170, 118, 74), (142, 94, 56)),
    }[kind]
    picture = np.array(top, np.float32) * (1 - y) + np.array(bottom, np.float32) * y
    picture = np.repeat(picture, width, axis=1)
    tint = np.array({"grass": (0.8, 1, 0.5), "snow": (1, 1, 0.6), "sand": (1, 1, 0.8), "table": (1, 0.9, 0.7)}[kind])
    if kind == "table":
        picture += 8 * smooth_noise(rng, height, width, 5 * unit, 9)[..., None] * tint
        plank = max(4, int(rng.integers(14, 20) * unit))
        picture *= np.where(np.arange(height) % plank < max(1, round(unit)), 0.82, 1)[:, None, None]
    else:
        strength = {"grass": 9, "snow": 4, "sand": 6}[kind]
        picture += strength * smooth_noise(rng, height, width, 14 * unit, 1.6)[..., None] * tint
    picture *= 1 + rng.uniform(-0.07, 0.07, 3)
    slope = np.linspace(-1, 1, width)[None, :, None] * rng.uniform(-0.07, 0.07)
    return (picture * (1 + slope)).astype(np.float32)


def turn_hue(picture: Image.Image, angle: float, gain: float) -> Image.Image:
    """Rotate the hue by `angle` radians at constant luminance, and scale the brightness."""
    c, s = math.cos(angle), math.sin(angle)
    luma = np.array([0.213, 0.715, 0.072])
    grey = np.tile(luma, (3, 1))
    skew = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    matrix = grey + c * (np.eye(3) - grey) + s * skew
    pixels = np.asarray(picture).astype(np.float32)
    pixels[..., :3] = np.clip(pixels[..., :3] @ matrix.T.astype(np.float32) * gain, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def places_for(rng: np.random.Generator, count: int) -> list[tuple[float, float, float]]:
    """(x, y, side) of each object as fractions of the frame; objects don't overlap."""
    if count == 0:
        return []
    low, high = SIDES[count]
    while True:
        found: list[tuple[float, float, float]] = []
        for _ in range(count):
            side = rng.uniform(low, high)
            for _ in range(30):
                x, y = rng.uniform(side / 2 - 0.01, 1 - side / 2 + 0.01, 2)
                if all(max(abs(x - a), abs(y - b)) > 0.46 * (side + s) for a, b, s in found):
                    found.append((x, y, side))
                    break
        if len(found) == count:
            return found


def render(
    rng: np.random.Generator,
    *,
    names: tuple[str, ...] | None = None,
    kind: str | None = None,
    places: list[tuple[float, float, float]] | None = None,
    size: tuple[int, int] = (64, 64),
) -> Scene:
    """Draw one scene; what is not given is drawn from `rng`.

    Args:
        rng: the only source of chance.
        names: class words of the objects, drawn without repetition when None.
        kind: one of `BACKGROUNDS`.
        places: (x, y, side) for each object as fractions of the frame.
        size: (width, height) in pixels.
    """
    if kind is None:
        kind = str(rng.choice(BACKGROUNDS))
    if names is None:
        count = int(rng.choice(len(COUNT_ODDS), p=COUNT_ODDS))
        names = tuple(str(n) for n in rng.choice(NAMES, count, replace=False))
    if places is None:
        places = places_for(rng, len(names))
    width, height = size
    unit = min(size)
    picture = background(rng, kind, size)
    covers: list[np.ndarray] = []
    for name, (x, y, side) in zip(names, places, strict=True):
        cut = glyph(name)
        if rng.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        cut = cut.rotate(float(rng.normal(0, 5)), Image.Resampling.BICUBIC)
        pixels = max(8, round(side * unit))
        cut = cut.resize((pixels, pixels), Image.Resampling.LANCZOS)
        if rng.random() < 0.5:
            cut = turn_hue(cut, rng.uniform(-0.9, 0.9), rng.uniform(0.8, 1.1))
        corner = (round(x * width - pixels / 2), round(y * height - pixels / 2))
        layer = Image.new("RGBA", size)
        layer.paste(cut, corner)
        colour = np.asarray(layer.convert("RGB"), np.float32)
        alpha = np.asarray(layer.getchannel("A"), np.float32)[..., None] / 255
        shade = Image.new("L", size)
        drop = max(1, round(pixels * 0.05))
        shade.paste(cut.getchannel("A"), (corner[0] + max(1, unit // 64), corner[1] + drop))
        shadow = np.asarray(shade.filter(ImageFilter.GaussianBlur(unit / 50)), np.float32)[..., None] / 255
        picture = picture * (1 - 0.4 * shadow)
        picture = picture * (1 - alpha) + colour * alpha
        cover = alpha[..., 0] >= 0.5
        covers = [c & ~cover for c in covers] + [cover]
    objects = []
    for name, cover in zip(names, covers, strict=True):
        ys, xs = np.nonzero(cover)
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        objects.append(SceneObject(name=name, box=box, mask=cover))
    image = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8), "RGB")
    return Scene(image=image, background=kind, objects=tuple(objects))


def with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def caption(
    names: list[str],
    boxes: list[tuple[int, int, int, int]],
    kind: str,
    rng: random.Random,
    size: tuple[int, int] = (64, 64),
) -> str:
    """A caption in the manner of the published methods' prompts; wording drawn from `rng`."""
    order = list(range(len(names)))
    rng.shuffle(order)
    article = rng.choice(("a", "a", "a", "the", "none"))
    say_where = rng.random() < 0.25
    say_size = rng.random() < 0.2
    parts = []
    for i in order:
        x0, y0, x1, y1 = boxes[i]
        side = max((x1 - x0) / size[0], (y1 - y0) / size[1])
        words = names[i]
        if say_size and side > 0.58:
            words = rng.choice(("big", "large")) + " " + words
        elif say_size and side < 0.36:
            words = rng.choice(("small", "little")) + " " + words
        words = with_article(words) if article == "a" else "the " + words if article == "the" else words
        if say_where:
            x = (x0 + x1) / 2 / size[0]
            where = "on the left" if x < 0.4 else "on the right" if x > 0.6 else "in the center"
            words += " " + where
        parts.append(words)
    if not parts:
        sentence = rng.choice((kind, "the " + kind, "an empty " + kind))
        return rng.choice(("", "a photo of ")) + sentence
    sentence = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + rng.choice((" and ", " and ", ", ")) + parts[-1]
    if rng.random() < 0.6:
        sentence += " " + rng.choice(PLACES[kind])
    opening = ("", "", "", "a photo of ", "a picture of ", "A high quality picture of ")
    return rng.choice(opening) + sentence


def scene_caption(scene: Scene, rng: random.Random) -> str:
    names = [o.name for o in scene.objects]
    return caption(names, [o.box for o in scene.objects], scene.background, rng, scene.image.size)


def coloured_mask(scene: Scene) -> Image.Image:
    """The scene's map of objects, one colour a name; `COLOURS` is its key."""
    width, height = scene.image.size
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = COLOURS["background"]
    for thing in scene.objects:
        pixels[thing.mask] = COLOURS[thing.name]
    return Image.fromarray(pixels, "RGB")


def write_scenes(folder: Path, *, seed: int, count: int, size: tuple[int, int] = (64, 64)) -> None:
    """Write `count` scenes: NNNN.png, NNNN.mask.png, scenes.json and colours.json."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = []
    for i in range(count):
        scene = render(np.random.default_rng((seed, i)), size=size)
        words = scene_caption(scene, random.Random(f"{seed}/{i}"))
        name = f"{i:04d}.png"
        scene.image.save(folder / name)
        coloured_mask(scene).save(folder / f"{i:04d}.mask.png")
        things = [{"name": o.name, "box": list(o.box), "colour": list(COLOURS[o.name])} for o in scene.objects]
        listing.append({"image": name, "caption": words, "background": scene.background, "objects": things})
    (folder / "scenes.json").write_text(json.dumps(listing, indent=1) + "\n")
    (folder / "colours.json").write_text(json.dumps({k: list(v) for k, v in COLOURS.items()}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, required=True, help="any whole number; the same seed gives the same scenes")
    parser.add_argument("--count", type=int, required=True, help="how many scenes")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 64), metavar=("W", "H"), help="pixels")
    options = parser.parse_args()
    try:
        write_scenes(options.out, seed=options.seed, count=options.count, size=tuple(options.size))
    except FontMissingError as error:
        raise SystemExit(f"world: {error}") from None
    print(f"{options.count} scenes in {options.out}")


if __name__ == "__main__":
    main()
