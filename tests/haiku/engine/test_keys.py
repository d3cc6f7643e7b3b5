"""Random keys in call order, next to dm-haiku's."""

from typing import Any

import haiku
import jax
import pytest

import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jax.random.normal(KEY, (2, 4))


def equal(one: Any, two: Any) -> bool:
    alike = jax.tree.structure(one) == jax.tree.structure(two)
    return alike and all((a == b).all() for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))


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
