"""Tracing the maths of a layer once for all layers of the same shapes."""

import jax
import jax.numpy as jnp

from tenure.nn.traced import activation_once, traced_once


def test_a_trace_takes_its_equations_from_the_first_call():
    calls = []

    @traced_once("times")
    def repeat(x, times):
        calls.append(times)
        return x * times

    def program(x):
        for _ in range(3):
            x = repeat(x, times=2)
        return repeat(x, times=3)

    traced = jax.make_jaxpr(program)(jnp.ones(2))
    assert calls == [2, 3]
    assert [str(e.primitive) for e in traced.eqns] == ["mul"] * 4  # inlined: as without it
    calls.clear()
    assert program(jnp.ones(2)).tolist() == [24, 24] and calls == [2, 2, 2, 3]
    calls.clear()
    assert jax.grad(lambda x: repeat(x, times=2))(1.0) == 2 and calls == [2]  # uncompiled: as it is


def test_activations_of_others_are_left_alone():
    def mine(x):
        return x

    assert activation_once(mine) is mine
    assert activation_once(jax.nn.relu) is activation_once(jax.nn.relu) is not jax.nn.relu
