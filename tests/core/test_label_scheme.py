"""A label scheme is whole, or it is refused in a sentence that names what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from core.label_scheme import (
    BAD_SIGNAL,
    COLOURS,
    LabelClass,
    LabelScheme,
    bad_signal_class,
    load_scheme,
    scheme_about,
    scheme_for,
    scheme_from_document,
    scheme_names,
)


def document(**changes: Any) -> dict[str, Any]:
    classes = [{"name": "rest", "colour": "#0072B2", "keys": ["r"]}]
    return {"classes": classes, "epoch_s": 30, **changes}


@pytest.mark.parametrize("name", scheme_names())
def test_every_preset_is_usable(name: str) -> None:
    scheme = load_scheme(name)
    assert len(scheme.states) >= 2
    assert scheme.find(BAD_SIGNAL) is not None
    assert scheme_about(name)
    for entry in scheme.classes:
        for key in entry.keys:
            assert scheme.by_key(key) == entry
            assert scheme.by_key(key.lower()) == entry
    # Two states that look alike would be taken for one another.
    assert len({c.colour.upper() for c in scheme.classes}) == len(scheme.classes)


@pytest.mark.parametrize("name", scheme_names())
def test_a_scheme_survives_json(name: str) -> None:
    scheme = load_scheme(name)
    assert scheme_from_document(json.loads(json.dumps(scheme.to_document()))) == scheme


def test_an_unknown_preset_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no label scheme 'aasm'; there are .*sleep_aasm"):
        load_scheme("aasm")


def test_kinds_are_told_apart() -> None:
    scheme = load_scheme("sleep_aasm")
    assert [c.name for c in scheme.states] == ["W", "R", "N1", "N2", "N3"]
    assert [c.name for c in scheme.marks] == ["Lights off", "Lights on"]
    assert {c.kind for c in scheme.events} == {"event"}
    assert scheme.find("N4") is None
    assert scheme.by_key("§") is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "an object with a list of classes"),
        ({"epoch_s": 30}, "list of classes"),
        (document(classes={}), "list of classes"),
        (document(epochs=3), "no key 'epochs'"),
        (document(epoch_s=0), "0 s cannot be"),
        (document(epoch_s=1e6), "cannot be"),
        (document(epoch_s="long"), "cannot be used"),
        (document(epoch_s=None), "cannot be used"),
        (document(epoch_s=float("nan")), "cannot be"),
        (document(page_s="x"), "cannot be used"),
        (document(classes=["rest"]), "cannot be used"),
        (document(classes=[{"name": "rest"}]), "colour"),
        (document(classes=[{"name": " ", "colour": "#000000"}]), "needs a name"),
        (document(classes=[{"name": "a ", "colour": "#000000"}]), "without blanks"),
        (document(classes=[{"name": "a", "colour": "red"}]), "no colour"),
        (document(classes=[{"name": "a", "colour": "#0000000"}]), "no colour"),
        (document(classes=[{"name": "a", "colour": "#000000", "kind": "x"}]), "kind is one of"),
        (document(classes=[{"name": "a", "colour": "#000000", "keys": ["F1"]}]), "no key"),
        (document(classes=[{"name": "a", "colour": "#000000", "keys": ["ä"]}]), "no key"),
        (document(classes=[{"name": "a", "colour": "#000000", "keys": [" "]}]), "no key"),
        (document(classes=[{"name": "a", "colour": "#000000"}] * 2), "class 'a' is there twice"),
        (
            document(
                classes=[
                    {"name": "a", "colour": "#000000", "keys": ["x"]},
                    {"name": "b", "colour": "#000001", "keys": ["X"]},
                ]
            ),
            "key 'X' is there twice",
        ),
    ],
)
def test_a_wrong_scheme_is_refused_with_where_and_why(wrong: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        scheme_from_document(wrong, "my.json")
    assert str(caught.value).startswith("my.json: ")


def test_further_classes_get_free_colours_and_keys() -> None:
    scheme = load_scheme("sleep_aasm").with_classes(["Artefact", "Snoring", "N4"], "event")
    assert scheme.with_classes(["Snoring"]) == scheme
    assert [c.name for c in scheme.classes[-2:]] == ["Snoring", "N4"]
    assert scheme.classes[-2].keys == ("S",)
    assert scheme.classes[-2].kind == "event"


@given(st.lists(st.text(min_size=1, max_size=4).map(str.strip).filter(bool), max_size=60))
@settings(deadline=None, max_examples=60)
def test_any_names_make_a_scheme(names: list[str]) -> None:
    scheme = scheme_for(names, 12.5)
    assert scheme.epoch_s == 12.5
    wanted = {name for name in names if name != BAD_SIGNAL}
    assert wanted <= {c.name for c in scheme.states}
    assert scheme.find(BAD_SIGNAL) is not None
    colours = [c.colour for c in scheme.states]
    assert len(set(colours)) == min(len(colours), len(COLOURS))


def test_names_of_a_preset_take_its_looks() -> None:
    scheme = scheme_for(["N2", "W", "", "N2"], 20)
    assert scheme == replace(load_scheme("sleep_aasm"), epoch_s=20)
    other = scheme_for(["N2", "Movement"], 20)
    assert [c.name for c in other.classes] == ["N2", "Movement", BAD_SIGNAL]


def test_a_study_without_names_has_bad_signal_alone() -> None:
    assert scheme_for([], 30).classes == (bad_signal_class(),)


def test_keys_are_upper_case_however_they_came() -> None:
    scheme = LabelScheme((LabelClass("a", "#000000", ("q",)),), 30)
    assert scheme.classes[0].keys == ("Q",)
    assert scheme.by_key("q") == scheme.by_key("Q") == scheme.classes[0]
