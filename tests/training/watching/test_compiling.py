"""How long JAX has been compiling."""

import jax
import jax.numpy as jnp

from tenure.training.watching.compiling import Spans, compiled


def test_spans_inside_of_others_count_once():
    spans = Spans()
    for start, end, seconds in ((1, 2, 1), (3, 4, 2), (0.5, 5, 4.5), (6, 7, 5.5)):
        spans.add(start, end)
        assert spans.seconds == seconds


def test_compilation_is_heard():
    before = compiled()
    jax.jit(lambda x: jnp.sin(x) * 3.25 + 17)(jnp.ones(3)).block_until_ready()
    after = compiled()
    assert after > before
    jax.jit(lambda x: x)  # compiles nothing
    assert compiled() == after
