"""Labels and help of settings, read from the records' own fields."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap


@functools.cache
def field_help(kind: type) -> dict[str, str]:
    """The line of help under each field of a record, by the field's name.

    Args:
        kind: a dataclass whose fields are followed by a string, as all records are written.
    """
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Constant):
            texts[field.target.id] = inspect.cleandoc(str(text.value))
    return texts


def label(name: str) -> str:
    """The label of a field: negative_prompt is Negative prompt."""
    return name.replace("_", " ").capitalize()
