"""XMP packets and colour profiles, whole, odd and broken, through what reads and changes them."""

from __future__ import annotations

import struct
from typing import Any

from intarsia.imaging.containers import profiles, xmp, xmp_nodes
from intarsia.imaging.containers.pieces import Chunk
from intarsia.imaging.metadata import EDITED, TRAINED
from tests.imaging.file_digests import case, damaged, each, noise

SIZE = (300, 200)

SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:note="http://ns.adobe.com/xmp/note/" '
    'xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:own="urn:intarsia:1.0" '
    'xmlns:cam="http://ns.google.com/photos/1.0/camera/" xmlns:img="http://ns.google.com/photos/1.0/image/" '
    'xmlns:gain="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:dd="http://ns.google.com/photos/dd/1.0/device/" '
    'xmlns:terms="http://purl.org/dc/terms/"'
)


def packet(inside: str = "", attributes: str = "", *, about: str = 'rdf:about=""', around: bool = True) -> bytes:
    """A packet with one description."""
    body = f"<rdf:RDF {SPACES}><rdf:Description {about} {attributes}>{inside}</rdf:Description></rdf:RDF>"
    whole = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{body}</x:xmpmeta>' if around else body
    return f'<?xpacket begin="\ufeff" id="W5M0"?>{whole}<?xpacket end="w"?>'.encode()


INSIDE = [
    "<tiff:Orientation>6</tiff:Orientation><tiff:ImageWidth> 300 </tiff:ImageWidth><tiff:ImageLength>7</tiff:ImageLength>",
    "<exif:PixelXDimension>9</exif:PixelXDimension><exif:PixelYDimension>200</exif:PixelYDimension><tiff:Orientation/>",
    "<tiff:ImageWidth><rdf:Seq><rdf:li>5</rdf:li></rdf:Seq></tiff:ImageWidth>",
    "<xmp:Thumbnails><rdf:Alt><rdf:li>old</rdf:li></rdf:Alt></xmp:Thumbnails><own:record>{}</own:record>",
    "<img:Data>abc</img:Data><gain:Version>1</gain:Version><cam:MicroVideo>1</cam:MicroVideo><cam:Other>1</cam:Other>",
    "<cam:MotionPhoto>1</cam:MotionPhoto>",
    '<dd:Container rdf:parseType="Resource"><img:Data>1</img:Data></dd:Container>',
    '<terms:provenance>self#jumbf=c2pa</terms:provenance><dc:source rdf:resource="http://example.org/a&amp;b"/>',
    "<terms:provenance>of another kind</terms:provenance><dc:format>image/jpeg &lt;x&gt;</dc:format>",
    "<dc:title><rdf:Alt><rdf:li>Ein Bild, sch\u00f6n</rdf:li></rdf:Alt></dc:title>",
    "<ext:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</ext:DigitalSourceType>",
    "<ext:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/humanEdits</ext:DigitalSourceType>",
    "<note:HasExtendedXMP>" + "A" * 32 + "</note:HasExtendedXMP>",
]
ATTRIBUTES = [
    'tiff:Orientation="6" tiff:ImageWidth = \'300\' exif:PixelXDimension="9"',
    'note:HasExtendedXMP="' + "B" * 32 + '" dc:format="image &quot;png&quot;"',
    'cam:MicroVideo="1" img:Mime="x" own:record="{}" xmp:Thumbnails="none"',
    'ext:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"',
    'ext:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/humanEdits" terms:provenance="jumbf"',
]

DEEP = "<dc:a>" * 97 + "</dc:a>" * 97


def packets() -> list[bytes]:
    """Packets of many kinds, some of them broken."""
    made = [packet(inside) for inside in INSIDE] + [packet("", attributes) for attributes in ATTRIBUTES]
    made += [
        packet("".join(INSIDE), ATTRIBUTES[1]),
        packet(INSIDE[9], about='about="uuid:1"'),
        packet(INSIDE[0], around=False),
    ]
    made += [
        packet(INSIDE[9], about='rdf:about="uuid:2 &amp; 3"'),
        packet(INSIDE[9], about=""),
        xmp.EMPTY,
        b"",
        b"<a/>",
        b"no XML",
    ]
    made += [
        f"<rdf:RDF {SPACES}/>".encode(),
        f"<rdf:RDF {SPACES} ></rdf:RDF>".encode(),
        f"<r:RDF {SPACES.replace(':rdf', ':r')}/>".encode(),
    ]
    made += [
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + packet(),
        packet()[:-30],
        packet("&none;"),
        packet("<dc:a x='>'>/></dc:a>"),
    ]
    made += [
        packet(DEEP),
        packet(f"<dc:a>{DEEP}</dc:a>"),
        packet("<q xmlns='urn:q' p='1'>x</q>"),
        packet('<q xmlns="">x</q>'),
    ]
    many = [" ".join(f"xmlns:n{k}='urn:{k}'" for k in range(count)) for count in (480, 487, 488, 489, 500)]
    return made + [packet(f"<dc:a {spaces}><dc:b/></dc:a>") for spaces in many]


NAMES = [(xmp.DC, "title"), (xmp.DC, "creator"), (xmp.DC, "subject"), (xmp.DC, "rights"), (xmp.EXIF, "UserComment")]
TEXTS = dict(zip(NAMES, ("A <title>", "N. & N.", "one\0two\0", "rights\x01\ufffe\t.", "said"), strict=True))


def with_words(work: Any, *args: Any, **options: Any) -> Any:
    """A function whose own errors are told in words; those of the parser are not, as its version changes them."""

    def call(content: Any) -> Any:
        try:
            return work(content, *args, **options)
        except xmp_nodes.XmpError as problem:
            return None if problem.__cause__ else str(problem)

    return call


@case
def xmp_packets() -> Any:
    made = packets()
    broken = [*damaged(packet(INSIDE[0] + INSIDE[7], ATTRIBUTES[0])[:-19], step=41)]
    return [
        *each(with_words(xmp.tidy, SIZE), made, together=1),
        *each(with_words(xmp.tidy, SIZE, 6), [*made, *broken], together=8),
        *each(with_words(xmp.with_record, '{"a": "<b>\x02"}'), made, together=2),
        *each(with_words(xmp.with_texts, TEXTS), made, together=2),
        *each(with_words(xmp.with_texts, {(xmp.DC, "title"): "T"}), made, together=8),
        *each(with_words(xmp.with_source, TRAINED, weak=True), made, together=2),
        *each(with_words(xmp.with_source, EDITED, weak=False), made, together=2),
        *(each(xmp.first_value, made, name) for name in (*NAMES[:2], (xmp.TIFF, "Orientation"), xmp.SOURCE)),
        *each(with_words(xmp.joined, made[9]), made, together=2),
        *each(lambda content: with_words(xmp.joined, content)(made[13]), made, together=4),
    ]


@case
def xmp_split() -> Any:
    large = [
        f"<dc:{name}>{noise(size).hex()}</dc:{name}>"
        for name, size in (("a", 300), ("b", 1000), ("c", 500), ("d", 100))
    ]
    padded = packet("".join(large), 'note:HasExtendedXMP="x" dc:format="f"').replace(
        b"<?xpacket end", b" " * 99 + b"\n\n<?xpacket end"
    )
    sizes = (len(padded), len(padded) - 1, 4500, 3000, 2500, 2200, 1800, 1200, 100)
    return [
        with_words(xmp.split, most)(content)
        for most in sizes
        for content in (padded, packet(large[1], about='about="u"'))
    ]


@case
def xmp_elements() -> Any:
    text = packet(INSIDE[9]).decode()
    codes = [
        text.encode(code) for code in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8")
    ]
    codes += [
        b"\xfe\xff" + text.encode("utf-16-be"),
        b"\0\0\xfe\xff" + text.encode("utf-32-be"),
        b"\0" + codes[6] + b"\0\0",
        b" \n" + codes[6] + b"\n",
    ]
    found: list[Any] = [xmp_nodes.as_utf8(code) for code in codes]
    for content in packets():
        found.append(
            with_words(
                lambda c: [
                    (n.name, n.depth, n.start, n.opened, n.close, n.end, n.children) for n in xmp_nodes.nodes_of(c)
                ]
            )(content)
        )
        found.append(with_words(lambda c: [(n.attributes, n.spaces) for n in xmp_nodes.nodes_of(c)])(content))
        found.append(
            with_words(
                lambda c: [(p.name, p.written, xmp_nodes.value_of(c, p)) for p in xmp_nodes.Surgery(c).properties]
            )(content)
        )
        found.append(with_words(lambda c: xmp_nodes.Surgery(c).about)(content))
    spaces = {"": "urn:d", "a": "urn:'\"", "rdf": "x", "xml": "y"}
    for arguments in (("",), ("in",), ("", "about & so"), ("in", "", " x='1'")):
        found.append(xmp_nodes.description(arguments[0], spaces, *arguments[1:]))
    found += [xmp_nodes._split(name) for name in ("a", "urn:a b", "urn:a b c")]
    limit, xmp_nodes.MOST_ELEMENTS = xmp_nodes.MOST_ELEMENTS, 10
    try:
        return [
            *found,
            *(with_words(lambda c: len(xmp_nodes.nodes_of(c)))(packet("<dc:a/>" * count)) for count in range(6, 11)),
        ]
    finally:
        xmp_nodes.MOST_ELEMENTS = limit


# Colour profiles


def profile(space: bytes = b"RGB ", *tags: tuple[bytes, bytes]) -> bytes:
    """A profile of no use but for its header and its tags."""
    at, table, body = 132 + 12 * len(tags), b"", b""
    for kind, content in tags:
        table += struct.pack(">4sII", kind, at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ", bytes(12), b"acsp")
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def coded(*values: int) -> Chunk:
    """A chunk that codes a colour space."""
    return Chunk(b"cICP", bytes(values))


def gamma(value: int) -> Chunk:
    return Chunk(b"gAMA", struct.pack(">I", value))


def places(*values: int) -> Chunk:
    return Chunk(b"cHRM", struct.pack(">8I", *values))


SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE = (34570, 35850, 73470, 26530, 11590, 84040, 36, 1)


@case
def colour_profiles() -> Any:
    built = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, (2.2,), "Name")
    hdr = [
        profile(b"RGB ", (b"desc", bytes(12)), (b"cicp", b"cicp" + bytes(4) + bytes([9, code, 0, 1])))
        for code in (16, 18, 13)
    ]
    hdr += [
        profile(b"RGB ", (b"cicp", bytes(11))),
        hdr[0][:-1],
        hdr[0][:131],
        hdr[0][:132],
        b"",
        hdr[0][:128] + b"\xff" * 4 + hdr[0][132:],
    ]
    files = [
        built,
        built[:-1],
        built[:131],
        built + b"more",
        profile(),
        profile(b"GRAY"),
        profile(b"CMYK"),
        b"",
        built[:36] + b"xxxx" + built[40:],
    ]
    files += [bytes(132), struct.pack(">I", len(built) + 1) + built[4:], struct.pack(">I", len(built) - 1) + built[4:]]
    sets = [[coded(p, c, 0, 1)] for p in range(24) for c in (0, 1, 4, 5, 6, 8, 13, 14, 15, 16)]
    sets += [[coded(1, 13, 0)], [Chunk(b"sRGB", b"\0"), gamma(10**5)], [coded(12, 13, 0, 1), Chunk(b"sRGB", b"\0")], []]
    numbers = (
        0,
        1,
        9999,
        10_000,
        10_001,
        45_354,
        45_355,
        45_356,
        45_455,
        45_554,
        45_555,
        45_556,
        55_556,
        10**6,
        10**6 + 1,
    )
    sets += [[gamma(value)] for value in numbers] + [[gamma(value), places(*SRGB)] for value in (45_455, 10**5)]
    shifted = [(*SRGB[:k], SRGB[k] + move, *SRGB[k + 1 :]) for k in range(8) for move in (-201, -199, 199, 201)]
    shifted += [
        WIDE,
        (0, *WIDE[1:]),
        (50_000, 50_001, *SRGB[2:]),
        (*SRGB[:2], *SRGB[2:4] * 3),
        (*SRGB[:6], 0, 6000),
        (50_000, 50_000, *WIDE[2:]),
    ]
    sets += [[places(*values)] for values in shifted] + [[gamma(45_455), places(*WIDE)], [gamma(5), places(*WIDE)]]
    codings = [
        coded(*values)
        for values in (
            (1, 13, 0, 1),
            (12, 13, 0, 1),
            (12, 13, 1, 1),
            (12, 13, 0, 0),
            (3, 13, 0, 1),
            (1, 16, 0, 1),
            (1, 13, 0),
        )
    ]
    return [
        *each(profiles.space_of, files, together=3),
        *each(profiles.hdr_curve, hdr, together=2),
        *each(profiles.meaning, sets, None, together=4),
        *each(profiles.meaning, sets[-60:], b"profile", together=16),
        [profiles.unknown_coding([coding]) for coding in codings],
        [profiles.unknown_coding([gamma(5), *codings[k : k + 1]]) for k in (2, 9)],
        profiles.build(profiles.SRGB_PRIMARIES, (0.3, 0.31), profiles.VIDEO_CURVE, "Größe"),
    ]
