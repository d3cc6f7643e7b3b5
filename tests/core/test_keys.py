"""Keys by path: the order in which modules are built changes no value."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.core.zoo import Dense

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def values(model, *args):
    return {f"{m}/{n}": np.asarray(v) for m, e in model.init(jax.random.key(3), *args).items() for n, v in e.items()}


def test_r3_the_order_of_construction_and_calls_changes_neither_owners_nor_keys():
    def build(order):
        def f(x):
            made = {}
            for name in order:
                made[name] = Dense(4, name=name, share={"w": "embed/w"} if name == "head" else None)
            return sum(made[name](x) for name in reversed(order))

        return tn.transform(f)

    orders = [["embed", "head", "other"], ["other", "head", "embed"], ["head", "embed", "other"]]
    first, *others = (values(build(order), X) for order in orders)
    for other in others:
        assert first.keys() == other.keys() == {"embed/w", "embed/b", "head/b", "other/w", "other/b"}
        for path in first:
            np.testing.assert_array_equal(first[path], other[path])
