"""Rules applied to a file: views, ties, and what no rule is for."""

import numpy as np
import pytest

from tenure import convert
from tenure.convert import MapError, Weights, held
from tenure.core.errors import TenureError


def file(ties=None, **values):
    return Weights("model.bin", "test", {name: held(np.asarray(value)) for name, value in values.items()}, ties)


def layers(n=3):
    return file(**{f"h.{i}.w": np.full((2, 3), i, "float32") for i in range(n)}, **{"h.0.b": np.zeros(3)})


def test_wide_numbers_stay_wide_through_views():
    wide = np.array([[1 + 1e-12, 2.0]])
    found = convert.apply(
        file(w=wide, i=np.array([2**40, 1])), {"w | split(2, 0, axis=1)": "a/w", "i | reorder(1, 0)": "a/i"}
    )
    assert found["a/w"].tolist() == [[1 + 1e-12]] and found["a/i"].tolist() == [1, 2**40]


def test_what_no_rule_is_for_is_an_error_unless_dropped_or_kept():
    with pytest.raises(MapError, match=r"no rule is for 1 of the 4(?s:.*)h.0.b"):
        convert.apply(layers(), {"h.{i}.w": "layer_{i}/w"})
    with pytest.raises(MapError, match=r"'drop' has '\*.bias'"):
        convert.apply(layers(), {"rules": {"h.{i}.w": "layer_{i}/w"}, "options": {"drop": ["*.bias"], "rest": "drop"}})
    rules = {"rules": {"h.{i}.w": "layer_{i}/w"}, "options": {"drop": ["*.b"]}}
    assert "h.0.b" not in convert.apply(layers(), rules)
    assert "h.0.b" in convert.apply(layers(), {"rules": rules["rules"], "options": {"rest": "keep"}})
    assert "h.0.b" not in convert.apply(layers(), {**rules, "options": {"rest": "drop"}})
    assert sorted(convert.apply(layers(), None)) == sorted(layers())


def test_two_rules_for_one_name_are_an_error():
    with pytest.raises(MapError, match="'x/w' is made twice"):
        convert.apply(layers(), {"h.{i}.w": "x/w", "h.0.b": "y/b"})


def test_a_view_that_does_not_fit_names_the_tensor_before_anything_is_read():
    with pytest.raises(MapError, match=r"split\(5, 0\)(?s:.*)h.0.w(?s:.*)x/w"):
        convert.apply(layers(1), {"h.0.w | split(5, 0)": "x/w", "h.0.b": "x/b"})


def test_a_tie_of_the_file_becomes_a_tie_of_the_new_names_through_both_views():
    weights = file({"head": "embed"}, embed=np.arange(6.0).reshape(2, 3))
    found = convert.apply(weights, {"embed": "embed/w", "head | transpose": "head/w"})
    assert found.ties == {"head/w": "embed/w | transpose"}
    found = convert.apply(weights, {"embed | transpose": "embed/w", "head | transpose": "head/w"})
    assert found.ties == {"head/w": "embed/w"}
    found = convert.apply(weights, {"head | transpose": "head/w", "embed": "embed/w"})
    assert found.ties == {"head/w": "embed/w | transpose"} and list(found.tensors) == ["embed/w"]
    assert convert.apply(weights, {"embed": "embed/w"}).ties == {}
    alone = convert.apply(weights, {"rules": {"head | transpose": "head/w"}, "options": {"rest": "drop"}})
    assert alone.ties == {} and alone["head/w"].shape == (3, 2)


def test_a_tie_without_a_way_back_is_filled():
    weights = file({"head": "embed"}, embed=np.arange(6.0).reshape(2, 3))
    found = convert.apply(weights, {"embed | slice(0, 1)": "embed/w", "head": "head/w"})
    assert found.ties == {} and found["head/w"].shape == (2, 3)


def test_ties_in_the_rules():
    rules = {"rules": {"e": "embed/w"}, "ties": {"head/w": "embed/w | transpose"}}
    found = convert.apply(file(e=np.ones((2, 3))), rules)
    assert found["head/w"].shape == (3, 2) and found.ties == rules["ties"]
    twice = {"rules": {"e": "embed/w", "h": "head/w"}, "ties": rules["ties"]}
    assert convert.apply(file(e=np.ones((2, 3)), h=np.ones((3, 2))), twice).ties == rules["ties"]
    with pytest.raises(MapError, match=r"two different values \(max\|Δ\| 1\)"):
        convert.apply(file(e=np.ones((2, 3)), h=np.zeros((3, 2))), twice)
    with pytest.raises(MapError, match="there is no 'embd/w'"):
        convert.apply(file(e=np.ones((2, 3))), {**rules, "ties": {"head/w": "embd/w"}})


def test_a_tie_in_a_circle_and_one_that_leads_nowhere_are_refused():
    with pytest.raises(TenureError, match="a → b → a"):
        file({"a": "b", "b": "a"})
    with pytest.raises(TenureError, match="no 'c'"):
        file({"a": "c"})


def test_a_tie_of_the_rules_in_a_circle_is_the_fault_of_the_rules():
    for ties in ({"a": "a"}, {"a": "b", "b": "a"}):
        with pytest.raises(MapError, match="the rules: the tie of 'a' leads back to itself"):
            convert.apply(
                Weights("", "", {"a": held(np.ones(2)), "b": held(np.ones(2))}),
                {"options": {"rest": "keep"}, "ties": ties},
            )
