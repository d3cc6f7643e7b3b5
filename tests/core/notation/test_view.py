"""The view as data: how it is written, parsed and refused."""

import itertools
import threading

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import UnknownViewError, ViewSyntaxError
from tenure.core.notation import views
from tests.core.notation.arrays import ALL


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "index", "index()", "index(1, 2, 3)", "index('a')", "index(1.0)", "index(True)", "index(None)", "index(i=1, i=2)",
        "index(1, i=2)", "index(1, axs=0)", "index(99999999999999999999)", "index(0x" + "f" * 5000 + ")", "permute(0, 0)", "permute(0, 2)",
        "permute(0.5)", "permute('01')", "permute(0, order=[1])", "permute(order=1)", "permute(order='10')", "reshape(a)",
        "reshape(True)", "slice(0, 4, 1, 2)", "slice(axis=0)", "split(3)", "concat()", "concat(3)", "concat('a b')", "concat('a |')",
        "concat('a | foo')", "cast()", "cast(3)", "cast('float')", "cast('foo')", "cast(object)", "cast(None)", "cast('sin')", "cast('S3')",
        "scale('2')", "scale(True)", "scale(nan)", "scale(1e999)", "scale(1j)", "scale(-inf)", "einops()", "einops(3)", "einops('a b')",
        "einops('a -> b')", "einops('a a -> a')", "einops('a b -> a')", "einops('2 a -> a 2')", "einops('a -> a', b=2)", "einops('(a b) -> a b', a=0)",
        "einops('(a b) -> a b', a='x')", "einops('a -> a', 3)", "einops('((a b) c) -> a b c')", "einops('a (b -> a b')", "einops('... a -> a ...')",
        "einops('in b -> b in')", "einops('pattern b -> b pattern')", "transpose(1)", "transpose(x=1)", "transpose()()", "transpose.x",
        "transpose | transpose", "transpose[0]", "3", "'transpose'", "lambda x: x", "slice(*[0, 1])", "slice(**{})", "slice([0], 1)", "slice({}, 1)",
        "index(__import__('os'))", "index(1 + 1)", "index((0)", "index(0))", "constrain(3)", "constrain(spec='x')", "stop_gradient(0)", "tran\0spose",
        "\ud800", "index(" + "[" * 3000, "-" * 9000 + "1", "index(" + "0," * 9000 + ")",
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_strings_that_are_no_views(text):
    with pytest.raises(tn.TenureError) as caught:
        views.parse(text)
    error = caught.value
    assert error.ways and len(str(error)) < 600 and "object at" not in str(error)


def test_unknown_views_and_arguments_name_the_nearest():
    with pytest.raises(UnknownViewError, match="nearest names: transpose"):
        views.parse("transpos")
    with pytest.raises(ViewSyntaxError, match="nearest names: axis"):
        views.parse("index(0, axs=1)")


@pytest.mark.parametrize(
    "data",
    [
        None, 3, "", "x", "[]", "[1, 2]", '["transpose"]', '["transpose", 3]', '["transpose", [1]]', '["index", {}]', '["index", {"i": null}]',
        '["index", {"self": 1, "i": 0}]', '["index", {"cls": 1}]', '["foo", {}]', '[["transpose"], {}]', '["transpose", {}, 1]', "[" * 100_000,
        "1" * 5000, ["transpose", {1: 2}], ["index", {"i": 1 << 100_000}], ["einops", {"pattern": "a -> a", "**": 3}], ["permute", {"order": {}, "x": 1}],
        ["concat", {"others": "a/w"}], ["concat", {"others": []}], ["cast", {"to": {"a": 1}}], ["opaque", {"fn": 3}], object(), b"\xff", {"transpose": 1},
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_data_that_is_no_view(data):
    with pytest.raises(tn.TenureError) as caught:
        views.View.from_json(data)
    assert caught.value.ways and len(str(caught.value)) < 600


def test_equal_views_are_written_in_one_way():
    assert views.Permute(-1, 0) == views.Permute(1, 0) and str(views.Permute(-1, 0)) == "permute(1, 0)"
    assert views.Slice(0, 4, axis=0) == views.Slice(0, stop=4) and str(views.Slice(0, 4, axis=0)) == "slice(0, 4)"
    assert views.Cast(jnp.float32) == views.Cast("float32") == views.Cast(np.dtype("<f4"))
    assert views.Scale(2) == views.Scale(2.0) == views.Scale(np.float32(2))
    assert views.Index(np.int64(3)) == views.Index(3) and views.Index(3).to_json() == views.Index(np.int64(3)).to_json()
    assert views.Concat("b/w|transpose") == views.Concat("b/w | transpose") == views.Concat(tn.Ref.parse("b/w").T)
    assert views.Reshape((2, 3)) == views.Reshape(2, 3)
    assert views.Slice(0, 4) != views.Slice(0, 4, axis=1) and views.Transpose() != views.StopGradient()


def test_a_view_cannot_be_changed():
    with pytest.raises(TypeError):
        views.Index(3).arguments["i"] = 4


def test_views_from_threads():
    """Parsing has no state of its own."""
    failures = []

    def work():
        try:
            for view in ALL * 10:
                assert views.parse(str(view)) == view
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
