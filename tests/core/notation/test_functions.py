"""Views from Python functions: registered under a name, or opaque."""

import copy
import functools
import itertools
import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import NotSerialisableError, ViewSyntaxError
from tenure.core.notation import views
from tests.core.notation.arrays import ALL, array, same


@pytest.mark.parametrize("view", ALL, ids=str)
def test_there_and_back(view):
    same(view, views.View.from_json(view.to_json()))
    same(view, views.View.from_json(view.to_data()))
    same(view, views.View.from_json(json.loads(json.dumps(view.to_data()))))
    same(view, views.parse(str(view)))
    same(view, views.as_view(str(view)))
    same(view, pickle.loads(pickle.dumps(view)))
    same(view, copy.deepcopy(view))
    assert view != "transpose" and view != object()


def weighted(x, factors, *, power=1, label="none"):
    """Scales rows."""
    return x * jnp.asarray(factors)[:, None] ** power


Weighted = views.register(
    "test_weighted",
    weighted,
    inverse=lambda x, factors, power=1, label="none": x / jnp.asarray(factors)[:, None] ** power,
    axes=lambda names: names,
)
Flip = views.register("test_flip", lambda x: x[::-1], inverse=lambda x: x[::-1])
Half = views.register("test_half", lambda x: x[: len(x) // 2])


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (Weighted([1, 2.5]), "test_weighted(factors=(1, 2.5))"),
        (Weighted((1, 2.5), power=2), "test_weighted(factors=(1, 2.5), power=2)"),
        (
            Weighted(factors=np.float64(2.0), label='it\'s "x | y"'),
            "test_weighted(factors=2.0, label='it\\'s \"x | y\"')",
        ),
        (Weighted([[1], [], [None, True]]), "test_weighted(factors=((1,), (), (None, True)))"),
        (Flip(), "test_flip"),
    ],
)
def test_registered_there_and_back(view, text):
    assert str(view) == text
    test_there_and_back(view)
    assert views.parse(text) == view
    ref = tn.Ref("a/w", (view, views.Transpose()))
    assert tn.Ref.parse(str(ref)) == ref and tn.Ref.from_json(ref.to_json()) == ref


def test_registered_shape_axes_inverse():
    x, view = array((2, 3)), views.parse("test_weighted((2, 4), power=2)")
    np.testing.assert_array_equal(view(x), x * np.array([[4], [16]]))
    assert view.out((2, 3), jnp.dtype("float32")) == ((2, 3), jnp.dtype("float32")) and view.shape((2, 3)) == (2, 3)
    inverse = view.inverse((2, 3), x.dtype)
    np.testing.assert_array_equal(inverse(view(x)), x)
    assert inverse.inverse((2, 3), x.dtype) == view and inverse.shape((2, 3)) == (2, 3)
    assert view.axes(("a", "b")) == ("a", "b") and Flip().axes(("a", "b")) == ()
    assert Half().inverse((4,), x.dtype) is None and Half().shape((4,)) == (2,)
    assert type(view).__name__ == "test_weighted" and view.__doc__ == "Scales rows."
    with pytest.raises(NotSerialisableError):
        inverse.to_json()


@pytest.mark.parametrize(
    "text",
    ["test_weighted", "test_weighted(factor=2)", "test_weighted(1, 2)", "test_weighted(1, factors=2)", "test_flip(1)", "test_flip(x=1)",
     "test_weighted({})", "test_weighted(1j)", "test_weighted(b'x')", "test_weighted([1e999])", "test_weighted(" + "[" * 150 + "]" * 150 + ", x=1)"],
    ids=itertools.count(),
)  # fmt: skip
def test_registered_with_wrong_arguments(text):
    with pytest.raises(ViewSyntaxError):
        views.parse(text)


@pytest.mark.parametrize("fn", [3, None, lambda: 0, lambda x, *more: x, lambda x, y, /: x])
def test_registering_what_is_no_function_on_one_array(fn):
    with pytest.raises(ViewSyntaxError):
        views.register("test_never", fn)
    assert "test_never" not in views.registry


@pytest.mark.parametrize("name", ["transpose", "test_flip", "a b", "", 3, None, "1a"])
def test_registering_a_name_that_is_taken_or_none(name):
    with pytest.raises(ViewSyntaxError):
        views.register(name, lambda x: x)


def test_a_registered_view_that_fails():
    with pytest.raises(views.Misfit, match="test_weighted"):
        views.parse("test_weighted((1, 2, 3))").shape((2, 3))


def named(x):
    return x.T


class Callable:
    __hash__ = None

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("fn", "shown"),
    [
        (named, "⟨named⟩"),
        (lambda x: x, "⟨lambda⟩"),
        (Callable(), "⟨Callable⟩"),
        (functools.partial(named), "⟨partial⟩"),
    ],
)
def test_opaque(fn, shown):
    view = views.as_view(fn)
    assert str(view) == repr(view) == shown and view == views.Opaque(fn) and hash(view) == hash(views.Opaque(fn))
    assert view.shape((2, 3)) in ((2, 3), (3, 2)) and view.axes(("a", "b")) == () and view.inverse((2, 3), None) is None
    for attempt in (
        view.to_json,
        view.to_data,
        lambda: views.parse(shown),
        lambda: tn.Ref.parse(f"a/w | {shown}"),
        lambda: (tn.Ref("a/w") | fn).to_json(),
    ):
        with pytest.raises(NotSerialisableError, match="register"):
            attempt()


@pytest.mark.parametrize("fn", [lambda x: x @ x, lambda x: (x, x), lambda x: None, lambda: 0, lambda x: 1 / 0])
def test_an_opaque_view_that_fails_is_a_misfit(fn):
    with pytest.raises(views.Misfit) as caught:
        views.as_view(fn).shape((2, 3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [3, None, 1.5, {}, object()])
def test_what_is_no_view(value):
    with pytest.raises(ViewSyntaxError):
        views.as_view(value)


def test_an_opaque_view_in_a_model_is_flagged_by_the_ledger():
    def model():
        tn.get_parameter("w", (2, 3), init=jnp.ones)
        with tn.name_scope("user"):
            return tn.get_parameter("w", (3, 2), init=jnp.ones)

    ledger = tn.transform(model, ties={"user/w": tn.Ref.parse("~/w") | named}).plan().ledger
    assert "⟨named⟩" in str(ledger) and any("not serialisable" in note for note in ledger["user/w"].notes)
