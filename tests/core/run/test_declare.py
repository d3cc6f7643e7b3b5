"""A declared parameter is for the modules built inside of the one that declares it."""

import jax.numpy as jnp

import tenure as tn
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
