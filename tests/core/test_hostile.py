"""What a user can hand over by mistake ends in an error of Tenure's that names the path, never in a bare one."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def linear(x):
    return nn.Linear(3)(x)


MODEL = tn.transform(linear)
PARAMS = MODEL.init(KEY, X)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: tn.partition(PARAMS, {"linear": {"w": True}}), "linear/b"),
        (lambda: tn.partition(PARAMS, {}), "linear/"),
        (lambda: tn.partition(PARAMS, True), "mask"),
        (lambda: tn.partition(3, {}), "params"),
        (lambda: tn.partition(PARAMS, {"linear": {"w": True, "b": False, "c": True}}), "linear/c"),
        (lambda: tn.partition(PARAMS, {"linear": {"w": "x", "b": True}}), "linear/w"),
        (lambda: tn.combine(PARAMS, 3), "params"),
        (lambda: tn.combine(PARAMS, PARAMS), "linear/[wb].*two|two.*linear/[wb]"),
        (lambda: MODEL.apply(PARAMS["linear"], None, X), "module"),
        (lambda: tn.transform_with_state(linear).apply(PARAMS, {"a": 3}, None, X), "state"),
        (lambda: tn.transform_with_state(linear).apply(PARAMS, [1], None, X), "state"),
        (lambda: MODEL.init("key", X), "key"),
        (lambda: tn.tie(MODEL.plan(X), PARAMS, 3), "ties"),
        (lambda: tn.tie(3, PARAMS, {}), "plan"),
        (lambda: tn.untie(MODEL.plan(X), PARAMS, 3), "slot|path"),
        (lambda: tn.weights(MODEL.plan(X), 3), "params"),
        (lambda: tn.weights(3, PARAMS), "plan"),
        (lambda: tn.assign(MODEL.plan(X), PARAMS, {"linear/w": "x"}), "linear/w"),
        (lambda: tn.penalty(MODEL.plan(X), 3), "params"),
        (lambda: tn.merge(MODEL.plan(X), PARAMS, "nope"), "nope"),
    ],
)
def test_the_pure_functions_name_what_does_not_fit(call, says):
    with pytest.raises(tn.TenureError, match=says):
        call()


def test_a_tie_of_a_wrong_shape_offers_the_view_afterwards_too():
    def two(x):
        return nn.Linear(3, name="a")(x), nn.Linear(4, name="b")(jnp.ones((2, 3)))

    model = tn.transform(two)
    with pytest.raises(tn.errors.ViewShapeError, match="needs") as error:
        tn.tie(model.plan(X), model.init(KEY, X), {"b/w": "a/w"})
    assert "'b/w': 'a/w | transpose'" in str(error.value).replace('"', "'")
