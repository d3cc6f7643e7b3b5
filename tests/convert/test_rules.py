"""Rules: theirs | view → ours, with placeholders, stacks, ties, and errors that name the rule and the nearest name."""

import numpy as np
import pytest

from tenure import convert
from tenure.convert import MapError, Rules, Weights, held
from tenure.core.errors import TenureError


def file(ties=None, **values):
    return Weights("model.bin", "test", {name: held(np.asarray(value)) for name, value in values.items()}, ties)


def layers(n=3):
    return file(**{f"h.{i}.w": np.full((2, 3), i, "float32") for i in range(n)}, **{"h.0.b": np.zeros(3)})


def test_a_placeholder_stands_for_one_part_of_a_name():
    rules = {"h.{i}.w | transpose": "layer_{i}/linear/w", "h.{i}.b": "layer_{i}/linear/b"}
    found = convert.apply(layers(), rules)
    assert sorted(found) == ["layer_0/linear/b", "layer_0/linear/w", "layer_1/linear/w", "layer_2/linear/w"]
    assert found["layer_2/linear/w"].shape == (3, 2) and found.tensors["layer_2/linear/w"].shape == (3, 2)


def test_a_star_stacks_in_the_order_of_numbers():
    found = convert.apply(layers(12), {"h.{*}.w": "stack/w", "h.0.b": "b/x"})
    assert found["stack/w"].shape == (12, 2, 3) and found["stack/w"][:, 0, 0].tolist() == list(range(12))
    with pytest.raises(MapError, match="gaps"):
        convert.apply(file(**{"h.0.w": np.ones(2), "h.2.w": np.ones(2)}), {"h.{*}.w": "stack/w"})
    with pytest.raises(MapError, match="cannot be stacked"):
        convert.apply(file(**{"h.0.w": np.ones(2), "h.1.w": np.ones(3)}), {"h.{*}.w": "stack/w"})


def test_one_tensor_may_be_the_source_of_several_and_several_of_one():
    qkv = np.arange(12.0).reshape(6, 2)
    found = convert.apply(file(qkv=qkv), {f"qkv | split(3, {i})": f"{n}/w" for i, n in enumerate("qkv")})
    assert np.array_equal(found["k/w"], qkv[2:4])
    found = convert.apply(file(a=qkv, b=qkv), {"a | concat('b | transpose | transpose', axis=1) | transpose": "x/w"})
    assert np.array_equal(found["x/w"], np.concatenate([qkv, qkv], 1).T) and found.tensors["x/w"].shape == (4, 6)


def test_wide_numbers_stay_wide_through_views():
    wide = np.array([[1 + 1e-12, 2.0]])
    found = convert.apply(
        file(w=wide, i=np.array([2**40, 1])), {"w | split(2, 0, axis=1)": "a/w", "i | reorder(1, 0)": "a/i"}
    )
    assert found["a/w"].tolist() == [[1 + 1e-12]] and found["a/i"].tolist() == [1, 2**40]


def test_regular_expressions():
    rules = {"regex": {r"h\.(\d)\.(\w)": r"layer_\1/\2"}}
    assert "layer_2/w" in convert.apply(layers(), rules)


def test_a_rule_for_nothing_is_an_error_with_the_nearest_name():
    with pytest.raises(MapError, match=r"'h.0.v' is for nothing in 'model.bin'(?s:.*)h.0."):
        convert.apply(layers(), {"h.0.v": "x/w"})


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


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"rules": {"a": 3}}, "table of texts"),
        ({"rles": {}}, r"table \[rles\](?s:.*)rules"),
        ({"rules": {"a | transpos": "b"}}, "no view 'transpos'"),
        ({"rules": {"a": "b_{i}"}}, "in its new name only"),
        ({"regex": {"(": "b"}}, "is no pattern"),
        ({"options": {"rest": "perhaps"}}, "'rest' is one of"),
        ({"options": {"drop": "x"}}, "'drop' is a list"),
        ({"options": {"x": 1}}, "'drop' and 'rest' only"),
    ],
)
def test_rules_that_cannot_be_read(tables, said):
    with pytest.raises(TenureError, match=said):
        Rules.of(tables)


def test_rules_from_toml(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('[rules]\n"h.{i}.w | transpose" = "layer_{i}/w"\n[options]\nrest = "drop"\n')
    assert convert.apply(layers(), Rules.read(path))["layer_0/w"].shape == (3, 2)
    path.write_text("[rules\n")
    with pytest.raises(MapError, match="not TOML"):
        Rules.read(path)
    with pytest.raises(MapError, match="cannot be read"):
        Rules.read(tmp_path / "none.toml")


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


def test_rules_lead_back():
    rules = Rules.of({"h.{i}.w | transpose": "layer_{i}/w", "h.{i}.b | permute(0)": "layer_{i}/b"})
    forth = convert.apply(layers(), rules)
    back = convert.apply(forth, rules.reversed())
    assert sorted(back) == sorted(layers())
    assert all(np.array_equal(back[n], layers()[n]) for n in back)
    with pytest.raises(MapError, match="no reverse"):
        Rules.of({"a | slice(0, 1)": "b"}).reversed()


def test_a_tie_in_a_circle_and_one_that_leads_nowhere_are_refused():
    with pytest.raises(TenureError, match="a → b → a"):
        file({"a": "b", "b": "a"})
    with pytest.raises(TenureError, match="no 'c'"):
        file({"a": "c"})


def test_a_placeholder_may_stand_for_some_texts_only_and_rename_them():
    weights = file(**{"n.weight": np.ones((2, 3)), "n.bias": np.zeros(3), "n.other": np.ones(1)})
    rules = Rules.of({"rules": {"n.{p=weight:w,bias:b} | transpose": "norm/{p}"}, "options": {"rest": "drop"}})
    found = convert.apply(weights, rules)
    assert {n: found.shape(n) for n in found} == {"norm/w": (3, 2), "norm/b": (3,)}
    assert sorted(convert.apply(found, rules.reversed())) == ["n.bias", "n.weight"]


def test_a_tie_of_the_rules_in_a_circle_is_the_fault_of_the_rules():
    for ties in ({"a": "a"}, {"a": "b", "b": "a"}):
        with pytest.raises(MapError, match="the rules: the tie of 'a' leads back to itself"):
            convert.apply(
                Weights("", "", {"a": held(np.ones(2)), "b": held(np.ones(2))}),
                {"options": {"rest": "keep"}, "ties": ties},
            )


def test_what_is_wrong_in_a_rule_names_the_file_and_the_rule(tmp_path):
    path = tmp_path / "rules.toml"
    for rules, said in {
        '[rules]\n"a | nix" = "x"': r"rules\.toml: the rule 'a | nix': there is no view 'nix'",
        '[rules]\n"a | transpose(" = "x"': r"rules\.toml: the rule 'a | transpose\('",
        '[ties]\n"x" = "a | nix"': r"rules\.toml: the tie of 'x': there is no view 'nix'",
    }.items():
        path.write_text(rules)
        with pytest.raises(TenureError, match=said.replace("|", r"\|")):
            convert.Rules.read(path)
    for junk in ("junk", [1], {3: "x"}):
        with pytest.raises(MapError, match="rules are a dict of texts"):
            convert.Rules.of(junk)
