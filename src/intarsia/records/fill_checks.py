"""What the records check of a fill that is a network of the user's own."""

from __future__ import annotations

from intarsia.errors import Remedy, Setting
from intarsia.records.checks import Check

OWN_NETWORKS = ("lama", "migan")
"""Fills that are a network of the user's own."""


def own_network_checks(fill: str, fill_model: str | None) -> tuple[Check, ...]:
    """That a network of the user's own comes with its file, and no other fill does."""
    own = fill in OWN_NETWORKS
    return (
        (
            fill_model is not None or not own,
            (
                f"The fill {fill} is a network of your own, but its file is not given",
                Remedy("pass it with ", Setting("fill_model", "FILE"), page="choose another fill"),
            ),
        ),
        (
            fill_model is None or own,
            (
                f"A network's file is given, but the fill is {fill}, which has none",
                Remedy("say what it is with ", Setting("fill", "lama"), " or ", Setting("fill", "migan")),
                Remedy("leave out ", Setting("fill_model")),
            ),
        ),
    )
