"""The operations of a program as a Graphviz graph."""

import jax
import jax.numpy as jnp

import tenure.haiku as hk

F = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(2, name="dense")(jax.jit(jnp.tanh)(x))))
X = jnp.ones((1, 3))


def test_a_graph_has_inputs_operations_and_boxes():
    params = F.init(jax.random.PRNGKey(0), X)
    text = hk.to_dot(F.apply)(params, X)
    assert text.startswith("digraph G {") and text.count("{") == text.count("}")
    for shown in ("f32[1,3]", "f32[3,2]", "dot_general", "tanh", "<b>output</b>", "<b>dense</b>"):
        assert shown in text, shown
    edges = [line for line in text.splitlines() if "->" in line]
    assert len(edges) >= 4


def test_shapes_are_enough():
    shapes = jax.eval_shape(F.init, jax.random.PRNGKey(0), X)
    text = hk.experimental.abstract_to_dot(F.apply)(shapes, jax.ShapeDtypeStruct(X.shape, X.dtype))
    assert "dot_general" in text
