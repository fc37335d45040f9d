"""The documentation names what there is, and all that there is."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from docs import settings
from intarsia.backbones import CATALOG
from intarsia.records.arrange import ArrangeRecord, ComposeSettings, GuideSettings, LearnSettings
from intarsia.records.edit import EditRecord, FitSettings, ScoreSettings, SearchSettings
from intarsia.records.remove import RemoveRecord
from tests.paths import ROOT

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]

# Every flag of the published commands: the parsers of train.py, run_learning.py, run_sample.py and retrieve.py.
PUBLISHED = """
--run_name --nodes --image_size --image_dir_path --image_file_path --image_caption --editing_prompt --json_file
--draw_box --diffusion_model_path --save_path --load_checkpoint_path --access_token --output_dir --device --batch_size
--accum_grad --epochs --per_image_iteration --loss_alpha --loss_beta --loss_gamma --test_alpha --test_beta
--ckpt_interval --lr --max_window_size --point_number --num_workers --seed --pin_mem --world_size --local_rank
--dist_on_itp --dist_url

--save_steps --prior_loss_weight --with_prior_preservation --freeze_model --pretrained_model_name_or_path --revision
--tokenizer_name --iv_modifier_tokens --iv_initializer_tokens --resolution --iv_train_batch_size --ft_train_batch_size
--iv_max_train_steps --ft_max_train_steps --iv_gradient_accumulation_steps --ft_gradient_accumulation_steps
--gradient_checkpointing --iv_lr --ft_lr --scale_lr --lr_scheduler --lr_warmup_steps --dataloader_num_workers
--adam_beta1 --adam_beta2 --adam_weight_decay --adam_epsilon --push_to_hub --hub_token --hub_model_id --logging_dir
--mixed_precision --allow_tf32 --report_to --train_prompt --num_validation_images --checkpointing_steps
--checkpoints_total_limit --enable_xformers_memory_efficient_attention --image_path --mask_image --semantic_dict
--addition_tokens --lambda_factor --prompt --target_layout --delta_ckpt --blend_steps --target_name --outpath
--num_class_images
"""


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (EditRecord, ""),
        (SearchSettings, "search."),
        (ScoreSettings, "score."),
        (FitSettings, "fit."),
        (ArrangeRecord, ""),
        (ComposeSettings, "compose."),
        (GuideSettings, "guide."),
        (LearnSettings, "learn."),
        (RemoveRecord, ""),
    ],
)
def test_every_setting_is_in_the_reference_with_its_default(kind: type, prefix: str) -> None:
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default):
            continue
        default = "required" if field.default is dataclasses.MISSING else repr(field.default)
        assert f"| `{prefix}{field.name}` | `{default}` |" in REFERENCE, f"docs/reference.md lacks {prefix}{field.name}"


def test_the_reference_says_what_the_records_say() -> None:
    """Its tables are generated; `make reference` writes them."""
    assert settings.current(REFERENCE) == REFERENCE
    assert REFERENCE.count(settings.BEGIN) == REFERENCE.count(settings.END) == 1


def test_an_old_reference_is_noticed() -> None:
    stale = REFERENCE.replace("| `steps` | `30` |", "| `steps` | `31` |")
    assert stale != REFERENCE
    assert settings.current(stale) == REFERENCE


def number(text: str | None, like: object) -> float | None:
    """A bound as the reference says it, of the type of the setting's default."""
    return None if text is None else float(text) if isinstance(like, float) or "." in text else int(text)


BOUND = re.compile(r"(between|at least|above) ([\d.]+)(?: \(off\))?(?: and (?:up to )?([\d.]+))?")


@pytest.mark.parametrize(
    ("record", "kind", "prefix"), [(r, k, p) for r in settings.REQUIRED for k, p in settings.groups(r)]
)
def test_ranges_in_the_reference_are_those_that_the_records_hold_to(record: type, kind: type, prefix: str) -> None:
    """A value at each end is taken, and one beyond it refused."""
    rows = re.findall(r"\| `([\w.]+)` \| `[^`]*` \| ([^|]*) \|", settings.table(record, kind, prefix))
    ranges = {name.removeprefix(prefix): BOUND.match(allowed) for name, allowed in rows}
    bounded = [f for f in dataclasses.fields(kind) if ranges.get(f.name) and not isinstance(f.default, tuple)]
    for field in bounded:
        bound = ranges[field.name]
        assert bound is not None
        least, most = number(bound[2], field.default), number(bound[3], field.default)
        assert least is not None
        inside = least + 0.01 if bound[1] == "above" else least
        assert settings.refusal(record, prefix, field.name, inside) is None, field.name
        assert settings.refusal(record, prefix, field.name, least - 1), field.name
        if most is not None:
            assert settings.refusal(record, prefix, field.name, most) is None, field.name
            assert settings.refusal(record, prefix, field.name, most + 1), field.name
    assert bounded or kind is ScoreSettings


@pytest.mark.parametrize("flag", PUBLISHED.split())
def test_every_published_flag_is_in_the_reference(flag: str) -> None:
    section = REFERENCE.partition("## The published commands")[2].partition("\n## ")[0]
    first_cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("|")]
    assert any(re.search(rf"{flag}\b", cell) for cell in first_cells)


def anchor(heading: str) -> str:
    """The fragment that code hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = page.parent / name if name else page
        assert file.is_file(), f"{page.name} links to {target}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{page.name} links to {target}"


def test_every_page_is_on_the_site() -> None:
    listed = (ROOT / "docs" / "index.md").read_text().partition("{toctree}")[2].split()
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} == {"index"} | {w for w in listed if w.isalpha()}


def test_every_target_of_the_makefile_in_the_documents_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text())) | set(
            re.findall(r"^    make ([a-z-]+)", page.read_text(), re.MULTILINE)
        )
        assert named <= targets, page.name


def test_the_citation_says_the_version_and_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == declared["version"]
    assert citation["license"] == declared["license"]
    assert {i["value"] for paper in citation["references"] for i in paper["identifiers"]} == {
        "arXiv:2311.16432",
        "arXiv:2306.13078",
    }


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--nitpicky", "--quiet", "docs", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.glob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(\w+:)?//', page.read_text())
        assert not loaded, f"{page.name} loads from elsewhere"


def test_every_checkpoint_of_the_catalogue_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    assert [name for name in CATALOG if f"`{name}`" not in page and f'"{name}"' not in page] == []
