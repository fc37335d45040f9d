"""XMP packets, changed by cutting and pasting."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.imaging.containers import xmp, xmp_nodes
from tests.imaging.metadata_files import packet

TITLE = "   <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Cat &amp; plant</rdf:li></rdf:Alt></dc:title>\n"
HISTORY = "   <crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li></rdf:Seq></crs:ToneCurve>\n"


def value(content: bytes, space: str, name: str) -> str | None:
    return xmp.first_value(content, (space, name))


@pytest.mark.parametrize("shape", ["attributes", "elements"])
def test_only_what_became_false_changes(shape: str) -> None:
    facts = {
        "tiff:Orientation": "6",
        "tiff:ImageWidth": "24",
        "exif:PixelXDimension": "24",
        "exif:PixelYDimension": "40",
    }
    rest = ' crs:Exposure2012="+0.35"\n   tiff:Make = \'He said "tiff:Orientation=1"\''
    if shape == "attributes":
        written = "".join(f'\n    {name}="{said}"' for name, said in facts.items())
        before, after = packet(TITLE + HISTORY, rest + written), packet(TITLE + HISTORY, rest + written)
    else:
        inside = "".join(f"<{name}>{said}</{name}>" for name, said in facts.items())
        before, after = packet(inside + TITLE + HISTORY, rest), packet(inside + TITLE + HISTORY, rest)
    for name, old, new in (
        ("Orientation", b"6", b"1"),
        ("Width", b"24", b"40"),
        ("XDimension", b"24", b"40"),
        ("YDimension", b"40", b"24"),
    ):
        for left, right in ((b'="', b'"'), (b">", b"<")):
            after = after.replace(name.encode() + left + old + right, name.encode() + left + new + right)
    assert xmp.tidy(before, (40, 24)) == (after, set()) and before != after


def test_copies_of_the_former_picture_leave() -> None:
    thumbnails = "<xmp:Thumbnails><rdf:Alt><rdf:li>OLD</rdf:li></rdf:Alt></xmp:Thumbnails>"
    spaces = (
        ' xmlns:GImage="http://ns.google.com/photos/1.0/image/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
        ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GImage:Data="T0xE" hdrgm:Version="1.0"'
        ' GCamera:MotionPhoto="1" GCamera:SpecialTypeID="x"'
    )
    tidied, gone = xmp.tidy(packet(thumbnails + TITLE, spaces), (40, 24))
    assert gone == {"image", "gain map", "film"} and b"OLD" not in tidied and b"T0xE" not in tidied
    assert b"Thumbnails>" not in tidied and b"SpecialTypeID" in tidied and TITLE.encode() in tidied


@pytest.mark.parametrize(
    ("former", "source", "weak", "said"),
    [
        (None, "compositeWithTrainedAlgorithmicMedia", False, "compositeWithTrainedAlgorithmicMedia"),
        ("digitalCapture", "humanEdits", True, "humanEdits"),
        ("compositeWithTrainedAlgorithmicMedia", "humanEdits", True, "compositeWithTrainedAlgorithmicMedia"),
        ("humanEdits", "compositeWithTrainedAlgorithmicMedia", False, "compositeWithTrainedAlgorithmicMedia"),
    ],
)
@pytest.mark.parametrize("shape", ["attribute", "element", "resource"])
def test_one_word_says_how_the_picture_came_about(
    former: str | None, source: str, weak: bool, said: str, shape: str
) -> None:
    name, inside, attribute = "Iptc4xmpExt:DigitalSourceType", "", ""
    if former is not None:
        inside = {
            "element": f"<{name}>{xmp.SOURCE_TYPES}{former}</{name}>",
            "resource": f'<{name} rdf:resource="{xmp.SOURCE_TYPES}{former}"/>',
        }.get(shape, "")
        attribute = f' {name}="{xmp.SOURCE_TYPES}{former}"' if shape == "attribute" else ""
    marked = xmp.with_source(packet(inside + TITLE, attribute), source, weak=weak)
    assert value(marked, *xmp.SOURCE) == xmp.SOURCE_TYPES + said and marked.count(b"DigitalSourceType") in (1, 2)
    assert sum(given.name == xmp.SOURCE for given in xmp_nodes.properties_of(xmp_nodes.nodes_of(marked))) == 1
    assert TITLE.encode() in marked


@settings(max_examples=60)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=200
    )
)
def test_a_record_comes_back(words: str) -> None:
    record = json.dumps({"prompt": words}, ensure_ascii=False)
    for base in (xmp.EMPTY, packet(TITLE)):
        held = xmp.with_record(base, record)
        assert value(held, *xmp.RECORD) == record
        assert xmp.tidy(held, (40, 24))[0].count(b"intarsia:record") == 0, "the next edit leaves it out"


@pytest.mark.parametrize("length", [10, 70_000, 300_000])
def test_what_is_too_long_for_a_segment_becomes_an_extension_and_is_joined_again(length: int) -> None:
    long = f"<crs:Look xml:space='preserve'>{'<rdf:Seq/>' * (length // 10)}</crs:Look>"
    whole = xmp.with_record(
        packet(TITLE + long + HISTORY, ' crs:Exposure2012="+0.35"', padding=4000), "{}" + "x" * length
    )
    main, extension = xmp.split(whole, 65_000)
    assert len(main) <= 65_000 and (extension is None) is (length < 1000)
    if extension is None:
        assert main == whole
        return
    key, more = extension
    assert value(main, *xmp.EXTENDED) == key.decode() and TITLE.encode() in main
    again = xmp.joined(main, more)
    before, after = (
        {
            (p.name, xmp_nodes.value_of(content, p))
            for p in xmp_nodes.properties_of(xmp_nodes.nodes_of(content))
            if p.name[0] != xmp_nodes.RDF
        }
        for content in (whole, again)
    )
    assert before == after


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XML",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>",
        packet()[:-60],
        BOMB.encode() + b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>&b;</rdf:RDF>",
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>",
        b"<a>" * 5000,
        packet().replace(b"tiff", b"\xff\xff", 1),
    ],
)
def test_what_is_no_packet_is_refused(content: bytes) -> None:
    with pytest.raises(xmp_nodes.XmpError):
        xmp.tidy(content, (40, 24))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_packets_are_read_in_every_encoding(encoding: str) -> None:
    text = packet(TITLE).decode().removeprefix("\ufeff")
    again = xmp_nodes.as_utf8(text.encode(encoding))
    assert xmp_nodes.properties_of(xmp_nodes.nodes_of(again)) and TITLE.encode() in again


def test_a_description_of_its_own_kind_is_added_to() -> None:
    short = b"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>"
    assert value(xmp.with_record(short, "{}"), *xmp.RECORD) == "{}"
    named = short.replace(b"/>", b"><r:Description r:about='uuid:1'/></r:RDF>")
    assert xmp.with_record(named, "{}").count(b"uuid:1") == 2
    texts = {(xmp.DC, "title"): "a < b", (xmp.DC, "subject"): "cat\0plant", (xmp.EXIF, "UserComment"): "hi"}
    held = xmp.with_texts(packet(TITLE), texts)
    assert b"a &lt; b" not in held and b"<rdf:li>cat</rdf:li><rdf:li>plant</rdf:li>" in held


@settings(max_examples=100)
@given(st.data())
def test_damage_is_refused_or_survived(data: st.DataObject) -> None:
    content = bytearray(packet(TITLE + HISTORY, ' tiff:Orientation="6"'))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        tidied, _ = xmp.tidy(bytes(content), (40, 24))
    except xmp_nodes.XmpError:
        return
    assert value(xmp.with_record(tidied, "{}"), *xmp.RECORD) == "{}"
