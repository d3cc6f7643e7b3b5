"""R9, R10: views are named, frozen, checked data; shape, axes and inverse are what the values say."""

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tenure as tn
from tenure.core.notation import views
from tests.core.notation.arrays import ALL, array, quick, same
from tests.core.views_strategies import SHAPED_VIEWS, SHAPES, moving

few = settings(max_examples=15, deadline=None)  # each example compiles


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


def test_each_view_is_in_the_list_and_has_a_docstring():
    assert {type(v).name for v in ALL} == {n for n in views.registry if not n.startswith("test_")} - {
        "roll_for_doctest"
    }
    assert all(cls.__doc__ for cls in map(type, ALL))


def test_a_view_is_made_under_its_own_name():
    assert views.transpose() == views.Transpose() and views.slice(0, 4, axis=1) == views.parse("slice(0, 4, axis=1)")
    with pytest.raises(AttributeError):
        views.transpos  # noqa: B018


@quick
@given(SHAPED_VIEWS)
def test_random_views_there_and_back(shaped):
    _, view = shaped
    same(view, views.View.from_json(view.to_json()))
    same(view, views.parse(str(view)))


@quick
@given(SHAPED_VIEWS)
def test_shape_dtype_and_axes_are_those_of_the_value(shaped):
    shape, view = shaped
    out = view(array(shape))
    assert view.out(shape, jnp.dtype("float32")) == (out.shape, out.dtype)
    assert view.shape(shape) == out.shape
    traced = jax.eval_shape(view, jax.ShapeDtypeStruct(shape, jnp.float32))
    assert (traced.shape, traced.dtype) == (out.shape, out.dtype)
    assert len(view.axes(tuple("abcd"[: len(shape)]))) == out.ndim
    np.testing.assert_array_equal(view(np.asarray(array(shape))), out)


@quick
@given(SHAPED_VIEWS)
def test_an_axis_keeps_its_name_exactly_if_it_is_the_same_axis(shaped):
    """An index of the element along an axis of the owner is told by the element alone along the axis of that name."""
    shape, view = shaped
    if isinstance(view, (views.Cast, views.Scale, views.Constrain)):
        return
    names = tuple("abcd"[: len(shape)])
    found = view.axes(names)
    for axis, name in enumerate(found):
        if name is not None:
            where = jnp.broadcast_to(
                jnp.arange(shape[names.index(name)]).reshape([-1 if n == name else 1 for n in names]), shape
            )
            seen = np.moveaxis(np.asarray(view(where)), axis, 0)
            assert all(len(set(np.ravel(part))) == 1 for part in seen), (view, found)
    assert len([n for n in found if n]) == len({n for n in found if n})


@quick
@given(SHAPED_VIEWS)
def test_the_inverse_leads_back(shaped):
    shape, view = shaped
    inverse = view.inverse(shape, jnp.dtype("float32"))
    if inverse is None:
        assert isinstance(view, (views.Index, views.Slice, views.Split))
        return
    x = array(shape)
    back = inverse(view(x))
    assert back.shape == x.shape and back.dtype == x.dtype
    assert inverse.out(*view.out(shape, x.dtype)) == (x.shape, x.dtype)
    np.testing.assert_allclose(back, x, rtol=1e-6)
    same(inverse, views.View.from_json(inverse.to_json()))
    same(inverse, views.parse(str(inverse)))


@few
@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), moving(shape))))
def test_the_gradient_is_one_for_each_element_that_is_seen(shaped):
    shape, view = shaped
    gradient = jax.grad(lambda x: view(x).sum())(array(shape))
    assert gradient.sum() == view(array(shape)).size
    assert set(np.ravel(gradient)) <= {0.0, 1.0}


def test_gradients_of_the_views_that_compute():
    x = array((2, 3))
    assert np.all(jax.grad(lambda x: views.StopGradient()(x).sum())(x) == 0)
    assert np.all(jax.grad(lambda x: views.Scale(0.5)(x).sum())(x) == 0.5)
    assert np.all(jax.grad(lambda x: views.Cast("bfloat16")(x).sum().astype(jnp.float32))(x) == 1)


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("transpose", (2, 3, 4), lambda x: x.T),
        ("transpose", (), lambda x: x),
        ("permute(2, 0, 1)", (2, 3, 4), lambda x: np.transpose(x, (2, 0, 1))),
        ("reshape(-1)", (2, 3), lambda x: x.reshape(-1)),
        ("reshape()", (1,), lambda x: x.reshape(())),
        ("reshape((3, 2))", (2, 3), lambda x: x.reshape(3, 2)),
        ("index(1)", (2, 3), lambda x: x[1]),
        ("index(-1, axis=1)", (2, 3), lambda x: x[:, -1]),
        ("index(i=0, axis=-1)", (2, 3), lambda x: x[..., 0]),
        ("slice(1, 3)", (4, 3), lambda x: x[1:3]),
        ("slice(1, None, axis=1)", (4, 3), lambda x: x[:, 1:]),
        ("slice(-2, -1)", (4, 3), lambda x: x[-2:-1]),
        ("slice(2)", (4, 3), lambda x: x[2:]),
        ("split(2, 1)", (4, 3), lambda x: np.split(x, 2)[1]),
        ("split(3, 0, axis=1)", (4, 3), lambda x: np.split(x, 3, 1)[0]),
        ("reorder(1, 0, 2)", (6, 2), lambda x: x[[2, 3, 0, 1, 4, 5]]),
        ("reorder(1, 0, axis=1)", (2, 4), lambda x: x[:, [2, 3, 0, 1]]),
        ("sum", (2, 3), lambda x: x.sum(0)),
        ("sum(-1)", (2, 3), lambda x: x.sum(1)),
        ("scale(2)", (2,), lambda x: x * 2),
        ("scale(-1e-2)", (2,), lambda x: x * np.float32(-1e-2)),
        ("cast(int32)", (2,), lambda x: x.astype("int32")),
        ("cast('int32')", (2,), lambda x: x.astype("int32")),
        (" stop_gradient ", (2,), lambda x: x),
        ("constrain(None)", (2,), lambda x: x),
    ],
)
def test_values(text, shape, expected):
    x = np.asarray(array(shape))
    view = views.parse(text)
    np.testing.assert_array_equal(view(jnp.asarray(x)), expected(x))
    assert view.shape(shape) == expected(x).shape


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("transpose", "abc", "cba"),
        ("permute(2, 0, 1)", "abc", "cab"),
        ("index(0)", "abc", "bc"),
        ("index(0, axis=-1)", "abc", "ab"),
        ("slice(0, 1, axis=1)", "abc", "abc"),
        ("split(2, 0)", "abc", "abc"),
        ("reorder(1, 0)", "abc", "abc"),
        ("sum(1)", "abc", "ac"),
        ("concat('b/w')", "abc", "abc"),
        ("reshape(-1)", "abc", "?"),
        ("einops('a b c -> c (a b)')", "xyz", "z?"),
        ("einops('1 b -> b 1')", "xy", "y?"),
        ("cast(bfloat16)", "ab", "ab"),
        ("scale(2)", "ab", "ab"),
        ("stop_gradient", "ab", "ab"),
        ("constrain('x', None)", "ab", "??"),
    ],
)
def test_axes(text, names, expected):
    assert views.parse(text).axes(tuple(names)) == tuple(None if n == "?" else n for n in expected)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("permute(1, 0)", (2, 3, 4)),
        ("permute()", (2,)),
        ("reshape(5)", (2, 3)),
        ("reshape(-1, -1)", (2, 3)),
        ("reshape(-1, 4)", (2, 3)),
        ("reshape(-1, 0)", (2, 3)),
        ("reshape(-2, 3)", (2, 3)),
        ("reshape(4611686018427387904, 4)", (2, 3)),
        ("index(2)", (2, 3)),
        ("index(-3)", (2, 3)),
        ("index(0, axis=2)", (2, 3)),
        ("index(0)", ()),
        ("slice(0, 3)", (2, 3)),
        ("slice(1, 1)", (2, 3)),
        ("slice(0, 1, axis=-3)", (2, 3)),
        ("slice(-3, None)", (2, 3)),
        ("split(3, 0)", (2, 3)),
        ("split(2, 2)", (2, 3)),
        ("split(0, 0)", (2, 3)),
        ("split(2, -1)", (2, 3)),
        ("reorder(1, 0)", (3, 2)),
        ("reorder()", (3, 2)),
        ("sum(2)", (2, 3)),
        ("einops('a b c -> c b a')", (2, 3)),
        ("einops('(a b) c -> a b c', a=3)", (2, 3)),
        ("einops('(a b) c -> a b c')", (2, 3)),
        ("einops('1 c -> c')", (2, 3)),
        ("constrain('x', 'y', 'z')", (2, 3)),
        ("concat('b/w')", (2, 3)),
    ],
)
def test_a_view_that_does_not_fit(text, shape):
    with pytest.raises(views.Misfit) as caught:
        views.parse(text).shape(shape)
    assert str(caught.value)


def test_dtypes_that_do_not_fit():
    with pytest.raises(views.Misfit, match="floating"):
        views.Scale(0.5).out((2,), jnp.dtype("int32"))
    with pytest.raises(views.Misfit, match="imaginary"):
        views.Cast("float32").out((2,), jnp.dtype("complex64"))
    assert views.Cast("float64").out((2,), jnp.dtype("float32"))[1] == jax.dtypes.canonicalize_dtype("float64")
    assert views.Scale(0.5).out((2,), jnp.dtype("bfloat16"))[1] == views.Scale(0.5)(array((2,), jnp.bfloat16)).dtype


def test_concat_checks_shape_and_dtype():
    view, f32 = views.Concat("b/w", "c/w", axis=1), jnp.dtype("float32")
    assert view.out((2, 3), f32, ((2, 1), f32), ((2, 5), f32)) == ((2, 9), f32)
    assert view(array((2, 3)), array((2, 1)), array((2, 5))).shape == (2, 9)
    with pytest.raises(views.Misfit, match="c/w"):
        view.out((2, 3), f32, ((2, 1), f32), ((3, 5), f32))
    with pytest.raises(views.Misfit, match="cast"):
        view.out((2, 3), f32, ((2, 1), f32), ((2, 5), jnp.dtype("bfloat16")))
    with pytest.raises(views.Misfit):
        view(array((2, 3)))


def test_concat_of_owners_through_their_own_views():
    def model(x):
        for name, shape in {"a": (4, 2), "b": (3, 4), "c": (4, 6)}.items():
            tn.get_parameter(name, shape, init=lambda s, d: jnp.arange(float(np.prod(s))).reshape(s) + len(s))
        with tn.name_scope("user"):
            return tn.get_parameter("w", (4, 8), init=jnp.zeros)

    ties = {"user/w": "~/a | concat('~/b | transpose', '~/c | split(2, 1, axis=1)', axis=1) | scale(2)"}
    transformed = tn.transform(model, ties=ties)
    params = transformed.init(0, 0)
    p = params["~"]
    expected = 2 * np.concatenate([p["a"], p["b"].T, p["c"][:, 3:]], 1)
    np.testing.assert_array_equal(transformed.apply(params, None, 0), expected)
    assert set(params) == {"~"}
    ledger = transformed.plan(0).ledger
    assert ledger.owners_of("user/w") == ("~/a", "~/b", "~/c")
    assert all("user/w" in ledger.users_of(path) for path in ("~/a", "~/b", "~/c"))
    gradient = jax.grad(lambda p: transformed.apply(p, None, 0).sum())(params)["~"]
    assert np.all(gradient["a"] == 2) and np.all(gradient["b"] == 2)
    assert np.all(gradient["c"][:, 3:] == 2) and np.all(gradient["c"][:, :3] == 0)


def test_a_constraint_applies_on_a_mesh_only():
    view, x = views.Constrain("data", None), array((4, 2))
    assert view(x) is x
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.sharding.set_mesh(mesh):
        np.testing.assert_array_equal(jax.jit(view)(x), x)
