"""References are data: `Ref.parse(str(ref)) == ref`, `Ref.from_json(ref.to_json()) == ref`."""

import copy
import itertools
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import tenure as tn
from tenure import nn
from tenure.core.errors import PathSyntaxError, TenureError, ViewSyntaxError
from tenure.core.notation import views
from tenure.core.notation.refs import Ref
from tests.core.views_strategies import references


@settings(max_examples=100, deadline=None)
@given(references())
def test_there_and_back(ref):
    assert Ref.parse(str(ref)) == ref
    assert Ref.from_json(ref.to_json()) == ref
    assert Ref.from_json(json.loads(ref.to_json())) == ref
    assert Ref.parse(ref) is ref
    assert hash(Ref.parse(str(ref))) == hash(ref)
    assert pickle.loads(pickle.dumps(ref)) == ref and copy.deepcopy(ref) == ref
    assert repr(ref) == str(ref)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("embed/w", Ref("embed/w")),
        ("/embed/w", Ref("embed/w", (), True)),
        ("  /embed/w|transpose  ", Ref("embed/w", (views.Transpose(),), True)),
        ("w | index(0) | transpose", Ref("w", (views.Index(0), views.Transpose()))),
        (
            "w | concat('a | transpose', \"b | cast('int32')\")",
            Ref("w", (views.Concat("a | transpose", "b | cast('int32')"),)),
        ),
        ("a/~/b/w", Ref("a/~/b/w")),
    ],
)
def test_parse(text, expected):
    assert Ref.parse(text) == expected


def test_quotes_of_both_kinds_and_escapes_survive():
    inner = Ref.parse("a | concat(\"b | concat('c | cast(\\\\'int32\\\\')')\")")
    outer = Ref("x", (views.Concat(inner), views.Concat(Ref("y", (views.Concat(inner),)))))
    assert Ref.parse(str(outer)) == outer and Ref.from_json(outer.to_json()) == outer


def test_building():
    ref = Ref.parse("embed/w")
    assert ref.T == Ref.parse("embed/w | transpose") == ref | views.transpose() == ref | "transpose"
    assert ref | "transpose | scale(2)" == ref.T | views.Scale(2) == Ref.parse("embed/w | transpose | scale(2)")
    assert (ref | ["index", {"i": 0}]) == Ref.parse("embed/w | index(0)")
    assert ref.T.T != ref, "views are kept as written"
    with pytest.raises(AttributeError):
        ref.path = "x"


def test_the_reference_of_a_module():
    def model():
        class Layer(tn.Module):
            pass

        layer = Layer()
        refs.extend([layer.ref("w"), layer.ref("inner/w")])
        with pytest.raises(PathSyntaxError):
            layer.ref("w | transpose")

    refs = []
    tn.transform(model).plan()
    assert list(map(str, refs)) == ["/layer/w", "/layer/inner/w"]


@pytest.mark.parametrize("use", [np.asarray, jnp.asarray, lambda ref: np.ones(2) + ref])
def test_a_reference_is_no_value(use):
    with pytest.raises(TenureError, match="is not a value"):
        use(Ref.parse("embed/w").T)


@pytest.mark.parametrize(
    "text",
    ["", "|", "a |", "| a", "a | | b", "//a", "a/", "a b", "a | transpose |", "a | (", "a | index(0", "a | cast('int32)", "a | cast(\"int32')", "a)b",
     "a | transpose; b", "a\0b", "a | concat('a' | 'b')", "'", "a | '\\", "/", "a | index(0)index(1)"],
    ids=itertools.count(),
)  # fmt: skip
def test_strings_that_are_no_references(text):
    with pytest.raises(TenureError) as caught:
        Ref.parse(text)
    assert caught.value.ways


@pytest.mark.parametrize("value", [None, 3, b"a/w", ["a"], {"path": "a"}, jnp.ones(2), views.Transpose()])
def test_objects_that_are_no_references(value):
    with pytest.raises(PathSyntaxError):
        Ref.parse(value)


@pytest.mark.parametrize(
    "data",
    ["", "3", "null", "[]", "{}", '{"path": 3}', '{"path": "a b"}', '{"path": "a", "views": 3}', '{"path": "a", "views": ["x"]}', '{"path": "a", "views": {"x": 1}}',
     '{"path": "a", "views": [["foo", {}]]}', "{" * 10**5, "[" * 10**5, '{"path": ' + "1" * 5000 + "}", None, 3, {"path": None}, {"path": "a", "views": None}, b"\xff"],
    ids=itertools.count(),
)  # fmt: skip
def test_data_that_is_no_reference(data):
    with pytest.raises(TenureError) as caught:
        Ref.from_json(data)
    assert caught.value.ways and len(str(caught.value)) < 600


def test_a_long_string_is_refused_quickly():
    with pytest.raises(ViewSyntaxError, match="characters"):
        Ref.parse("a | index(" + "0," * 10**6 + ")")
    with pytest.raises(TenureError):
        Ref.parse("(" * 10**6)


KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def test_ledger_of_references_indexed_as_arrays():
    def f(x):
        fused = nn.Linear(12, with_bias=False, name="qkv")
        w = fused.ref("w")
        views = {"q": w[:, :4], "k": w[..., 4:8], "v": w[:, -4:], "every": w[1:3, :3], "row": w[2:, -1:]}
        out = {n: nn.Linear(v, with_bias=False, name=n, share={"w": r})(x[:, :s]) for n, r, v, s in SIZES(views)}
        return fused(x), out

    def SIZES(views):
        sizes = {"q": (4, 4), "k": (4, 4), "v": (4, 4), "every": (3, 2), "row": (1, 2)}
        return [(name, ref, *sizes[name]) for name, ref in views.items()]

    model = tn.transform(f)
    params = model.init(KEY, X)
    w = params["qkv"]["w"]
    _, out = model.apply(params, None, X)
    wanted = {"q": w[:, :4], "k": w[:, 4:8], "v": w[:, 8:], "every": w[1:3, :3], "row": w[2:, -1:]}
    for name, value in wanted.items():
        assert jnp.allclose(out[name], X[:, : value.shape[0]] @ value, atol=1e-6), name


@pytest.mark.parametrize(
    "index, text",
    [
        (3, "a/w | index(3)"),
        (-1, "a/w | index(-1)"),
        (np.int64(2), "a/w | index(2)"),
        ((slice(None), 2), "a/w | index(2, axis=1)"),
        ((..., 2), "a/w | index(2, axis=-1)"),
        (slice(0, 40), "a/w | slice(0, 40)"),
        ((slice(None), slice(None, 40)), "a/w | slice(0, 40, axis=1)"),
        ((..., slice(40, 80)), "a/w | slice(40, 80, axis=-1)"),
        ((0, slice(1, 3)), "a/w | slice(1, 3, axis=1) | index(0)"),
        (slice(None), "a/w"),
        (..., "a/w"),
    ],
)
def test_an_index_is_a_view_that_prints_and_parses(index, text):
    ref = tn.Ref.parse("a/w")[index]
    assert str(ref) == text and tn.Ref.parse(str(ref)) == ref and tn.Ref.from_json(ref.to_json()) == ref


@pytest.mark.parametrize(
    "index", [None, "w", [1, 2], (slice(None), None), 2.5, True, (..., ...), np.ones(2), slice(0, 4, 2)]
)
def test_an_index_that_is_no_view_is_refused(index):
    with pytest.raises(tn.TenureError, match="index|slice") as error:
        tn.Ref.parse("a/w")[index]
    assert "a/w" in str(error.value)


def test_a_reference_is_no_sequence():
    with pytest.raises(tn.TenureError, match="not a value"):
        list(tn.Ref.parse("a/w"))
