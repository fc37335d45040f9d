"""Undoing what an editor did beside the edit: its picture is laid over the source, in the source's colours.

Models that edit by an instruction give back a picture that is shifted, zoomed and tinted as a whole. Here the similarity
and the tint are found from what they left alone, and undone in one resampling; then what really changed is found, and all
else is the source's, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from intarsia.imaging.affine import Matrix, compose_maps, maps_pixels_to_pixels, warp_channels
from intarsia.imaging.changed_region import FEWEST_DOUBT, changed_region, differences
from intarsia.imaging.changed_shape import distance_to
from intarsia.imaging.colour_drift import CUT_OFF, NO_DRIFT, ColourDrift, colour_drift, unevenness, within_range
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Blend, Mask, bounds_of, softened
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.registered_edit import Registration, refitted, register_edit
from intarsia.imaging.slices import grown, shape_of, within

ROUNDS = 3
"""Times that colours and what is unchanged are found from each other, at most."""

BESIDE = 1 / 60
"""Distance from a change up to which nothing is learned of colours, of the picture's shorter side."""

LOSS = 0.02
"""Share of the pixels by which a channel may be cut off more often than another, to say as well where the picture lies."""

UNSURE = 40.0
"""Levels by which a channel that was cut off may be wrong, where the others tell what is there."""

EDGE = 1 / 100
"""Width of the soft edge around a change, of the picture's shorter side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UndoneDrift:
    """An edited picture, and how to lay it over its source.

    Attributes:
        edited: (h, w, 3) levels at the editor's own size.
        registration: how it lies there; not found where the picture was painted anew as a whole.
        colours: the way back to the source's colours.
        shade: (H, W, 3) levels to add besides, smooth.
        region: (H, W) what the edit changed.
        covered: (H, W) what the edited picture shows of the source; zoomed, it may leave out a rim.
        picture: (H, W, 3) levels, the edited picture laid over the source; the source's own where nothing covers it.
    """

    edited: Bytes
    registration: Registration
    colours: ColourDrift
    shade: Picture
    region: Mask
    covered: Mask
    picture: Picture

    @property
    def repainted(self) -> bool:
        """Whether nothing of the source was left alone, so that there was nothing to register by."""
        return not self.registration.found


def undo_drift(source: Bytes, edited: Bytes, *, everything: bool = False) -> UndoneDrift:
    """Lay an edited picture over its source, and find what was edited.

    Args:
        source: (H, W, 3) levels, what the editor was given.
        edited: (h, w, 3) levels, of nearly the same aspect ratio at any size.
        everything: whether all of the picture was to change, as by a style or a season: then its colours are no fault,
            and only the drift of places is undone.
    """
    registration = register_edit(source, edited)
    size, own = Size(source.shape[1], source.shape[0]), Size(edited.shape[1], edited.shape[0])
    laid, covered = laid_over(edited, registration.to_source(own), size)
    if everything or not registration.found:
        picture = np.where(covered[..., None], laid, source).astype(np.float32)
        return UndoneDrift(
            edited=edited, registration=registration, colours=NO_DRIFT, shade=np.zeros_like(picture),
            region=covered.copy(), covered=covered, picture=picture,
        )  # fmt: skip
    beside = max(BESIDE * size.short, 2.0)
    unchanged = covered & registration.same if registration.same.any() else covered
    region = ~covered
    for number in range(ROUNDS):
        before = region
        colours = colour_drift(source, laid, unchanged)
        shade = colours.shade(size.height, size.width)
        undone = np.where(covered[..., None], colours.undone(laid) + shade, source).astype(np.float32)
        region = changed_region(source, beyond_cut_off(source, laid, undone), covered)
        unchanged = covered & (distance_to(region) > beside)
        if colours is NO_DRIFT:
            break
        if number == 0:  # now it is known what may say where the picture lies
            told = whole_channels(edited)
            own_colours = colours.undone(edited.astype(np.float32))[..., told].mean(-1)
            registration = refitted((source - shade)[..., told].mean(-1), own_colours, registration, unchanged)
            laid, covered = laid_over(edited, registration.to_source(own), size)
            unchanged &= covered
        elif int((region ^ before).sum()) < 1e-3 * region.size:
            break
    if colours is not NO_DRIFT:
        shade = shade + unevenness(source, beyond_cut_off(source, laid, undone), unchanged)
    undone = np.where(covered[..., None], colours.undone(laid) + shade, source).astype(np.float32)
    region = changed_region(source, beyond_cut_off(source, laid, undone), covered)
    picture = without_cut_off(source, laid, undone)
    return UndoneDrift(
        edited=edited, registration=registration, colours=colours, shade=shade, region=region, covered=covered,
        picture=picture,
    )  # fmt: skip


def whole_channels(edited: Bytes) -> list[int]:
    """The channels that a tint cut off least often."""
    shares = within_range(edited).mean((0, 1))
    return [channel for channel in range(3) if shares[channel] >= shares.max() - LOSS]


def laid_over(edited: Bytes, matrix: Matrix, size: Size) -> tuple[Picture, Mask]:
    """(h, w, 3) an edited picture taken through a map, as levels of another size, and where it shows anything."""
    picture = np.dstack([edited.astype(np.float32), np.ones(edited.shape[:2], np.float32)])
    warped = warp_channels(picture, matrix, size)
    covered: Mask = warped[..., 3] > (0.5 if maps_pixels_to_pixels(matrix) else 0.999)
    return warped[..., :3], covered


def beyond_cut_off(source: Bytes, laid: Picture, undone: Picture) -> Picture:
    """(H, W, 3) levels, the source's own in a channel that the editor's tint cut off, where that may have hidden them.

    Args:
        source: (H, W, 3) levels.
        laid: (H, W, 3) levels of the edited picture over it, in the editor's colours.
        undone: (H, W, 3) the same in the source's colours.
    """
    high, low = laid >= CUT_OFF[1], laid <= CUT_OFF[0]
    told = (high | low).any(-1, keepdims=True) & ~(high | low).all(-1, keepdims=True)  # by the other channels
    beyond = (high & (source > undone)) | (low & (source < undone))
    unsure = (high | low) & told & (np.abs(undone - source) < UNSURE)
    return np.asarray(np.where(beyond | unsure, source, undone), np.float32)


def without_cut_off(source: Bytes, laid: Picture, undone: Picture) -> Picture:
    """The same where the pictures show the same otherwise; what was edited stays as it is."""
    kept = beyond_cut_off(source, laid, undone)
    return np.where((differences(source, kept) < FEWEST_DOUBT)[..., None], kept, undone)


def rising_inside(mask: Mask, edge: float) -> Blend:
    """(H, W) 0 outside a mask, rising to 1 within it over so many pixels; the picture's own borders are no edge."""
    if mask.all():
        return np.ones(mask.shape, np.float32)
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.minimum(distance / (edge + 1), 1.0), np.float32)


def put_back(
    pixels: Bytes, crop: Crop, undone: UndoneDrift, most: Blend | None = None, *, border: float | None = None
) -> tuple[Bytes, Blend]:
    """A photo with what an editor changed on a crop of it, resampled once from the editor's picture.

    Args:
        pixels: (H, W, 3) levels of the photo.
        crop: whose canvas the editor was given.
        undone: of that canvas.
        most: (H, W) of the photo in [0, 1], how far each pixel may be the editor's; by default in all of the window.
        border: width of the soft edge along the window's borders, in pixels of the photo; by default as around changes.

    Returns:
        (H, W, 3) levels, equal to the photo's bit for bit where the blend is 0; (H, W) blend in [0, 1].
    """
    blend = blend_on(Size(pixels.shape[1], pixels.shape[0]), crop, undone, most, border)
    made = pixels.copy()
    inside = bounds_of(blend > 0)
    if inside is None:
        return made, blend
    rows, columns = shape_of(inside)
    one = 1 / crop.scale
    to_photo = (one, 0.0, crop.window.x0 - inside[1].start, 0.0, one, crop.window.y0 - inside[0].start)
    own = Size(undone.edited.shape[1], undone.edited.shape[0])
    laid, _ = laid_over(undone.edited, compose_maps(undone.registration.to_source(own), to_photo), Size(columns, rows))
    # From the middles of pixels, which positions count from their corners.
    middles = np.array([[one, 0.0, to_photo[2] + (one - 1) / 2], [0.0, one, to_photo[5] + (one - 1) / 2]])
    shade = cv2.warpAffine(undone.shade, middles, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
    source, share = pixels[inside], blend[inside][..., None]
    fresh = undone.colours.undone(laid) + shade
    if undone.colours is not NO_DRIFT:
        fresh = without_cut_off(source, laid, fresh)
    mixed = source * (1.0 - share) + fresh.clip(0, 255) * share
    made[inside] = np.where(share > 0, levels_to_bytes(mixed), source)
    return made, blend


def blend_on(size: Size, crop: Crop, undone: UndoneDrift, most: Blend | None, border: float | None) -> Blend:
    """(H, W) in [0, 1] of a photo: how far each pixel is the editor's; see `put_back`."""
    part, shape = crop.part(size), (size.height, size.width)
    around = grown(part, 1, shape)  # the window's own borders are edges too
    region, allowed = (np.zeros(shape_of(around), np.bool_) for _ in range(2))
    for mask, given in ((region, undone.region), (allowed, undone.covered)):
        mask[within(part, around)] = crop.put(given.astype(np.uint8) * 255, size) > (127 if mask is region else 254)
    edge = max(EDGE * crop.size.short / crop.scale, 1.0)
    blend = np.zeros(shape, np.float32)
    blend[around] = np.minimum(softened(region, edge), rising_inside(allowed, edge if border is None else border))
    if most is not None:
        np.minimum(blend, most, out=blend)
    return blend
