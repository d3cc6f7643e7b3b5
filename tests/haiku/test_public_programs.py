"""What stopped programs of other people from running with the import changed: next to dm-haiku."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import haiku
import jax
import pytest

import tenure
import tenure.haiku as hk
from tests.sample import sample

KEY = jax.random.PRNGKey(0)
X = jax.random.normal(KEY, (2, 4))


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
        params = jax.jit(model.init)(KEY, X)
        results.append([params, model.init(KEY, X), jax.jit(model.apply)(params, None, X)])
    assert equal(*results)


@pytest.mark.parametrize("front", ["tenure", "haiku"])
def test_one_rule_for_both_and_the_users_own_jit_is_never_named(front: str) -> None:
    lib = {"tenure": tenure, "haiku": hk}[front]
    linear = tenure.nn.Linear
    caching = jax.jit(jax.vmap(lambda row: linear(3)(row)))
    for body in (caching, lambda x: jax.lax.scan(lambda c, row: (c, linear(3)(row)), 0, x)[1]):
        model = lib.transform(lambda x, body=body: lib.remat(lambda x: body(x))(x))
        with pytest.raises(tenure.errors.CachedTransformError) as error:
            jax.jit(model.init)(KEY, X)  # line A
        lines = str(error.value).splitlines()
        named = int(lines[2].rpartition(":")[2])
        source = pathlib.Path(__file__).read_text(encoding="utf-8").splitlines()
        assert "line A" not in source[named - 1], source[named - 1]

    model = lib.transform(lambda x: lib.remat(lambda x: jax.vmap(lambda row: linear(3)(row))(x))(x))
    assert jax.jit(model.apply)(jax.jit(model.init)(KEY, X), None, X).shape == (2, 3)


NAMES = ["_Block", "FooBar_Baz", "__X", "A_", "Abc__Def", "_aB", "ABc_D", "X1_Y2", "foo_bar", "HTTPServer", "Foo_1_"]


@pytest.mark.parametrize("name", [*NAMES, "MLP_Mixer", "_", "Conv2D", "Ä", "Größe", "Конв"])
def test_default_names_of_classes(name: str) -> None:
    found = []
    for lib in (haiku, hk):
        cls = type(name, (lib.Module,), {"__call__": lambda self, x, lib=lib: lib.Linear(3)(x)})
        model = lib.transform(lambda x, cls=cls: (cls()(x), cls()(x)))
        try:
            found.append(list(model.init(KEY, X)))
        except ValueError as error:
            found.append(str(error).partition(" (must")[0])
    assert found[0] == found[1]


def test_names_of_functions_are_taken_as_they_are() -> None:
    def _Ab_Cd(x: Any) -> Any:
        return tenure.nn.Linear(3)(x)

    assert list(hk.transform(lambda x: hk.to_module(_Ab_Cd)()(x)).init(KEY, X)) == ["_Ab_Cd/linear"]


RNG = {
    "remat": lambda lib: lambda x: [x := lib.remat(lib.Linear(4))(x) for _ in range(3)][-1],
    "nested": lambda lib: lambda x: lib.remat(lambda x: lib.Linear(4)(lib.remat(lib.Linear(4))(x)))(lib.Linear(4)(x)),
    "plain": lambda lib: lambda x: lib.Linear(4)(x) + jax.random.normal(lib.next_rng_key(), x.shape),
    "several": lambda lib: lambda x: lib.remat(lambda x: x + lib.next_rng_keys(3).sum())(lib.Linear(4)(x)),
    "grad": lambda lib: lambda x: lib.grad(lambda x: lib.Linear(4)(x).sum())(x) + lib.remat(lib.Linear(4))(x),
    "layer_stack": lambda lib: lambda x: lib.layer_stack(2)(lib.Linear(4))(lib.remat(lib.Linear(4))(x)),
    "with_rng": lambda lib: lambda x: _with_rng(lib, x),
    "scan": lambda lib: lambda x: _in_scan(lib, x),
}


def _with_rng(lib: Any, x: Any) -> Any:
    with lib.with_rng(jax.random.PRNGKey(7)):
        x = lib.Linear(4)(x)
    return lib.remat(lib.Linear(4))(x)


def _in_scan(lib: Any, x: Any) -> Any:
    layer = lib.Linear(4)
    x = lib.scan(lambda c, _: (layer(c) + lib.next_rng_key().sum(), None), x, None, 3)[0]
    return lib.remat(lib.Linear(4))(x)


@pytest.mark.parametrize("name", RNG)
def test_optimize_rng_use_counts_keys_in_all_bodies(name: str) -> None:
    results = []
    for lib in (haiku, hk):
        model = lib.transform(lib.experimental.optimize_rng_use(RNG[name](lib)))
        params = model.init(KEY, X)
        results.append([params, model.apply(params, KEY, X)])
    assert equal(*results)


def test_the_line_of_a_tracer_error_in_eval_shape_is_the_programs() -> None:
    def looks_at_values(x: Any) -> Any:
        return float(hk.Linear(3)(x).sum())

    for front, line in ((hk, "looks_at_values at"), (tenure, "looks_at_values at")):
        with pytest.raises(jax.errors.ConcretizationTypeError) as error:
            front.transform(lambda x, front=front: front.eval_shape(looks_at_values, x)).init(KEY, X)
        assert f"{line} {__file__}" in str(error.value), str(error.value)
