"""The layers against dm-haiku 0.0.17: from the same parameters and states, the same bits."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import initializers, nn
from tenure.core.keys import initialising
from tests.sample import sample

from .cases import BAD, CASES, TENURE, Case

hk = pytest.importorskip("haiku")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def randomised(params: Any) -> Any:
    """Other values than zeros and ones, so that every parameter matters."""
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(tree, [jnp.asarray(rng.normal(0.3, 1, a.shape), a.dtype) for a in leaves])


def equal(ours: Any, theirs: Any) -> None:
    """Raises unless both trees have the same structure, dtypes and bits. Named tuples may have another class."""
    assert [k for k, _ in jax.tree.leaves_with_path(ours)] == [k for k, _ in jax.tree.leaves_with_path(theirs)]
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert jnp.asarray(one).dtype == jnp.asarray(other).dtype
        if jnp.asarray(one).dtype == jnp.bfloat16:  # numpy knows no NaN of it
            one, other = jnp.asarray(one, jnp.float32), jnp.asarray(other, jnp.float32)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("one", sample(CASES, 3, lambda one: one.name))
def test_same_names_and_bits(one: Case) -> None:
    theirs = hk.transform_with_state(lambda *args: one.function(hk, *args))
    ours = tn.transform_with_state(lambda *args: one.function(TENURE, *args))
    params, state = jax.eval_shape(theirs.init, jax.random.PRNGKey(0), *one.inputs)

    plan = ours.plan(*one.inputs)
    assert {m: {n: (a.shape, a.dtype) for n, a in e.items()} for m, e in plan.params.items()} == {
        m: {n: (a.shape, a.dtype) for n, a in e.items()} for m, e in params.items()
    }
    assert jax.tree.structure(plan.state) == jax.tree.structure(state)

    params, state = randomised(params), jax.tree.map(jnp.zeros_like, state)
    apply, their_apply = jax.jit(ours.apply), jax.jit(theirs.apply)
    for _ in range(2):
        expected, new_state = their_apply(params, state, None, *one.inputs)
        out, our_state = apply(params, state, None, *one.inputs)
        equal(out, expected)
        equal(our_state, new_state)
        state = new_state


@pytest.mark.parametrize("name", ["batch norm, train and test", "moving average, warm-up"])
def test_initial_states_are_equal(name: str) -> None:
    """The running average starts as the first batch's, which only the forward pass knows."""
    (one,) = [one for one in CASES if one.name == name]
    model = one.function
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    expected = hk.transform_with_state(lambda x: model(hk, x)).init(None, x)
    equal(tn.transform_with_state(lambda x: model(TENURE, x)).init(None, x), expected)


@pytest.mark.parametrize("one", BAD, ids=lambda one: one.name)
def test_bad_arguments_raise_the_same_type(one: Case) -> None:
    with pytest.raises(Exception) as theirs:
        hk.transform_with_state(lambda: one.function(hk)).init(jax.random.PRNGKey(0))
    with pytest.raises(theirs.type) as ours:
        tn.transform_with_state(lambda: one.function(TENURE)).plan()
    assert str(ours.value) != str(theirs.value)


SAMPLES = [
    (name, options, shape, dtype)
    for name, options in [
        ("Constant", (3,)),
        ("Constant", (np.arange(3.0),)),
        ("RandomNormal", (0.1, 2.0)),
        ("TruncatedNormal", ()),
        ("TruncatedNormal", (0.1, 1.0, -1.0, 3.0)),
        ("RandomUniform", (-1.0, 2.0)),
        ("VarianceScaling", ()),
        ("VarianceScaling", (2.0, "fan_out", "normal")),
        ("VarianceScaling", (0.5, "fan_avg", "uniform")),
        ("VarianceScaling", (1.0, "fan_in", "truncated_normal", (0,))),
        ("UniformScaling", (1.5,)),
        ("Orthogonal", (2.0,)),
        ("Orthogonal", (1.0, 0)),
        ("Identity", (2.0,)),
    ]
    for shape, dtype in [((4, 3), np.float32), ((2, 4, 3), np.float32), ((5, 3), jnp.bfloat16)]
    if not (name == "Orthogonal" and dtype == jnp.bfloat16)
]
SAMPLES.append(("TruncatedNormal", (0.1,), (4, 3), np.complex64))


@pytest.mark.parametrize(("name", "options", "shape", "dtype"), SAMPLES)
def test_initialisers_draw_the_same(name: str, options: tuple, shape: tuple[int, ...], dtype: Any) -> None:
    key = jax.random.PRNGKey(3)
    theirs = hk.transform(lambda: getattr(hk.initializers, name)(*options)(shape, dtype)).apply({}, key)
    with initialising(jax.random.split(key)[1]):
        ours = getattr(initializers, name)(*options)(shape, dtype)
    equal(ours, theirs)


SAME_SIGNATURE = [name for name in nn.__all__ if hasattr(hk, name) and isinstance(getattr(hk, name), type)]


@pytest.mark.parametrize("name", SAME_SIGNATURE)
def test_arguments_are_a_superset(name: str) -> None:
    """The same names, order and defaults; ours may have more, which are keywords with defaults."""
    for method in ("__init__", "__call__", "initial_state"):
        theirs, ours = getattr(getattr(hk, name), method, None), getattr(getattr(nn, name), method, None)
        if theirs is None or name in ("EmbedLookupStyle", "LSTMState"):
            continue
        expected = [
            (p.name, p.kind, p.default if _is_plain(p.default) else None)
            for p in inspect.signature(theirs).parameters.values()
        ]
        have = [
            (p.name, p.kind, p.default if _is_plain(p.default) else None)
            for p in inspect.signature(ours).parameters.values()
        ]
        if name == "MultiHeadAttention" and method == "__call__":  # keys and values may come from a cache
            have = [(n, k, inspect.Parameter.empty if n in ("key", "value") else d) for n, k, d in have]
        if name == "BatchNorm" and method == "__call__":  # without the argument, the mode of the run counts
            have = [(n, k, inspect.Parameter.empty if n == "is_training" else d) for n, k, d in have]
        assert [h for h in have if h in expected] == expected
        for extra in have[len(expected) :]:
            assert extra[2] is not inspect.Parameter.empty, extra


def _is_plain(default: Any) -> bool:
    return default is inspect.Parameter.empty or isinstance(default, (int, float, str, slice, type(None)))
