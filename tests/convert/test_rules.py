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


def test_regular_expressions():
    rules = {"regex": {r"h\.(\d)\.(\w)": r"layer_\1/\2"}}
    assert "layer_2/w" in convert.apply(layers(), rules)


def test_a_rule_for_nothing_is_an_error_with_the_nearest_name():
    with pytest.raises(MapError, match=r"'h.0.v' is for nothing in 'model.bin'(?s:.*)h.0."):
        convert.apply(layers(), {"h.0.v": "x/w"})


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


def test_rules_lead_back():
    rules = Rules.of({"h.{i}.w | transpose": "layer_{i}/w", "h.{i}.b | permute(0)": "layer_{i}/b"})
    forth = convert.apply(layers(), rules)
    back = convert.apply(forth, rules.reversed())
    assert sorted(back) == sorted(layers())
    assert all(np.array_equal(back[n], layers()[n]) for n in back)
    with pytest.raises(MapError, match="no reverse"):
        Rules.of({"a | slice(0, 1)": "b"}).reversed()


def test_a_placeholder_may_stand_for_some_texts_only_and_rename_them():
    weights = file(**{"n.weight": np.ones((2, 3)), "n.bias": np.zeros(3), "n.other": np.ones(1)})
    rules = Rules.of({"rules": {"n.{p=weight:w,bias:b} | transpose": "norm/{p}"}, "options": {"rest": "drop"}})
    found = convert.apply(weights, rules)
    assert {n: found.shape(n) for n in found} == {"norm/w": (3, 2), "norm/b": (3,)}
    assert sorted(convert.apply(found, rules.reversed())) == ["n.bias", "n.weight"]


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
