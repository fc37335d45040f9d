"""What a picture file carries beside its pixels: EXIF, XMP and text chunks."""

from __future__ import annotations

import logging

from PIL import Image
from PIL.ExifTags import IFD, Base

log = logging.getLogger(__name__)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a stored picture upright, by its EXIF orientation."""

STRUCTURE_TAGS = frozenset(
    {254, 255, *range(256, 260), 262, 263, 264, 265, 266, 273, *range(277, 282), 284, *range(288, 294), 301}
    | {*range(317, 326), 330, *range(332, 344), 347, *range(512, 522), *range(529, 533), 700, 34377, 34675, 37724}
)
"""TIFF tags that say how the old file stored its pixels, or hold a preview of them: false in the new file."""

RESOLUTION_TAGS = frozenset({Base.XResolution, Base.YResolution, Base.ResolutionUnit})

XMP_TOOLKIT = b'x:xmptk="Intarsia"'
TRAINED = "compositeWithTrainedAlgorithmicMedia"
EDITED = "humanEdits"
"""The IPTC's words for a picture that was partly made by a trained model, and for one edited without any."""


XMP_TEMPLATE = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" ' + XMP_TOOLKIT + b">"
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    b" Iptc4xmpExt:DigitalSourceType="
    b'"http://cv.iptc.org/newscodes/digitalsourcetype/SOURCE"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def xmp_mark(source: str) -> bytes:
    """An XMP packet that says how a picture came about, as the IPTC asks.

    Args:
        source: `TRAINED` or `EDITED`.
    """
    return XMP_TEMPLATE.replace(b"SOURCE", source.encode())


def tidy_exif(
    exif: Image.Exif, size: tuple[int, int], *, name: str, from_tiff: bool, drop_comment: bool
) -> bytes | None:
    """An EXIF block for the upright picture: orientation 1, its own sides, no preview of the old pixels."""
    for tag in STRUCTURE_TAGS | (RESOLUTION_TAGS if from_tiff else frozenset()):
        if tag in exif:
            del exif[tag]
    if Base.Orientation in exif:
        exif[Base.Orientation] = 1
    try:
        if IFD.Exif in exif:
            details = exif.get_ifd(IFD.Exif)
            for tag, side in zip((Base.ExifImageWidth, Base.ExifImageHeight), size, strict=True):
                if tag in details:
                    details[tag] = side
            if drop_comment:  # the record of a former edit, which the next one replaces
                details.pop(Base.UserComment, None)
        return exif.tobytes() if len(exif) else None
    except Exception as problem:  # cameras write EXIF that nothing can write again
        log.warning("%s has EXIF data that cannot be kept (%s): it is left out.", name, problem)
        return None
