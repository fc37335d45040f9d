"""Many pictures in a real browser, on the pocket models: from a list and its pictures to the archive that is taken home."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.batch.executor import RESULTS, do_job
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.cli.main import main
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress, Progress
from intarsia.web.address import free_port
from intarsia.web.sessions import SessionStore
from tests.fake_work import FakeWork, FakeWorker
from tests.paths import SCENES
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot, arrived
from tests.web.browser.fields import set_number

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

from playwright.sync_api import Browser, BrowserContext, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

WORDS = {"0000.png": ["tree", "a house"], "0001.png": ["", "a red car"]}
READY = "#batch-start"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, pocket: Backbones) -> SessionStore:
    place = tmp_path_factory.mktemp("ui") / "sessions"
    return SessionStore(place, models=("pocket", "sd15"), load=lambda *_, **__: pocket)


@pytest.fixture(scope="module")
def served(store: SessionStore) -> Iterator[str]:
    from intarsia.web.server import build, launch

    page = build(store, ledgers=True)
    yield launch(page, store, port=free_port("127.0.0.1")).local
    page.close(verbose=False)
    store.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def visitor(context: BrowserContext, served: str, problems: list[str]) -> Page:
    return arrived(context, served, problems, ready=READY, path="batch")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No job is done before it is open; until then, one that was begun says how far it is."""
    from intarsia.web.batch_service import SessionWorker

    opened, perform = threading.Event(), SessionWorker.__call__

    def held(self: SessionWorker, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        on_progress(Progress(stage="painting", done=12, total=50))
        while not opened.wait(0.05):
            on_progress(Progress(stage="painting", done=12, total=50))
        return perform(self, job, folder, on_progress)

    monkeypatch.setattr(SessionWorker, "__call__", held)
    return opened


def loaded(page: Page) -> None:
    page.locator(READY).wait_for()


def status(page: Page) -> Any:
    return expect(page.locator("#batch-status"))


def cards(page: Page) -> Any:
    return expect(page.locator("#batch-results .batch-card"))


def send(page: Page, *files: Path) -> None:
    page.locator("#batch-files input[type=file]").set_input_files(files)
    expect(page.locator("#batch-files")).to_contain_text(files[-1].stem)


def listed(folder: Path, words: dict[str, list[str]]) -> Path:
    file = folder / "images.json"
    file.write_text(json.dumps(words))
    return file


def set_steps(page: Page, steps: int) -> None:
    page.locator("#batch-more").get_by_role("button", name="More settings").click()
    field = page.locator("#batch-steps input")
    expect(field).to_have_value("30")
    set_number(field, steps)


def test_a_stranger_sees_what_to_do(visitor: Page, shoot: Shoot, tmp_path: Path) -> None:
    status(visitor).to_contain_text("Nothing was begun yet")
    expect(visitor.locator("#batch-again")).to_be_disabled()
    shoot(visitor, "batch-empty", schemes=SCHEMES)
    visitor.locator("#batch-start").click()
    alert = expect(visitor.locator("#batch-status [role=alert]"))
    alert.to_contain_text("There is no picture yet")
    send(visitor, SCENES / "0000.png")
    visitor.locator("#batch-start").click()
    alert.to_contain_text("nothing is said of what the pictures should become")
    visitor.locator("#batch-more").get_by_role("button", name="More settings").click()
    expect(visitor.locator("#batch-models input")).to_have_value("pocket")
    expect(visitor.locator("#batch-steps input")).to_have_value("30")
    shoot(visitor, "batch-problem")
    visitor.set_viewport_size({"width": 390, "height": 844})
    assert visitor.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_example_is_done_at_a_click(visitor: Page, shoot: Shoot) -> None:
    example = visitor.get_by_role("button", name="Try an example")
    set_steps(visitor, 2)
    example.click()
    expect(example).to_be_hidden()
    status(visitor).to_contain_text("4 of 4 jobs done", timeout=PATIENCE)
    cards(visitor).to_have_count(4)
    cards(visitor).to_contain_text(["car → a house", "plant → a cake", "rabbit → a ball", "cat → a house"])
    shoot(visitor, "batch-example", schemes=SCHEMES)
    visitor.reload()
    cards(visitor).to_have_count(4)
    expect(example).to_be_hidden()
    visitor.get_by_role("button", name="Earlier pictures").click()
    expect(visitor.locator("#batch-earlier input")).to_have_value("1: bird-and-car.png and 3 more")


def test_headings_are_in_order_and_lead_back(visitor: Page, served: str) -> None:
    levels = "() => [...document.querySelectorAll('h1, h2, h3')].map(({ tagName }) => tagName)"
    assert visitor.evaluate(levels) == ["H1", "H2"]
    visitor.get_by_role("link", name="One photo").click()
    visitor.locator(".u-welcome").wait_for(timeout=PATIENCE)
    assert visitor.url == served


def test_what_is_done_is_seen_beside_controls_far_down(visitor: Page) -> None:
    visitor.locator("#batch-more").get_by_role("button", name="More settings").click()
    visitor.get_by_role("button", name="Earlier pictures").click()
    visitor.locator("#batch-pack").scroll_into_view_if_needed()
    assert visitor.evaluate("scrollY") > 0
    expect(visitor.locator("#batch-status")).to_be_in_viewport()


def test_a_batch_is_stopped_found_again_done_and_taken_home(
    visitor: Page,
    store: SessionStore,
    gate: threading.Event,
    shoot: Shoot,
    browser: Browser,
    served: str,
    problems: list[str],
    tmp_path: Path,
) -> None:
    send(visitor, *(SCENES / name for name in WORDS), listed(tmp_path, WORDS))
    set_steps(visitor, 2)
    visitor.locator("#batch-start").click()
    status(visitor).to_contain_text("0 of 2 jobs done, 2 left", timeout=PATIENCE)
    status(visitor).to_contain_text("0000.png, painting: 12 of 50", timeout=PATIENCE)
    expect(visitor.locator("#batch-start")).to_be_disabled()
    shoot(visitor, "batch-working")
    visitor.locator("#batch-cancel").click()
    status(visitor).to_contain_text("Stopped. What was begun waits again.", timeout=PATIENCE)
    expect(visitor.locator("#batch-cancel")).to_be_disabled()
    cards(visitor).to_have_count(0)

    visitor.reload()
    loaded(visitor)
    status(visitor).to_contain_text("0 of 2 jobs done, 2 left")
    gate.set()
    visitor.locator("#batch-again").click()
    status(visitor).to_contain_text("2 of 2 jobs done", timeout=PATIENCE)
    status(visitor).to_contain_text("Done.", timeout=PATIENCE)
    cards(visitor).to_have_count(2)
    status(visitor).to_contain_text("pictures a minute")
    for image in visitor.locator("#batch-results img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
    visitor.evaluate("scrollTo(0, 0)")
    shoot(visitor, "batch-done", schemes=SCHEMES)

    with visitor.expect_download() as taken:
        visitor.locator("#batch-archive a").click()
    assert taken.value.suggested_filename == "batch-0001.zip"
    home = tmp_path / "home"
    with zipfile.ZipFile(taken.value.path()) as archive:
        archive.extractall(home)
    assert len(list(home.iterdir())) == 2
    for name, (source, prompt) in WORDS.items():
        made = next(home.glob(f"*/{name}"))
        record = json.loads(made.with_suffix(".json").read_text())["record"]
        words = ["--prompt", prompt, *(["--source", source] if source else [])]
        settings = ["--steps", "2", "--seed", str(record["seed"]), "--models", "pocket", "--device", "cpu", "--quiet"]
        assert main(["edit", str(SCENES / name), *words, *settings, "--out", str(tmp_path / "line")]) == 0
        assert np.array_equal(read_photo(made).pixels, read_photo(tmp_path / "line" / name).pixels)

    visitor.reload()
    loaded(visitor)
    cards(visitor).to_have_count(2)
    expect(visitor.locator("#batch-archive a")).to_be_visible()
    expect(visitor.locator("#batch-again")).to_be_disabled()

    stranger = browser.new_context()
    page = arrived(stranger, served, problems, ready=READY, path="batch")
    loaded(page)
    status(page).to_contain_text("Nothing was begun yet")
    cards(page).to_have_count(0)
    for folder in store.root.iterdir():
        assert folder.name not in page.content() or (folder / "batch-0001").exists() is False
    stranger.close()


def test_a_job_that_fails_is_told_and_the_others_are_done(visitor: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    hostile = "<img src=x onerror=window.hit=1>"
    words = {"notes.png": ["", "a house"], "gone.png": ["", hostile]}
    send(visitor, tmp_path / "notes.png", listed(tmp_path, words))
    visitor.locator("#batch-start").click()
    status(visitor).to_contain_text("0 of 2 jobs done, 2 failed", timeout=PATIENCE)
    cards(visitor).to_have_count(2)
    results = visitor.locator("#batch-results")
    expect(results).to_contain_text("notes.png")
    expect(results).to_contain_text(hostile)
    assert visitor.evaluate("window.hit") is None
    assert "--" not in results.inner_text() and "/tmp" not in results.inner_text()
    expect(visitor.locator("#batch-archive a")).to_have_count(0)


@pytest.fixture
def trees(store: SessionStore, tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """A batch that another program does; called with how many of its three jobs are to be done by then."""
    place, folder = tmp_path / "pictures", store.root / "runs" / "trees"
    place.mkdir()
    (folder / RESULTS).mkdir(parents=True)
    for k in range(3):
        shutil.copyfile(SCENES / f"000{k}.png", place / f"{k}.png")
    jobs = read_jobs(place, settings={"prompt": "a tree with many flowers"})
    with Ledger.open(folder) as ledger:
        ledger.enter(jobs)
    over = 0

    def until(number: int) -> None:
        nonlocal over
        with Ledger.open(folder) as ledger:
            for job in jobs[over:number]:
                ledger.begin(job.id, "worker 1")
                outcome = do_job(job, perform, folder, lambda progress: None)
                ledger.done(job.id, outcome)
        over = number

    def perform(job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        made = FakeWorker(FakeWork())(job, folder, on_progress)
        assert job.record is not None
        for name in ("before", "after"):
            Image.open(job.record.photo).convert("RGB").save(folder / f"{name}.jpg")
        facts = {**made.facts, "before": "before.jpg", "after": "after.jpg"}
        return Outcome(seconds=0.5, evaluations=3, memory_mb=1.0, score=1.5, sha256=made.sha256, facts=facts)

    yield until
    shutil.rmtree(folder.parent)


def test_a_batch_of_another_program_is_watched(visitor: Page, trees: Callable[[int], None], shoot: Shoot) -> None:
    trees(1)
    visitor.get_by_role("button", name="Earlier pictures").click()
    path = visitor.locator("#batch-path input, #batch-path textarea")
    path.fill("runs/nothing")
    visitor.locator("#batch-watch").click()
    expect(visitor.locator("#batch-status [role=alert]")).to_contain_text("There is no batch of that name")
    path.fill("runs/trees")
    visitor.locator("#batch-watch").click()
    status(visitor).to_contain_text("The batch runs/trees, done by another program.")
    status(visitor).to_contain_text("1 of 3 jobs done, 2 left")
    cards(visitor).to_have_count(1)
    trees(3)
    status(visitor).to_contain_text("3 of 3 jobs done")
    cards(visitor).to_have_count(3)
    visitor.locator("#batch-pack").click()
    shoot(visitor, "batch-watched", schemes=SCHEMES)
    with visitor.expect_download() as taken:
        visitor.locator("#batch-archive a").click()
    assert taken.value.suggested_filename == "trees.zip"
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert sum(name.endswith("picture.txt") for name in archive.namelist()) == 3
