"""Names are unique within the scope that builds a module."""

import jax.numpy as jnp

import tenure as tn
from tests.core.zoo import Dense, Mlp

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_names_as_in_haiku():
    def f(x):
        names = [Dense(4).module_name, Dense(4).module_name, Dense(4, name="dense_5").module_name, Dense(4).module_name]
        with tn.name_scope("s"):
            names.append(Dense(4).module_name)
        mlp = Mlp()
        names += [mlp.first.module_name, tn.current_name()]
        return names

    names = tn.transform(f).apply({}, None, X)
    assert names == ["dense", "dense_1", "dense_5", "dense_6", "s/dense", "mlp/~/first", "~"]
