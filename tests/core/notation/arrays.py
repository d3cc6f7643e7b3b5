"""Arrays to look at through views, and the views themselves."""

import jax.numpy as jnp
import numpy as np
from hypothesis import settings

from tenure.core.notation import views

quick = settings(max_examples=40, deadline=None)
ALL = [
    views.Transpose(),
    views.Permute(1, 0, 2),
    views.Permute(-1, 0),
    views.Reshape(2, -1),
    views.Reshape(),
    views.Index(3),
    views.Index(-1, axis=1),
    views.Slice(0, 4),
    views.Slice(None, None, axis=-1),
    views.Slice(-2, None),
    views.Slice(1, 3, axis=1),
    views.Split(3, 0),
    views.Split(3, 2, axis=1),
    views.Reorder(0, 2, 1, 3),
    views.Reorder(1, 0, axis=-1),
    views.Sum(),
    views.Sum(1),
    views.Concat("b/w"),
    views.Concat("/b/w | transpose", "c/w | einops('a b -> b a')", axis=-1),
    views.Cast("bfloat16"),
    views.Scale(0.5),
    views.Scale(1e-300),
    views.Einops("(h d) f -> h d f", h=4),
    views.StopGradient(),
    views.Constrain("model", None, ("x", "y")),
    views.Constrain(),
]


def array(shape, dtype=jnp.float32):
    return jnp.arange(1, 1 + np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


def same(view, again):
    assert again == view and hash(again) == hash(view) and type(again) is type(view)
