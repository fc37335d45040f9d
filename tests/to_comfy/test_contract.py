"""The pack as ComfyUI and its registry see it: classes, inputs, outputs, and the files that describe it."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest

import intarsia
from intarsia.errors import Remedy, Setting
from tests.paths import ROOT
from to_comfy import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from to_comfy.texts import moves
from to_comfy.wording import GRAPH, INPUTS, MOVES

PACK = ROOT / "to_comfy"
SOCKETS = {"IMAGE", "MASK", "INTARSIA_MODELS"}
WIDGETS: dict[str, Any] = {"STRING": str, "INT": int, "FLOAT": (int, float), "BOOLEAN": bool}
NODES = pytest.mark.parametrize("node", NODE_CLASS_MAPPINGS.values(), ids=NODE_CLASS_MAPPINGS.keys())


def inputs_of(node: Any) -> dict[str, tuple[Any, ...]]:
    given = node.INPUT_TYPES()
    assert set(given) <= {"required", "optional"}
    return {**given["required"], **given.get("optional", {})}


def test_every_node_has_a_name_that_is_shown() -> None:
    assert set(NODE_CLASS_MAPPINGS) == set(NODE_DISPLAY_NAME_MAPPINGS)
    assert len(set(NODE_DISPLAY_NAME_MAPPINGS.values())) == len(NODE_CLASS_MAPPINGS) == 5


@NODES
def test_a_function_takes_the_inputs_with_their_defaults(node: Any) -> None:
    given = node.INPUT_TYPES()
    taken = inspect.signature(getattr(node, node.FUNCTION)).parameters
    assert list(taken) == ["self", *inputs_of(node)]
    for name in given["required"]:
        assert taken[name].default is inspect.Parameter.empty, name
    for name, (kind, options) in given.get("optional", {}).items():
        assert taken[name].default == (None if kind in [*SOCKETS] else options["default"]), name


@NODES
def test_inputs_are_of_kinds_that_comfyui_knows_and_say_what_they_are(node: Any) -> None:
    for name, (kind, options) in inputs_of(node).items():
        assert options["tooltip"].strip() and (name == "moves" or "--" not in options["tooltip"]), name
        if isinstance(kind, list):
            assert options["default"] in kind, name
        elif kind in SOCKETS:
            assert "default" not in options, name
        else:
            assert isinstance(options["default"], WIDGETS[kind]), name
            if kind in {"INT", "FLOAT"}:
                assert options["min"] <= options["default"] <= options["max"], name
    json.dumps(node.INPUT_TYPES())  # as ComfyUI sends them to its page


@NODES
def test_outputs_are_named_and_the_node_is_filed_and_described(node: Any) -> None:
    assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    assert set(node.RETURN_TYPES) <= SOCKETS | {"STRING"}
    assert len(getattr(node, "OUTPUT_TOOLTIPS", node.RETURN_TYPES)) == len(node.RETURN_TYPES)
    assert node.CATEGORY == "Intarsia"
    assert node.DESCRIPTION.endswith(".")
    returned = inspect.signature(getattr(node, node.FUNCTION)).return_annotation
    assert returned.count(",") == len(node.RETURN_TYPES) - 1


def test_comfyui_can_import_the_pack_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI's loader names a pack's module after its folder, dots and all replaced."""
    name = str(PACK).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert set(module.NODE_CLASS_MAPPINGS) == set(NODE_CLASS_MAPPINGS)
    for loaded in [m for m in sys.modules if m.startswith(f"{name}.")]:
        del sys.modules[loaded]


def test_importing_the_pack_needs_no_comfyui_and_no_networks() -> None:
    """ComfyUI imports every pack when it starts."""
    code = "import sys, to_comfy; print(sorted({'comfy', 'diffusers', 'transformers', 'gradio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_registry_finds_what_it_asks_for() -> None:
    """As https://docs.comfy.org/registry/specifications has it."""
    described = tomllib.loads((PACK / "pyproject.toml").read_text())
    project, comfy = described["project"], described["tool"]["comfy"]
    assert re.fullmatch(r"[a-z](?:[-_.]?[a-z0-9])*", project["name"]) and "comfyui" not in project["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == {"text": "Apache-2.0"}
    assert "Repository" in project["urls"]
    assert comfy["PublisherId"] and comfy["DisplayName"] and "Icon" in comfy


def test_the_pack_has_the_version_of_the_package_and_asks_for_it() -> None:
    project = tomllib.loads((PACK / "pyproject.toml").read_text())["project"]
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = (PACK / "requirements.txt").read_text().split()
    assert project["version"] == intarsia.__version__
    assert project["requires-python"] == package["requires-python"]
    assert project["dependencies"] == required
    assert required[0].startswith(f"intarsia>={intarsia.__version__},")


def test_the_readme_lists_the_nodes() -> None:
    readme = (PACK / "README.md").read_text()
    assert re.findall(r"^\| (.+? \(Intarsia\)) \|", readme, re.MULTILINE) == list(NODE_DISPLAY_NAME_MAPPINGS.values())


def test_a_remedy_names_inputs_that_there_are() -> None:
    there = {name for node in NODE_CLASS_MAPPINGS.values() for name in inputs_of(node)}
    assert there - INPUTS == {"image", "moves", "original", "edited"}
    assert there >= INPUTS


def test_errors_are_worded_for_a_graph() -> None:
    size, layout = Remedy(Setting("size", 512, verb="pass")), Remedy("pass ", Setting("layout"))
    assert GRAPH.sentence(["It is large", size, layout]) == 'It is large: set "size" to 512.'
    assert GRAPH.sentence(["It is large", layout]) == "It is large: change what the node is given."
    assert GRAPH.sentence([Setting("move"), " is odd."]) == "--move is odd."


def test_moves_are_read_as_the_command_line_reads_them() -> None:
    text = """--move cat=+120,0 'potted plant=-3,4'
        --scale "dog 1=1.5,1" --flip cat --move dog=0,9 --to=tree=3,4
        --remove 'dog 2'"""
    assert moves(text) == {
        "move": ("cat=+120,0", "potted plant=-3,4", "dog=0,9"),
        "scale": ("dog 1=1.5,1",),
        "flip": ("cat",),
        "to": ("tree=3,4",),
        "remove": ("dog 2",),
    }
    assert set(MOVES) == {"move", "to", "scale", "rotate", "flip", "copy", "remove", "front", "back"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  \n", "Nothing says where the objects go: write any of --move, "),
        ("cat=+1,0", "The moves begin with 'cat=\\+1,0', before anything says what it is for: write any of --move, "),
        ("--move cat=1,0 --layout a.png", "^--layout among the moves says nothing of where objects go"),
        ("--move", "^--move among the moves has nothing after it: write which object it is for.$"),
        ("--move 'cat=1,0", "^The moves have a quotation mark that is not closed: close it.$"),
    ],
)
def test_bad_moves_are_said_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(intarsia.LayoutError) as caught:
        moves(text)
    assert re.search(said, caught.value.message_for(GRAPH))
