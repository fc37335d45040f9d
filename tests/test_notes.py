import logging

from intarsia.errors import Remedy, Setting
from intarsia.notes import collected, note


def test_notes_are_collected_once_each_in_order():
    with collected() as said:
        note("One.")
        note("Two", Remedy("say it with ", Setting("box")))
        note("One.")
    assert said == ["One.", "Two: say it with --box."]


def test_where_nobody_collects_the_log_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        note("Something was left out.")
    assert "Something was left out." in caplog.text


def test_an_inner_collection_keeps_its_notes():
    with collected() as outer:
        with collected() as inner:
            note("Inside.")
        note("Outside.")
    assert (outer, inner) == (["Outside."], ["Inside."])
