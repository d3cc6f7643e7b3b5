"""A declared parameter is for the modules built inside of the one that declares it."""

import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.core.staged_models import KEY, Weight
from tests.core.zoo import ZOO, normal

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r18_a_declaration_is_seen_inside_and_nowhere_else():
    ledger = tn.transform(ZOO["declared"].function).plan(X).ledger
    assert ledger["p/shared"].origin == "declare" == ledger["p/~/borrower/shared"].origin

    class Inner(tn.Module):
        def __init__(self, name=None):
            super().__init__(name=name)
            tn.declare("w", (4, 4), init=normal)
            self.user = tn.to_module(lambda x: x @ tn.borrow("w"))("user")

        def __call__(self, x):
            return self.user(x)

    class Outer(tn.Module):
        def __init__(self, name=None):
            super().__init__(name=name)
            tn.declare("w", (4, 4), init=normal)
            self.inner, self.user = Inner(name="inner"), tn.to_module(lambda x: x @ tn.borrow("w"))("user")

        def __call__(self, x):
            return self.user(self.inner(x))

    ledger = tn.transform(lambda x: Outer(name="outer")(x)).plan(X).ledger
    assert ledger.owner_of("outer/~/inner/~/user/w") == "outer/~/inner/w"
    assert ledger.owner_of("outer/~/user/w") == "outer/w"


def test_stages_of_a_declaration_and_of_a_given_value():
    class Parent(tn.Module):
        def __call__(self):
            tn.declare("table", (4, 4), init=normal, stages=["noise(0.1)"])
            return Child(name="one")(), Child(name="two")()

    class Child(tn.Module):
        def __call__(self):
            return tn.borrow("table")

    model = tn.transform(lambda: Parent(name="p")())
    params = model.init(0)
    one, two_ = model.apply(params, KEY)
    np.testing.assert_array_equal(one, two_)
    assert not jnp.any(one == params["p"]["table"])

    def given_value():
        made = jnp.ones((4, 4))
        first = Weight(name="first", share={"w": made}, stages={"w": ["noise(0.1)"]})
        second = Weight(name="second", share={"w": first.ref("w")})
        plain = Weight(name="plain", share={"w": first.ref("w").weight})
        return first(), second(), plain()

    first, second, plain = tn.transform(given_value).apply({}, KEY)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(plain, jnp.ones((4, 4)))
    assert not jnp.any(first == 1)
