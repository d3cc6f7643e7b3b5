"""Every way to share × every place to share in: R1, R2, R25, R26, R29, R37, R38, R39, R42."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.core.zoo import AROUND, ZOO
from tests.sample import sample

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)
AS_IS = [(e, "as is") for e in ZOO]
WRAPPED = [(e, a) for e in ZOO for a in AROUND if a != "as is"]
CASES = sample(AS_IS, 1, ", ".join) + sample(WRAPPED, 16, ", ".join)


def inside(around):
    """What the wrapping puts before a path."""
    return {"stack": "layer_stack/", "jit of stack of remat": "around/"}.get(
        next(k for k, v in AROUND.items() if v is around), ""
    )


def build(entry, around):
    prefix = inside(around)

    def move(value):
        if not isinstance(value, str) or value.startswith("@"):
            return value
        return prefix + value

    ties = {move(k): move(v) for k, v in (entry.ties or {}).items()} or None
    return tn.transform(around(entry.function), ties=ties)


def distinct(tree):
    """Other values for each leaf than the initial ones, so that nothing is hidden by zeros."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(
        structure,
        [v + 0.1 * np.cos(np.arange(v.size) + i).reshape(v.shape).astype(v.dtype) for i, v in enumerate(leaves)],
    )


@pytest.mark.parametrize("case", CASES)
def test_ownership_values_and_gradients(case):
    entry, around = ZOO[case[0]], AROUND[case[1]]
    model = build(entry, around)
    plan = model.plan(X)
    params = distinct(model.init(jax.random.key(0), X))
    ledger = plan.ledger

    # R1: one owner for each leaf, and the plan knows their shapes
    assert len(jax.tree.leaves(params)) == len(ledger.owners)
    assert jax.tree.map(lambda v: (v.shape, v.dtype), params) == jax.tree.map(lambda v: (v.shape, v.dtype), plan.params)
    # R2: owner_of and users_of are inverse
    for row in ledger.rows:
        for owner in ledger.owners_of(row.path):
            assert row.path in ledger.users_of(owner)
        for user in ledger.users_of(row.path):
            assert row.path in ledger.owners_of(user)
    expected = {inside(around) + o: {inside(around) + u for u in users} for o, users in entry.users.items()}
    assert {
        o: set(ledger.users_of(o)) - {o}
        for o in ledger.owners + tuple(inside(around) + g for g in entry.given)
        if len(ledger.users_of(o)) > 1
    } == expected
    # R29: counts
    assert ledger.count() == sum(v.size for v in jax.tree.leaves(params)) == sum(o for o, _ in ledger.counts().values())
    # R37: the same values however it is run
    eager = model.apply(params, None, X)
    assert eager.shape == X.shape and bool(jnp.isfinite(eager).all())
    compiled = jax.jit(model.apply)
    np.testing.assert_allclose(compiled(params, None, X), eager, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(compiled(params, None, X), eager, rtol=2e-5, atol=2e-5)  # R39: a cache hit
    # R39: a second plan is the same
    assert build(entry, around).plan(X).ledger.rows == ledger.rows
    assert model.plan(X).ledger == ledger
    # R42: from shapes alone
    assert build(entry, around).plan(jax.ShapeDtypeStruct(X.shape, X.dtype)).ledger.rows == ledger.rows

    check_gradient(build(entry, around), params, ledger)


def check_gradient(model, params, ledger):
    """R25: the gradient is the directional derivative, by finite differences in float64."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(X), jnp.float64)
        params = jax.tree.map(lambda v: jnp.asarray(np.asarray(v), jnp.float64), params)
        loss = jax.jit(lambda params: (model.apply(params, None, x) ** 2).sum())
        direction = jax.tree.map(lambda v: np.cos(3 * np.asarray(v)), params)

        def both(params):
            value, tangent = jax.jvp(loss, (params,), (direction,))
            try:
                grads = jax.grad(loss)(params)
            except ValueError as e:  # no reverse mode through a while loop
                assert "while_loop" in str(e)
                grads = None
            ahead, behind = (loss(jax.tree.map(lambda p, d: p + s * d, params, direction)) for s in (step, -step))
            return value, tangent, grads, ahead, behind

        step = 1e-5
        _, tangent, grads, ahead, behind = jax.jit(both)(params)  # one program
        if grads is not None:
            assert jax.tree.structure(grads) == jax.tree.structure(params)
            pairs = zip(jax.tree.leaves(grads), jax.tree.leaves(direction), strict=True)
            np.testing.assert_allclose(sum((np.asarray(g) * d).sum() for g, d in pairs), tangent, rtol=1e-9)
        if not any("stop_gradient" in row.views for row in ledger.rows):
            np.testing.assert_allclose((ahead - behind) / (2 * step), tangent, rtol=1e-4)


@pytest.mark.parametrize("name", sample(ZOO, 3))
def test_the_gradient_is_the_sum_over_uses(name):
    """R25: untie all borrowers; the owner's gradient is the sum of the copies' gradients, led back through the views."""
    entry = ZOO[name]
    tied = tn.transform(entry.function, ties=entry.ties)
    plan, params = tied.plan(X), distinct(tied.init(0, X))
    ties, untied = plan.ties, params
    order = plan.ledger.borrowers
    if any(len(plan.ledger.owners_of(p)) > 1 for p in order) or not order:
        pytest.skip("a concatenation has several owners")

    def values(params):
        """All slots' leaves of the untied model, as a function of the tied one's."""
        current = tn.transform(entry.function, ties=entry.ties).plan(X)
        out, own, stages = params, dict(current.ties), {}
        for path in order:
            step = tn.untie(current, out, path)
            out, own, stages = step.params, step.ties, step.stages
            current = tn.transform(entry.function, ties=own, stages=stages).plan(X)
        return out, own, stages

    if entry.given or any(r.stack for r in plan.slots.values()):
        pytest.skip("what is given, or lives in a stack, is covered by finite differences")
    untied, ties, stages = values(params)
    free = tn.transform(entry.function, ties=ties, stages=stages)
    np.testing.assert_allclose(free.apply(untied, None, X), tied.apply(params, None, X), rtol=1e-5, atol=1e-6)  # R15
    assert len(jax.tree.leaves(untied)) == len(plan.ledger.owners) + len(order)
    if "while" in str(jax.make_jaxpr(lambda p: free.apply(p, None, X))(untied)):
        pytest.skip("no reverse mode through a while loop")
    grads = jax.grad(lambda p: (free.apply(p, None, X) ** 2).sum())(untied)
    _, back = jax.vjp(lambda p: values(p)[0], params)
    expected = back(grads)[0]
    got = jax.grad(lambda p: (tied.apply(p, None, X) ** 2).sum())(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, expected)


@pytest.mark.parametrize("name", sample(ZOO, 3))
def test_params_survive_what_unties_elsewhere(name):
    """R38: copies, casts, moves and donation cannot untie, since there are no aliases."""
    entry = ZOO[name]
    model = tn.transform(entry.function, ties=entry.ties)
    params = model.init(0, X)
    leaves = jax.tree.leaves(params)
    assert len({id(v) for v in leaves}) == len({v.unsafe_buffer_pointer() for v in leaves}) == len(leaves)
    expected = model.apply(params, None, X)
    copied = jax.tree.map(lambda v: jnp.array(v, copy=True), jax.device_put(params))
    np.testing.assert_array_equal(model.apply(copied, None, X), expected)
    step = jax.jit(lambda p: jax.tree.map(lambda v: v * 2, p), donate_argnums=0)
    doubled = step(copied)
    assert len(jax.tree.leaves(doubled)) == len(leaves)
    np.testing.assert_array_equal(
        model.apply(doubled, None, X), model.apply(jax.tree.map(lambda v: v * 2, params), None, X)
    )
    half = jax.tree.map(lambda v: v.astype(jnp.bfloat16), params)
    assert model.apply(half, None, X.astype(jnp.bfloat16)).shape == X.shape


@pytest.mark.parametrize("entry", [pytest.param(e, id=name) for name, e in ZOO.items()])
def test_json_round_trip(entry):
    """R44: what the ledger says is data."""
    ledger = tn.transform(entry.function, ties=entry.ties).plan(X).ledger
    assert tn.Ledger.from_json(ledger.to_json()) == ledger


@pytest.mark.parametrize("name", sample(ZOO, 3))
def test_no_tracer_outlives_its_trace(name):
    entry = ZOO[name]
    model = tn.transform(entry.function, ties=entry.ties)
    with jax.checking_leaks():
        model.plan(X)
        params = model.init(0, X)
        jax.jit(model.apply)(params, 0, X)
