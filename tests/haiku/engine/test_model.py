"""`init` computes what has to be computed, and nothing else."""

from typing import Any

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure.haiku as hk
from tenure.core import traces

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))
TOKENS = jnp.array([[1, 2]])


def _language_model(tokens: jax.Array) -> jax.Array:
    x = hk.Embed(11, 4, name="embed")(tokens)
    return hk.Linear(11, with_bias=False, name="head")(x)


def test_init_computes_no_forward_pass() -> None:
    """What the values do not depend on is not run, so its effects are not seen either."""
    seen = []

    def program(x: jax.Array) -> jax.Array:
        out = hk.Linear(3)(x)
        return jax.pure_callback(lambda x: (seen.append(1), x)[1], jax.ShapeDtypeStruct(out.shape, out.dtype), out)

    hk.transform(program).init(KEY, X)
    assert not seen


def test_a_program_that_looks_at_values_runs_as_it_is() -> None:
    def program(x: jax.Array) -> jax.Array:
        layer = hk.Linear(3 if x.sum() > 0 else 2)
        return layer(x)

    assert hk.transform(program).init(KEY, X)["linear"]["w"].shape == (4, 3)
    assert hk.transform(program).plan(X).ledger.count() == 15


def test_side_effects_happen_once() -> None:
    log: list[str] = []

    def program(x: jax.Array) -> jax.Array:
        layer = hk.Linear(3)
        log.append(layer.module_name)
        return layer(x)

    hk.transform(program).init(KEY, X)
    assert log == ["linear"]


def test_the_first_init_may_be_inside_of_a_jit() -> None:
    """Whether a trace is around is not remembered from the first call."""
    traces._untraced.cache_clear()
    model = hk.transform(_language_model)
    inside = jax.jit(lambda key: model.init(key, TOKENS))(KEY)
    outside = model.init(KEY, TOKENS)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.allclose(a, b)), inside, outside))


def test_a_function_of_which_all_is_needed_runs_as_it_is_the_next_time() -> None:
    """Batch norm's first average is that of the first batch, with the bits of operations run one by one."""
    dm_haiku = pytest.importorskip("haiku")
    seen: list[str] = []

    def program(library: Any, x: jax.Array) -> jax.Array:
        seen.append(type(x).__name__)
        return library.BatchNorm(True, True, 0.9)(library.Linear(50)(x), True)

    theirs, ours = (m.transform_with_state(lambda x, m=m: program(m, x)) for m in (dm_haiku, hk))
    x = jax.random.normal(KEY, (9, 40))
    expected = theirs.init(KEY, x)
    for _ in range(2):
        seen.clear()
        found = ours.init(KEY, x)
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, expected))
    assert seen == ["ArrayImpl"]
    assert ours.init.plan(x).ledger.count() == 2150


def test_numpy_inputs_stay_numpy() -> None:
    """Their types promote by numpy's rules, and a program may ask what they are."""
    x = np.ones((2, 3), np.int16)

    def program(m: Any, x: Any) -> Any:
        scale = m.get_parameter("scale", x.shape[-1:], (x[0] * 1).dtype, init=jnp.ones)
        size = 2 if isinstance(x, np.ndarray) else 3
        return m.Linear(size)(jnp.asarray(x, jnp.float32)) * scale.sum()

    theirs, ours = (m.transform(lambda x, m=m: program(m, x)).init(KEY, x) for m in (haiku, hk))
    assert jax.tree.map(lambda a: (a.shape, a.dtype), ours) == jax.tree.map(lambda a: (a.shape, a.dtype), theirs)


def test_globals_that_init_sets_are_values() -> None:
    def program(x: jax.Array) -> jax.Array:
        global _kept
        _kept = hk.Linear(3)(x)
        return _kept

    hk.transform(program).init(KEY, X)
    assert not isinstance(_kept, jax.core.Tracer)


_kept: Any = None
