"""Which files and routes are served."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.web.security.served import Site

pytest.importorskip("gradio")
from intarsia.cli import main
from intarsia.web import scripts
from intarsia.web.sessions import Session

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_files_elsewhere_are_not_served(site: Site, session: Session, secret: Path) -> None:
    own = session.folder / "own.txt"
    own.write_text("own")
    assert site.get(f"/gradio_api/file={own}").text == "own"
    up = "../" * 20
    for path in (
        str(secret),
        f"{up}etc/passwd",
        "/etc/passwd",
        f"{session.folder}/{up}{secret}",
        f"{site.uploads}/{up}etc/passwd",
        f"{site.uploads}/..%2f..%2f..%2f..%2fetc%2fpasswd",
        quote(str(secret), safe=""),
        quote(quote(str(secret), safe=""), safe=""),
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\..\\etc\\passwd",
        f"file://{secret}",
        f"{secret}%00.png",
        "/proc/self/environ",
        str(Path(main.__file__)),
    ):
        for route in ("file=", "file/"):
            answer = site.get(f"/gradio_api/{route}{path}")
            assert answer.status_code in (400, 403, 404), path
            assert "the secret" not in answer.text and "root:" not in answer.text
    for path in ("/static/../../../../etc/passwd", "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd"):
        assert "root:" not in site.get(path).text


def test_a_link_that_leads_out_is_not_followed(site: Site, session: Session, secret: Path) -> None:
    link = session.folder / "link.txt"
    link.symlink_to(secret)
    folder = session.folder / "folder"
    folder.symlink_to(secret.parent)
    for path in (link, folder / secret.name):
        assert site.get(f"/gradio_api/file={path}").status_code == 403


def test_folders_are_not_listed(site: Site, session: Session) -> None:
    for folder in (session.folder, session.folder.parent, site.uploads):
        answer = site.get(f"/gradio_api/file={folder}")
        assert answer.status_code == 403
        assert session.token not in answer.text.replace(str(folder), "")


def test_a_token_is_not_told_to_another(site: Site) -> None:
    one, other = site.store.join(None), site.store.join(None)
    (one.folder / "own.txt").write_text("own")
    assert len(one.token) == 32 and one.token != other.token
    assert one.token not in str(one.folder)
    name = one.folder.name
    wrong = name[:-1] + ("0" if name[-1] != "0" else "1")
    assert site.get(f"/gradio_api/file={one.folder.with_name(wrong)}/own.txt").status_code == 403
    assert site.get(f"/gradio_api/file={other.folder}/own.txt").status_code == 403
    for page in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"):
        assert one.token not in site.get(page).text
    for each in (one, other):
        site.store.leave(each.token)


def test_the_scripts_of_the_pages_are_served_and_nothing_else_of_their_folder(site: Site) -> None:
    folder = f"/{scripts.PATH}/{scripts.digest()}"
    assert f"{folder.lstrip('/')}/studio.js" in site.get("/config").text
    for file in scripts.STATIC.iterdir():
        served = site.get(f"{folder}/{file.name}")
        if file.suffix != ".js":
            assert served.status_code == 404, file.name
            continue
        assert served.content == file.read_bytes()
        assert served.headers["content-type"].startswith("text/javascript")
        assert "immutable" in served.headers["cache-control"]
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in served.headers["content-security-policy"]
    for path in ("../scripts.py", "..%2fscripts.py", "%2e%2e/scripts.py", "..%5cscripts.py", "/etc/passwd", "", "."):
        assert site.get(f"{folder}/{path}").status_code == 404, path
    assert site.get(f"/{scripts.PATH}/{'0' * 16}/studio.js").status_code == 404
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert site.get(f"{folder}/studio.js", headers=foreign).status_code == 403


def test_pages_that_visitors_store_run_nothing(site: Site, session: Session) -> None:
    for name in ("page.html", "drawing.svg", "page.xhtml", "script.js"):
        (session.folder / name).write_text("<script>alert(1)</script>")
        served = site.get(f"/gradio_api/file={session.folder / name}").headers
        sandboxed = "sandbox" in served["content-security-policy"]
        assert sandboxed or served.get("content-disposition", "").startswith("attachment"), name
        assert served["x-content-type-options"] == "nosniff"


def test_the_folder_of_a_visitor_who_left_is_removed(site: Site) -> None:
    session = site.store.join(None)
    file = session.folder / "own.txt"
    file.write_text("own")
    site.store.leave(session.token)
    site.store.sweep()
    assert file.exists(), "forgotten too early"
    time.sleep(0.3)
    site.store.sweep()
    assert not session.folder.exists()
    assert site.get(f"/gradio_api/file={file}").status_code == 403


def test_what_lies_beside_the_visitors_folders_is_not_served(site: Site, session: Session) -> None:
    """The operator's own, where --out names a folder that holds more."""
    beside = site.store.root / "runs" / "trees"
    beside.mkdir(parents=True, exist_ok=True)
    hidden = session.folder.parent / "ledger.sqlite"
    for file in (beside / "picture.png", hidden):
        file.write_text("the secret")
        for path in (file, f"{session.folder}/../{file.relative_to(site.store.root)}"):
            for route in ("file=", "file/"):
                answer = site.get(f"/gradio_api/{route}{path}")
                assert answer.status_code == 403 and "the secret" not in answer.text
        file.unlink()
    shutil.rmtree(beside.parent)


@pytest.mark.parametrize(
    "path",
    [
        *("monitoring", "monitoring/summary", "gradio_api/dev/reload", "gradio_api/vibe-code", "gradio_api/runs"),
        *("gradio_api/deep_link?session_hash=x", "gradio_api/profiling/traces", "gradio_api/run-history/buckets"),
        *("gradio_api/custom_component/x/client/component/index.js", "gradio_api/stream/x/y/1/playlist.m3u8"),
    ],
)
def test_routes_that_no_page_needs_are_closed(site: Site, path: str) -> None:
    assert site.get(f"/{path}").status_code == 404
    assert site.get(f"/{path.replace('/', '//')}").status_code in (403, 404)


@pytest.mark.parametrize("route", ["process_recording", "component_server", "vibe-edit", "stream/x", "stream/x/close"])
def test_posts_that_no_page_needs_are_closed(site: Site, route: str) -> None:
    assert site.client.post(f"{site.address}/gradio_api/{route}", json={}).status_code == 404
    assert site.client.post(f"{site.address}/gradio_api/{route}", files={"a": b"x"}).status_code == 404
