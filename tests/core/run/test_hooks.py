"""Functions around the core's own: creators and getters."""

import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.core.zoo import Coder

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_creators_getters_and_setters():
    log = []

    def creator(following, shape, dtype, init, context):
        log.append(("create", context.full_name))
        return following(shape, dtype, lambda s, d: 2 * init(s, d))

    def getter(following, value, context):
        log.append(("get", context.full_name))
        return following(value + 1)

    def f(x):
        with tn.custom_creator(creator), tn.custom_getter(getter):
            return Coder(name="c").encode(x)

    model = tn.transform(f)
    params = model.init(0, X)
    plain = tn.transform(lambda x: Coder(name="c").encode(x)).init(0, X)
    np.testing.assert_array_equal(params["c"]["w"], 2 * plain["c"]["w"])
    log.clear()
    np.testing.assert_allclose(model.apply(params, None, X), X @ (params["c"]["w"] + 1), rtol=1e-6)
    assert log == [("get", "c/w")]
