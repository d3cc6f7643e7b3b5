"""Where modules may be built: in what runs Python each time."""

import pathlib
from collections.abc import Callable
from typing import Any

import haiku
import jax
import jax.numpy as jnp
import pytest

import tenure
import tenure.haiku as hk
from tenure.core.errors import CachedTransformError
from tests.sample import sample

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))


def _built_in_jit(x: jax.Array) -> jax.Array:
    layer = jax.jit(lambda x: hk.Linear(4)(x))
    return layer(layer(x))


def test_a_module_in_a_raw_jit_is_an_error() -> None:
    with pytest.raises(CachedTransformError, match=r"jax\.jit"):
        hk.transform(_built_in_jit).init(KEY, X)


def test_a_module_in_a_raw_jit_is_shared_as_in_haiku() -> None:
    with hk.ownership.haiku():
        params = hk.transform(_built_in_jit).init(KEY, X)
    assert list(params) == ["linear"]


ROWS = jax.random.normal(KEY, (2, 4))


def equal(one: Any, two: Any) -> bool:
    alike = jax.tree.structure(one) == jax.tree.structure(two)
    return alike and all((a == b).all() for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))


def rows(lib: Any, size: int = 4) -> Callable[..., Any]:
    """A module built in a raw `jax.vmap`."""
    return lambda x: jax.vmap(lambda row: lib.Linear(size)(row))(x)


PROGRAMS = {
    "vmap": lambda lib: rows(lib, 3),
    "grad": lambda lib: lambda x: jax.grad(lambda x: lib.Linear(3)(x).sum())(x),
    "value_and_grad": lambda lib: lambda x: jax.value_and_grad(lambda x: lib.nets.MLP([3, 1])(x).sum())(x)[1],
    "jvp": lambda lib: lambda x: jax.jvp(lambda x: lib.Linear(3)(x), (x,), (x,))[1],
    "vjp": lambda lib: lambda x: jax.vjp(lambda x: lib.Linear(4)(x), x)[1](x)[0],
    "vmap of grad": lambda lib: lambda x: jax.vmap(jax.grad(lambda row: lib.Linear(3)(row).sum()))(x),
}
AROUND = {
    "nothing": lambda lib, f: f,
    "remat": lambda lib, f: lambda x: lib.remat(f)(x),
    "layer_stack": lambda lib, f: lambda x: lib.layer_stack(2)(f)(x),
    "vmap": lambda lib, f: lambda x: lib.vmap(f, split_rng=False)(x[None])[0],
    "remat in a layer_stack": lambda lib, f: lambda x: lib.layer_stack(2)(lambda x: lib.remat(f)(x))(x),
}
# A layer of a stack gives what it takes.
BUILT = [(p, a) for p in PROGRAMS for a in AROUND if "stack" not in a or p in ("vjp", "vmap of grad")]


@pytest.mark.parametrize("case", sample(BUILT, 3, "-".join))
def test_a_module_built_in_what_runs_python_each_time(case: tuple[str, str]) -> None:
    name, around = case
    results = []
    for lib in (haiku, hk):
        model = lib.transform(AROUND[around](lib, PROGRAMS[name](lib)))
        params = jax.jit(model.init)(KEY, ROWS)
        results.append([params, model.init(KEY, ROWS), jax.jit(model.apply)(params, None, ROWS)])
    assert equal(*results)


@pytest.mark.parametrize("front", ["tenure", "haiku"])
def test_one_rule_for_both_and_the_users_own_jit_is_never_named(front: str) -> None:
    lib = {"tenure": tenure, "haiku": hk}[front]
    linear = tenure.nn.Linear
    caching = jax.jit(jax.vmap(lambda row: linear(3)(row)))
    for body in (caching, lambda x: jax.lax.scan(lambda c, row: (c, linear(3)(row)), 0, x)[1]):
        model = lib.transform(lambda x, body=body: lib.remat(lambda x: body(x))(x))
        with pytest.raises(tenure.errors.CachedTransformError) as error:
            jax.jit(model.init)(KEY, ROWS)  # line A
        lines = str(error.value).splitlines()
        named = int(lines[2].rpartition(":")[2])
        source = pathlib.Path(__file__).read_text(encoding="utf-8").splitlines()
        assert "line A" not in source[named - 1], source[named - 1]

    model = lib.transform(lambda x: lib.remat(lambda x: jax.vmap(lambda row: linear(3)(row))(x))(x))
    assert jax.jit(model.apply)(jax.jit(model.init)(KEY, ROWS), None, ROWS).shape == (2, 3)
