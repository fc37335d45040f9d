"""EXIF blocks, changed in place."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import IFD, Base

from intarsia.imaging.containers import exif, tiff
from tests.imaging.metadata_files import ENCODED, PREVIEW, block


def places(content: bytes, order: str) -> dict[tuple[int, int], exif.Entry]:
    """All entries of a block by the table that they stand in and their tags."""
    whole = exif.Block(content)
    first = whole.long(4)
    found = {(0, entry.tag): entry for entry in whole.entries(first)[0]}
    for pointer in (exif.EXIF, exif.GPS):
        at = whole.number(found[0, pointer])
        assert at is not None
        found |= {(pointer, entry.tag): entry for entry in whole.entries(at)[0]}
    return found


@pytest.mark.parametrize("artist", ENCODED)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("preview", ["none", "last", "inside"])
def test_only_what_became_false_changes(artist: str, order: str, orientation: int, preview: str) -> None:
    given = block(
        order,
        artist=ENCODED[artist],
        orientation=orientation,
        preview=preview != "none",
        note_first=preview == "inside",
    )
    tidied = exif.tidy(given, (24, 40))
    assert not tidied.damaged and PREVIEW not in tidied.block
    found = places(given, order)
    changed = [found[0, exif.ORIENTATION], found[exif.EXIF, exif.PIXELS_ACROSS], found[exif.EXIF, exif.PIXELS_DOWN]]
    if orientation >= 5:
        changed += [found[0, exif.ACROSS], found[0, exif.DOWN]]
    free = {at for entry in changed for at in range(entry.at, entry.at + 12)}
    link = 8 + 2 + 12 * 8
    free |= set(range(link, link + 4))
    end = len(tidied.block)
    if preview == "inside":
        free |= set(range(600, 600 + 42 + len(PREVIEW)))
    elif preview == "last":
        assert end == len(block(order, artist=ENCODED[artist], preview=False))
    assert [at for at in range(end) if at not in free and given[at] != tidied.block[at]] == []
    read = Image.Exif()
    read.load(tidied.block)
    details = read.get_ifd(IFD.Exif)
    assert read[Base.Orientation] == 1 and details[Base.ISOSpeedRatings] == 200
    assert (details[Base.ExifImageWidth], details[Base.ExifImageHeight]) == (24, 40)
    assert (read[Base.XResolution], read[Base.YResolution]) == ((200, 300) if orientation >= 5 else (300, 200))
    assert read.get_ifd(IFD.GPSInfo)[2] == (48, 8, 0)
    assert exif.stored_orientation(given) == orientation and exif.comment_of(given) == b"ASCII\0\0\0holiday"


def test_a_side_that_is_too_long_for_its_type_gets_a_longer_one() -> None:
    tidied = exif.tidy(block(), (70_000, 20))
    entry = places(tidied.block, "<")[exif.EXIF, exif.PIXELS_ACROSS]
    assert entry.kind == exif.LONG and exif.Block(tidied.block).number(entry) == 70_000


def test_old_pixels_and_packets_leave_the_table() -> None:
    content = exif.with_entries(
        block(),
        {
            700: exif.NewEntry(1, 6, b"<old/>"),
            330: exif.NewEntry(4, 1, b"\x10\0\0\0"),
            37724: exif.NewEntry(7, 9, b"old layer"),
        },
    )
    tidied = exif.tidy(content, (24, 40))
    tags = [entry.tag for entry in exif.Block(tidied.block).entries(exif.Block(tidied.block).long(4))[0]]
    assert tidied.packet == b"<old/>" and not {700, 330, 37724} & set(tags) and 315 in tags


@pytest.mark.parametrize("tag", [exif.ACROSS, exif.DOWN, exif.UNIT, exif.ORIENTATION])
@pytest.mark.parametrize("kind", [2, 3, 5])
def test_values_that_readers_fail_on_are_taken_out(tag: int, kind: int) -> None:
    odd = exif.NewEntry(kind, 2, b"\1\0\0\0" * (4 if kind == 5 else 1))
    tidied = exif.tidy(exif.with_entries(block(preview=False), {tag: odd}), (24, 40))
    found = places(tidied.block, "<")
    assert tidied.damaged and (0, tag) not in found and (0, 315) in found


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_block_that_is_cut_off_anywhere_keeps_what_is_whole(order: str) -> None:
    given = block(order)
    for end in range(len(given)):
        tidied = exif.tidy(given[:end], (24, 40))
        read = Image.Exif()
        if tidied.block:
            read.load(tidied.block)  # a warning would be an error
            assert read.get(Base.Orientation, 1) == 1
            read.get_ifd(IFD.Exif), read.get_ifd(IFD.GPSInfo)
        if 0 < end < len(block(order, preview=False)):
            assert tidied.damaged
    assert exif.tidy(b"", (1, 1)) == (b"", False, b"")


@settings(max_examples=150)
@given(st.data())
def test_damage_is_survived(data: st.DataObject) -> None:
    content = bytearray(block(data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    tidied = exif.tidy(bytes(content), (24, 40))
    assert exif.stored_orientation(tidied.block) == 1
    assert exif.tidy(tidied.block, (24, 40)).block == tidied.block, "nothing is left to do"


@settings(max_examples=50)
@given(st.dictionaries(st.integers(40_000, 50_000), st.binary(min_size=1, max_size=40), max_size=5), st.booleans())
def test_new_entries_leave_all_other_bytes_in_their_places(fresh: dict[int, bytes], empty: bool) -> None:
    before = b"" if empty else block(preview=False)
    entries = {tag: exif.NewEntry(7, len(value), value) for tag, value in fresh.items()}
    after = exif.with_entries(before, entries)
    assert after[8 : len(before)] == before[8:]
    whole = exif.Block(after + b"\0" * 8)
    held = {e.tag: bytes(after[e.value_at : e.value_at + e.length]) for e in whole.entries(whole.long(4))[0]}
    assert {tag: held[tag] for tag in fresh} == fresh and len(held) == len(fresh) + (0 if empty else 8)


def test_a_former_record_leaves_and_its_bytes_are_blanked() -> None:
    given = block(preview=False)
    without = exif.without_comment(given)
    assert exif.comment_of(without) == b"" and b"holiday" not in without and len(without) == len(given)
    assert (exif.EXIF, 34855) in places(without, "<")


def test_notes_of_a_camera_in_a_tiff_stay_where_they_were_if_they_can() -> None:
    note = exif.NewEntry(7, 8, b"offset: 8")
    tables = {
        0: {exif.EXIF: exif.NewEntry(4, 1, b"\0" * 4), 315: exif.NewEntry(2, 400, b"a" * 400)},
        exif.EXIF: {exif.MAKER_NOTE: note},
    }
    for at, moved in ((300, False), (20, True), (10**6, True)):
        content, was_moved = tiff.lay_out("<", tables, note_at=at)
        found = places_of_note(content)
        assert was_moved is moved and content[found : found + 8] == note.value[:8]
        assert (found == at) is not moved and b"a" * 400 in content


def places_of_note(content: bytes) -> int:
    whole = exif.Block(content)
    at = next(whole.long(entry.at + 8) for entry in whole.entries(8)[0] if entry.tag == exif.EXIF)
    return next(entry.value_at for entry in whole.entries(at)[0] if entry.tag == exif.MAKER_NOTE)


@pytest.mark.parametrize(
    "content",
    [b"II*\0", b"garbage" * 9, b"MM\0*" + struct.pack(">I", 10**6) + bytes(20)],
    ids=["a head alone", "garbage", "a table beyond the end"],
)
def test_what_is_no_block_is_left_out(content: bytes) -> None:
    assert exif.tidy(content, (9, 9)) == (b"", True, b"") and exif.stored_orientation(content) == 1
