"""The project's habits: what releases refuse, and what the hosted CI may do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RELEASED = "# Changelog\n\n## 0.1.0 - 2026-01-01\n"
NAMED = "cff-version: 1.2.0\nversion: 0.1.0\n"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "tag.gpgSign=false")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of a package called 0.1.0, which is ready for its release but for what can be built."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release", tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(RELEASED)
    (tmp_path / "CITATION.cff").write_text(NAMED)
    (tmp_path / ".gitignore").write_text("dist/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def release(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "DRY": "", **settings}
    return subprocess.run([".ci/release"], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("CHANGELOG.md", "# Changelog\n\n## 0.0.9 - 2025-01-01\n", "no heading '## 0.1.0 - DATE'"),
        ("CHANGELOG.md", "# Changelog\n\n## 0.1.0 - unreleased\n", "calls 0.1.0 unreleased"),
        ("CITATION.cff", "cff-version: 1.2.0\nversion: 0.0.9\n", "does not say 'version: 0.1.0'"),
    ],
)
def test_a_release_wants_its_version_in_every_place(project: Path, file: str, text: str, said: str) -> None:
    (project / file).write_text(text)
    git(project, "commit", "--quiet", "--all", "--message", "Change")
    done = release(project)
    assert done.returncode == 1
    assert said in done.stderr
    assert git(project, "tag") == ""


def test_a_release_wants_a_clean_tree_and_a_new_tag(project: Path) -> None:
    (project / "new.py").touch()
    assert "not committed" in release(project).stderr
    (project / "new.py").unlink()
    git(project, "tag", "v0.1.0")
    assert "the tag v0.1.0 exists" in release(project).stderr


@pytest.mark.parametrize(("dry", "tags"), [("1", ""), ("", "v0.1.0")])
def test_a_release_is_built_and_checked_before_it_is_tagged(project: Path, dry: str, tags: str) -> None:
    """With a stand-in for build and twine that notes what it was asked."""
    python = project / "dist-python"
    python.write_text(
        f'#!/bin/sh\ncase "$2" in build) echo build; mkdir -p dist; touch dist/a.whl;; '
        f'twine) test -z "$(git tag)" && echo "$@";; *) exec "{sys.executable}" "$@";; esac\n'
    )
    python.chmod(0o755)
    (project / ".gitignore").write_text("dist*\n")
    git(project, "commit", "--quiet", "--all", "--message", "Ignore")
    done = release(project, PYTHON=str(python), DRY=dry)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["build", "-m twine check --strict dist/a.whl"]
    assert git(project, "tag") == tags


def test_the_hosted_ci_reads_the_repository_and_runs_what_is_run_here() -> None:
    workflow: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as true


def test_once_a_week_all_tests_are_run() -> None:
    workflow: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"} and "schedule" in workflow[True]
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make browser", "make test-all"]


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda f: f.stem)
def test_issue_forms_have_what_a_form_needs(file: Path) -> None:
    form = yaml.safe_load(file.read_text())
    if file.stem == "config":
        assert form == {"blank_issues_enabled": False}
        return
    assert {"name", "description", "body"} <= set(form)
    asked = [field["id"] for field in form["body"]]
    assert len(set(asked)) == len(asked)
    for field in form["body"]:
        assert field["attributes"]["label"]
        assert field["type"] in {"textarea", "input", "dropdown", "checkboxes"}


def test_hooks_fetch_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert {hook["language"] for repository in hooks["repos"] for hook in repository["hooks"]} <= {"system", "pygrep"}
