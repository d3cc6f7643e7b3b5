"""Traces: nothing of one is left behind, several threads may be in one, and uncompiled gradients are dm-haiku's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure.haiku as hk
from tenure.functional.staged import staged
from tests.sample import sample

from ..nn.cases import SEQUENCE, Case, X
from ..nn.test_against_haiku import equal
from .programs import PROGRAMS, TRANSFORMED, _case

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
KEY = np.array([0, 7], np.uint32)
QUICK = {c.name for c in TRANSFORMED} | {"linear", "batch norm", "group norm", "vq, averages", "spectral norm", "keys"}
TRACED = [c for c in PROGRAMS if c.name in QUICK]
SOME = sample(TRACED, 2, lambda c: c.name) + [
    pytest.param(c, marks=[pytest.mark.slow], id=c.name) for c in PROGRAMS if c not in TRACED
]
FLOATING = [
    c for c in PROGRAMS if all(np.issubdtype(np.asarray(x).dtype, np.floating) for x in jax.tree.leaves(c.inputs))
]


def several(x: jax.Array) -> Any:
    """A template and two functions of the same modules, with state, and with a scan."""
    encoder, decoder = hk.Linear(3, name="encoder"), hk.nets.MLP([4, 8], name="decoder")

    def encode(x: jax.Array) -> jax.Array:
        return hk.BatchNorm(True, True, 0.9)(hk.scan(lambda c, x: (c, encoder(x)), 0, x)[1], True)

    return lambda x: decoder(encode(x)), (encode, decoder)


def multi() -> Any:
    return hk.multi_transform_with_state(lambda: several(SEQUENCE[0]))


def loss(apply: Callable[..., Any], state: Any, *inputs: Any) -> Callable[[Any], Any]:
    def of(params: Any) -> Any:
        leaves = jax.tree.leaves(apply(params, state, KEY, *inputs)[0])
        floats = [jnp.sin(x).sum() for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
        return sum(floats, start=jnp.zeros(()))

    return of


def model_of(case: Case, library: Any = hk) -> Any:
    return library.transform_with_state(lambda *args: case.function(library, *args))


@pytest.mark.parametrize("case", SOME)
def test_no_tracer_outlives_its_trace(case: Case) -> None:
    model = model_of(case)
    params, state = jax.jit(model.init)(KEY, *case.inputs)
    with jax.checking_leaks():
        model_of(case).init.plan(*case.inputs)  # init tries first what this does, and would go on without it
        jax.make_jaxpr(model.init)(KEY, *case.inputs)
        jax.make_jaxpr(model.apply)(params, state, KEY, *case.inputs)
        jax.make_jaxpr(jax.grad(loss(model.apply, state, *case.inputs)))(params)


def test_no_tracer_outlives_its_trace_in_multi_transform() -> None:
    model = multi()
    with jax.checking_leaks():
        params, state = model.init(KEY, SEQUENCE[0])
        encode, _ = model.apply
        jax.make_jaxpr(encode)(params, state, None, SEQUENCE[0])
        jax.make_jaxpr(jax.grad(loss(encode, state, SEQUENCE[0])))(params)


def test_several_threads_transform_at_once() -> None:
    """Each has its own frame, names, keys, policies and settings, whatever the others are in the middle of."""
    cases = [c for c in PROGRAMS if c.name in QUICK]

    def run(case: Case) -> Any:
        model = model_of(case)
        params, state = jax.eval_shape(model.init, KEY, *case.inputs)
        gradient = jax.grad(lambda p, s: loss(model.apply, s, *case.inputs)(p))
        equations = jax.make_jaxpr(gradient)(params, state)
        return [(m, n, a.shape) for m, b in params.items() for n, a in b.items()], str(equations.jaxpr)

    def run_multi(_: Any) -> Any:
        return jax.tree.map(np.asarray, multi().init(KEY, SEQUENCE[0]))

    work = [(run, case) for case in cases] + [(run_multi, None)]
    expected = [function(case) for function, case in work]
    found: list[Any] = [None] * (2 * len(work))

    def thread(i: int) -> None:
        function, case = work[i % len(work)]
        found[i] = function(case)

    threads = [threading.Thread(target=thread, args=(i,)) for i in range(len(found))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for ours, theirs in zip(found, expected * 2, strict=True):
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


ROUNDED = [
    _case(
        "attention",
        lambda m, x: m.MultiHeadAttention(2, 4, w_init=m.initializers.VarianceScaling())(x, x, x),
        SEQUENCE,
    ),
    _case("mlp, gelu", lambda m, x: m.nets.MLP([7, 3], activation=jax.nn.gelu)(x), X),
    _case("instance norm", lambda m, x: m.InstanceNorm(True, True)(x), SEQUENCE),
    _case("layer norm", lambda m, x: m.LayerNorm(-1, True, True)(m.Linear(4)(x)), X),
]
GRADIENTS = ROUNDED + FLOATING


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[] if c in ROUNDED[::3] else [pytest.mark.slow], id=c.name) for c in GRADIENTS]
)
def test_uncompiled_gradients(case: Case) -> None:
    """Outside of `jax.jit` each operation rounds, so that they have to be dm-haiku's, backwards too."""
    grads = []
    params, state = haiku_values(case)
    for library in (haiku, hk):
        grads.append(jax.grad(loss(model_of(case, library).apply, state, *case.inputs), allow_int=True)(params))
    equal(grads[1], grads[0])


def haiku_values(case: Case) -> Any:
    return jax.jit(model_of(case, haiku).init)(KEY, *case.inputs)


def test_what_is_traced_once() -> None:
    """What becomes a part of a program, and not what runs at once under `jax.grad` or `jax.vmap`."""
    seen: dict[str, bool] = {}

    def note(name: str) -> Callable[[Any], Any]:
        return lambda x: (seen.update({name: staged(x)}), x.sum())[1]

    x = jnp.ones((2, 2))
    jax.grad(note("grad"))(x)
    jax.vmap(note("vmap"))(x)
    jax.vmap(jax.grad(note("vmap, grad")))(x)
    jax.jit(note("jit"))(x)
    jax.jit(jax.grad(note("jit, grad")))(x)
    jax.grad(jax.jit(note("grad, jit")))(x)
    jax.jit(jax.vmap(jax.grad(note("jit, vmap, grad"))))(x)
    assert {name for name, is_ in seen.items() if is_} == {name for name in seen if "jit" in name}
    assert len(seen) == 7
