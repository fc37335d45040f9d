"""Settings in groups: dotted names as nested objects, and defaults below what is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intarsia.errors import RecordError


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as groups: {"search.anchors": 3} -> {"search": {"anchors": 3}}.

    Raises:
        RecordError: a name is both a setting and a group.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        place = result
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise RecordError(f"{name!r} is set, but {group!r} is a setting and no group.")
        place[last] = value
    return result


def with_defaults(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and the defaults where they say nothing, group by group."""
    result = {**defaults, **values}
    for name, default in defaults.items():
        given = values.get(name)
        if isinstance(default, Mapping) and isinstance(given, Mapping):
            result[name] = with_defaults(default, given)
    return result
