"""`ledger.diff`: what two models own, borrow, shape and stage differently."""

import jax.numpy as jnp

import tenure as tn
from tenure import nn

X = jnp.ones((2, 4))


def two_linears(x, width=4):
    x = nn.Linear(width, name="one")(x)
    return nn.Linear(4, name="two")(x)


def ledger(function=two_linears, *args, **options):
    return tn.transform(function, **options).plan(X, *args).ledger


def test_equal_models_do_not_differ():
    one, two = ledger(), tn.Ledger.from_json(ledger().to_json())
    assert not one.diff(two) and str(one.diff(two)) == "no differences"


def test_each_respect_is_one_row():
    free = ledger()
    tied = ledger(ties={"two/w": "one/w | transpose"}, stages={"one/w": ["noise(0.1)"]})
    found = {(d.path, d.what): (d.one, d.two) for d in tn.Ledger.from_json(free.to_json()).diff(tied)}
    assert found == {
        ("two/w", "kind"): ("owned", "borrowed from one/w | transpose"),
        ("one/w", "stages"): ("–", "noise(0.1)"),
    }


def test_shapes_and_missing_slots():
    found = ledger().diff(ledger(two_linears, 5), names=("file", "model"))
    assert [(d.path, d.what) for d in found] == [("one/w", "shape"), ("one/b", "shape"), ("two/w", "shape")]
    assert str(found).splitlines()[0].split() == ["slot", "what", "file", "model"]
    less = ledger(lambda x: nn.Linear(4, name="one")(x))
    assert [(d.path, d.what, d.two) for d in ledger().diff(less)] == [("two/w", "slot", "–"), ("two/b", "slot", "–")]


def test_another_view_is_a_difference_and_where_it_was_asked_for_is_not():
    straight, turned = (ledger(ties={"two/w": text}) for text in ("one/w", "one/w | transpose"))
    (found,) = straight.diff(turned)
    assert (found.path, found.what, found.one, found.two) == ("two/w", "borrows", "one/w", "one/w | transpose")

    def elsewhere(x):
        return two_linears(x)

    assert not ledger(elsewhere).diff(ledger())


def test_states_are_compared_too():
    def counts(dtype):
        return lambda x: (tn.get_state("n", (), dtype, init=jnp.zeros), tn.set_state("n", jnp.ones((), dtype)))

    one, two = (tn.transform_with_state(counts(d)).plan(X).ledger for d in (jnp.float32, jnp.int32))
    (found,) = one.diff(two)
    assert (found.collection, found.what, found.one, found.two) == ("state", "dtype", "float32", "int32")
    assert "~/n (state)" in str(one.diff(two))
