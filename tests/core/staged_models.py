"""Owners and borrowers with stages."""

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nn

KEY, X = jax.random.key(5), jnp.eye(4)
TIE = "first/w | transpose"


def normal(shape, dtype):
    return jax.random.normal(tn.next_rng_key(), shape, dtype)


class Weight(tn.Module):
    """Gives its weight."""

    def __init__(self, shape=(4, 4), stages_of_request=None, name=None):
        super().__init__(name=name)
        self.shape, self.stages_of_request = shape, stages_of_request

    def __call__(self):
        return tn.get_parameter("w", self.shape, init=normal, stages=self.stages_of_request)


def two(owner=None, user=None, share=TIE, request=None):
    """The values that the owner and a borrower see; `owner` and `user` are the modules' `stages=`."""

    def f():
        first = Weight(name="first", stages=owner and {"w": owner}, stages_of_request=request)
        second = Weight(name="second", share={"w": share}, stages=user and {"w": user})
        return first(), second()

    return f


def seen(model, key=KEY, params=None):
    params = params or model.init(0)
    return params, *model.apply(params, key)


def body(x, i=None):
    return jnp.tanh(nn.Linear(4, name="inner", stages={"w": ["noise(0.3)"]})(x))


def in_scan(x):
    return tn.scan(lambda c, _: (body(c), None), x, None, length=3)[0]


FORMS = ["symmetric", "positive", "triangular", "orthogonal", "low_rank(2)"]  # not every weight has the form
FREE = ["weight_norm", "weight_norm(axis=0, name='rows')", "lora(2, freeze=False)"]
STOCHASTIC = ["noise(0.1)", "noise(0.2, relative=True, name='more')", "dropout(0.3)", "variational(0.1)"]


def owner_and_users(stages, uses):
    owner = Weight(name="owner", stages={"w": stages})
    return [owner()] + [Weight(name=f"u{i}", share={"w": "owner/w" + v})() for i, v in enumerate(uses)]
