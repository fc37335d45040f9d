"""Lists of jobs: what they may look like, what is wrong with them, and what tells jobs apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intarsia.batch.edit_jobs import read_edits
from intarsia.batch.groups import with_defaults
from intarsia.batch.jobs import Job, by_picture, read_jobs
from intarsia.batch.ledger import Ledger
from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "ü x.png"):
        (tmp_path / name).write_bytes(f"picture {name}".encode())
    return tmp_path


def lines(folder: Path, *entries: object) -> Path:
    file = folder / "jobs.jsonl"
    file.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in entries), encoding="utf-8")
    return file


def one(folder: Path, entry: object, **asked: object) -> Job:
    return read_jobs(lines(folder, entry), **asked)[0]  # type: ignore[arg-type]


GOOD = {"photo": "1.png", "prompt": "a house", "source": "tree"}


def test_the_published_form_is_read_with_its_image_dir(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "images.json"
    file.write_text(json.dumps({"1.png": ["trees", "a big tree"], "2.png": ["a car", "a bus"]}))
    first, second = read_jobs(file, image_dir=folder)
    assert isinstance(first.record, EditRecord) and isinstance(second.record, EditRecord)
    assert (first.record.source, first.record.prompt) == ("trees", "a big tree")
    assert first.record.photo == str(folder / "1.png")
    assert first.words == "trees → a big tree" and (first.number, second.number) == (1, 2)
    assert first.record.seed != second.record.seed


def test_files_that_are_added_to_a_checkpoint_lie_beside_the_list_and_tell_jobs_apart(folder: Path) -> None:
    (folder / "style.safetensors").write_bytes(b"one")
    entry = {**GOOD, "lora": ["style.safetensors:0.5"], "embedding": ["style.safetensors:<toy>"]}
    first = one(folder, entry)
    assert isinstance(first.record, EditRecord)
    assert first.record.lora == (f"{folder / 'style.safetensors'}:0.5",)
    assert first.record.embedding == (f"{folder / 'style.safetensors'}:<toy>",)
    (folder / "style.safetensors").write_bytes(b"another")
    assert len({first.id, one(folder, entry).id, one(folder, GOOD).id}) == 3


def test_lines_name_their_kind(folder: Path) -> None:
    edit, arrange, learn = read_jobs(
        lines(
            folder,
            GOOD,
            {"kind": "arrange", "photo": "1.png", "find": ["cat"], "move": ["cat=+3,0"]},
            "",
            {"kind": "learn", "photo": "2.png", "find": ["cat"], "learn": {"rank": 2}},
        )
    )
    assert (edit.kind, arrange.kind, learn.kind) == ("edit", "arrange", "learn")
    assert isinstance(arrange.record, ArrangeRecord) and arrange.record.move == ("cat=+3,0",)
    assert isinstance(learn.record, ArrangeRecord) and learn.record.learn.rank == 2
    assert arrange.words == "find cat; move cat=+3,0"


def test_a_table_gives_settings_their_kinds(folder: Path) -> None:
    file = folder / "jobs.csv"
    file.write_text(
        "\ufeffphoto,prompt,source,steps,search.anchors,negative_prompt\n"
        '1.png,"a house, red",tree,20,3,\n2.png,12,,,,null\n',
        encoding="utf-8",
    )
    first, second = (job.record for job in read_jobs(file))
    assert isinstance(first, EditRecord) and isinstance(second, EditRecord)
    assert (first.prompt, first.steps, first.search.anchors) == ("a house, red", 20, 3)
    assert (second.prompt, second.steps, second.negative_prompt) == ("12", 30, "null")


def test_a_cell_may_hold_several_texts(folder: Path) -> None:
    file = folder / "jobs.csv"
    file.write_text('kind,photo,box,find\nremove,1.png,"1,2,30,40; 5,6,70,80",\nremove,2.png,,"[""dog 1"", ""cat""]"\n')
    first, second = (job.record for job in read_jobs(file))
    assert isinstance(first, RemoveRecord) and isinstance(second, RemoveRecord)
    assert (first.box, first.find) == (("1,2,30,40", "5,6,70,80"), ())
    assert second.find == ("dog 1", "cat")


def test_a_removal_is_told_in_words_and_draws_its_seed_from_what_it_avoids(folder: Path) -> None:
    plain = one(folder, {"kind": "remove", "photo": "1.png", "box": ["1,2,3,4"], "object": ["cat@5,6"]})
    careful = one(folder, {"kind": "remove", "photo": "1.png", "box": ["1,2,3,4"], "avoid": "2.png"})
    assert plain.words == "remove cat; box 1,2,3,4"
    assert isinstance(plain.record, RemoveRecord) and isinstance(careful.record, RemoveRecord)
    assert plain.record.seed != careful.record.seed and careful.record.avoid == str(folder.resolve() / "2.png")
    outside = one(folder, {"kind": "remove", "photo": "1.png", "mask": "../mask.png"})
    assert "which lies outside" in outside.problem


def test_a_folder_of_pictures_is_a_list(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "3.JPG").write_bytes(b"three")
    jobs = read_jobs(folder, settings={"prompt": "snow"})
    assert [job.photo for job in jobs] == ["1.png", "2.png", "deeper/3.JPG", "ü x.png"]
    assert all(not job.problem for job in jobs)


def test_what_an_edit_left_beside_its_picture_is_a_job(folder: Path) -> None:
    job = one(folder, {"intarsia": "0.1.0", "record": {"kind": "EditRecord", **GOOD, "seed": 4}, "seed": 4})
    assert isinstance(job.record, EditRecord) and job.record.seed == 4


def test_settings_for_all_yield_to_a_jobs_own(folder: Path) -> None:
    shared = {"steps": 9, "search.anchors": 2, "seed": 5, "move": ["cat=1,1"]}
    plain = one(folder, GOOD, settings=shared).record
    own = one(folder, {**GOOD, "steps": 7, "search": {"proposals": 3}}, settings=shared).record
    assert isinstance(plain, EditRecord) and isinstance(own, EditRecord)
    assert (plain.steps, plain.search.anchors, plain.seed) == (9, 2, 5)
    assert (own.steps, own.search.anchors, own.search.proposals) == (7, 2, 3)


def test_groups_are_merged_name_by_name() -> None:
    assert with_defaults({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4}}) == {"a": {"x": 1, "y": 4}, "b": 3}


def test_a_seed_depends_on_the_job_and_not_on_its_place(folder: Path) -> None:
    other = {"photo": "2.png", "prompt": "a boat"}
    forward, backward = (
        {j.words: j for j in read_jobs(lines(folder, *entries))} for entries in ((GOOD, other), (other, GOOD))
    )
    assert {w: (j.id, j.record) for w, j in forward.items()} == {w: (j.id, j.record) for w, j in backward.items()}
    assert one(folder, GOOD, seed=1).record != one(folder, GOOD).record


def test_an_id_depends_on_content_and_not_on_where_the_folder_is(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "1.png").write_bytes((folder / "1.png").read_bytes())
    assert one(folder, GOOD).id == one(elsewhere, GOOD).id
    (elsewhere / "1.png").write_bytes(b"another picture")
    assert one(folder, GOOD).id != one(elsewhere, GOOD).id


def test_content_is_read_again_only_where_a_file_has_changed(folder: Path) -> None:
    known: dict[str, tuple[int, int, str]] = {}
    before = one(folder, GOOD, known=known)
    ((path, (size, changed, _)),) = known.items()
    known[path] = (size, changed, "what was known")
    assert one(folder, GOOD, known=known).id != before.id
    (folder / "1.png").write_bytes(b"of another size")
    one(folder, GOOD, known=known)
    assert known[path][2] != "what was known"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{"photo": "1.png", ', "not valid JSON"),
        ("[1, 2]", "is no record"),
        ("[" * 100_000, "not valid JSON"),
        ({"prompt": "a house"}, "lacks the setting 'photo'"),
        ({"photo": "1.png"}, "lacks the setting 'prompt'"),
        ({**GOOD, "photo": 3}, "'photo' as 3"),
        ({**GOOD, "steps": "many"}, "'steps' as 'many'"),
        ({**GOOD, "steps": True}, "'steps' as true"),
        ({**GOOD, "colour": "red"}, "'colour'"),
        ({**GOOD, "kind": "paint"}, "choose edit, arrange, learn or remove"),
        ({**GOOD, "kind": ["edit"]}, "choose edit, arrange, learn or remove"),
        ({**GOOD, "name": 3}, "a text is expected"),
        ({**GOOD, "search": 3}, "a group of settings"),
        ({**GOOD, "photo": "../1.png"}, "lies outside"),
        ({**GOOD, "photo": "/etc/passwd"}, "lies outside"),
        ({**GOOD, "mask": "../../mask.png"}, "gives mask as '../../mask.png', which lies outside"),
        ({**GOOD, "photo": "1.png\0.jpg"}, "no file's name can"),
        ({**GOOD, "guidance": float("nan")}, "guidance is nan"),
        ('{"photo": "1.png", "prompt": "' + "x" * (1 << 20) + '"}', "characters"),
    ],
)
def test_a_wrong_job_is_one_sentence_and_the_others_are_done(folder: Path, entry: object, said: str) -> None:
    wrong, good = read_jobs(lines(folder, entry, {**GOOD, "source": "the other"}))
    assert said in wrong.problem and "\n" not in wrong.problem
    assert wrong.record is None and not good.problem


def test_what_is_no_character_ends_nothing(folder: Path) -> None:
    (job,) = jobs = read_jobs(lines(folder, '{"photo": "\\ud800.png", "prompt": "a \\udfff", "x\\ud800": 1}'))
    assert job.problem
    with Ledger.open(folder / "out") as ledger:
        ledger.enter(jobs)
        assert ledger.rows()[0].photo == "?.png"


def test_a_link_that_leads_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(b"secret")
    (folder / "link.png").symlink_to(secret)
    assert "lies outside" in one(folder, {**GOOD, "photo": "link.png"}).problem


def test_the_same_job_twice_is_said(folder: Path) -> None:
    first, again, third = read_jobs(lines(folder, GOOD, GOOD, GOOD))
    assert not first.problem
    assert "Job 2 is the same as job 1" in again.problem and "Job 3 is the same as job 1" in third.problem
    assert len({first.id, again.id, third.id}) == 3


def test_equal_pictures_under_two_names_are_two_jobs(folder: Path) -> None:
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes())
    first, second = read_jobs(lines(folder, GOOD, {**GOOD, "photo": "2.png"}))
    assert not first.problem and not second.problem and first.folder != second.folder


def test_a_missing_picture_is_left_to_who_does_the_job(folder: Path) -> None:
    job = one(folder, {**GOOD, "photo": "none.png"})
    assert not job.problem and job.id == one(folder, {**GOOD, "photo": "none.png"}).id


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("jobs.jsonl", "", "is empty"),
        ("jobs.json", "{", "not valid JSON"),
        ("jobs.json", "3", "neither a list nor an object"),
        ("jobs.json", '{"1.png": ["a", "b"], "1.png": ["c", "d"]}', "'1.png' stands there twice"),
        ("jobs.csv", "picture,prompt\n1.png,a house\n", "no column 'photo'"),
        ("jobs.txt", "1.png", "ends in '.txt'"),
        ("jobs.jsonl", b"\xff\xfe{", "no text in UTF-8"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(folder: Path, name: str, content: str | bytes, said: str) -> None:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(RecordError, match=said):
        read_jobs(file)


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="There is no list of jobs"):
        read_jobs(tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match="cannot be read"):
        read_jobs(tmp_path / ("long" * 80 + ".csv"))
    with pytest.raises(RecordError, match="There is no folder"):
        read_jobs(lines(tmp_path, GOOD), image_dir=tmp_path / "none")


def test_a_wrong_pair_of_the_published_form_is_one_job(folder: Path) -> None:
    file = folder / "images.json"
    file.write_text(json.dumps({"1.png": ["trees"], "2.png": ["a car", "a bus"]}))
    wrong, good = read_jobs(file)
    assert "'1.png' is given as [\"trees\"]" in wrong.problem and not good.problem


def test_jobs_of_one_picture_stand_together(folder: Path) -> None:
    entries = [{**GOOD, "photo": f"{k % 2 + 1}.png", "prompt": f"prompt {k}"} for k in range(5)]
    groups = by_picture(read_jobs(lines(folder, *entries)))
    assert [[job.number for job in group] for group in groups] == [[1, 3, 5], [2, 4]]


NAMES = st.text(max_size=40)


@given(
    entry=st.dictionaries(
        st.sampled_from(["photo", "prompt", "name", "kind", "steps", "x"]),
        st.one_of(NAMES, st.integers(), st.none(), st.lists(NAMES, max_size=2)),
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_job_ends_the_run_or_leaves_its_folder(tmp_path: Path, entry: dict[str, object]) -> None:
    job = one(tmp_path, entry)
    assert (job.record is None) == bool(job.problem)
    assert "/" not in job.folder and "\\" not in job.folder and not job.folder.startswith(".")
    assert len(job.folder.encode()) < 255


def test_a_list_to_fit_on_may_name_a_picture_twice_and_from_anywhere(folder: Path) -> None:
    file = lines(folder, GOOD, {**GOOD, "photo": str(folder / "1.png")}, GOOD)
    assert [edit.seed for edit in read_edits(file)] == [0, 0, 0]
    with pytest.raises(RecordError, match=r"Job 2 is of the kind 'arrange'"):
        read_edits(lines(folder, GOOD, {"kind": "arrange", "photo": "1.png"}))
