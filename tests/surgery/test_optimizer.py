"""`tie` and `untie` with every optimizer of optax and its wrappers: right, or refused by the name of the leaf (R15)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import tenure as tn
from tenure.core.errors import OptimizerStateError
from tests.checkpoints.models import equal
from tests.sample import sample

X = jnp.ones(2)
VIEWS = {"same": (6, 4), "transpose": (4, 6), "slice": (3, 4), "scale": (6, 4)}
TIES = {"same": "", "transpose": " | transpose", "slice": " | slice(1, 4)", "scale": " | scale(2.0)"}


class Weight(tn.Module):
    def __call__(self, shape):
        return tn.get_parameter(
            "w", shape, init=lambda s, d: jnp.arange(float(np.prod(s)), dtype=d).reshape(s) / 8
        ).sum()


def function(view):
    return lambda x: Weight("embed")((6, 4)) + Weight("head")(VIEWS[view]) + Weight("other")((5,)) + x


class Stats(NamedTuple):
    """What a Shampoo-like optimizer keeps for a parameter."""

    diagonal: object
    preconditioners: list


class Shampoo(NamedTuple):
    count: object
    stats: object


def shampoo():
    def stats(p):
        return Stats(jnp.zeros_like(p), [jnp.eye(n) for n in p.shape])

    def update(updates, state, params=None):
        return updates, Shampoo(state.count + 1, state.stats)

    return optax.GradientTransformation(lambda params: Shampoo(jnp.zeros(()), jax.tree.map(stats, params)), update)


def labels(rule):
    """Labels of params, whatever leaves there are."""
    return lambda params: {m: {n: rule(m) for n in e} for m, e in params.items()}


def in_a_row():
    """A state that has the parameters in the order of their leaves."""
    return optax.GradientTransformation(
        lambda params: {"moments": [jnp.zeros_like(p) for p in jax.tree.leaves(params)]}, lambda u, s, p=None: (u, s)
    )


SIMPLE = (
    "adabelief adadelta adagrad adam adamax adamaxw adamw adan amsgrad fromage lamb lars lion nadam nadamw noisy_sgd"
)
SIMPLE += " novograd optimistic_gradient_descent optimistic_adam_v2 radam rmsprop rprop sgd sign_sgd yogi sm3"
OPTIMIZERS = {name: getattr(optax, name)(1e-3) for name in SIMPLE.split() if name != "noisy_sgd"}
OPTIMIZERS |= {
    "momentum": optax.sgd(1e-3, momentum=0.9),
    "polyak": optax.polyak_sgd(),
    "adafactor": optax.adafactor(1e-3, min_dim_size_to_factor=2),
    "adafactor, plain": optax.adafactor(1e-3),
    "adafactor, momentum": optax.adafactor(1e-3, min_dim_size_to_factor=2, momentum=0.9),
    "muon": contrib.muon(1e-3),
    "ademamix": contrib.ademamix(1e-3),
    "adopt": contrib.adopt(1e-3),
    "acprop": contrib.acprop(1e-3),
    "cocob": contrib.cocob(),
    "dadapt": contrib.dadapt_adamw(),
    "dog": contrib.dog(),
    "madgrad": contrib.madgrad(1e-3),
    "momo": contrib.momo(),
    "prodigy": contrib.prodigy(),
    "schedule_free": contrib.schedule_free_adamw(1e-3),
    "mechanize": contrib.mechanize(optax.adam(1e-3)),
    "sophia": contrib.sophia(1e-3),
    "masked, in": optax.masked(optax.adam(1e-3), labels(lambda m: m != "other")),
    "masked, out": optax.masked(optax.adam(1e-3), labels(lambda m: m == "other")),
    "masked, modules": optax.masked(optax.adam(1e-3), lambda p: {m: m != "other" for m in p}),
    "masked, modules out": optax.masked(optax.adam(1e-3), lambda p: {m: m == "other" for m in p}),
    "multi_transform": optax.multi_transform(
        {"a": optax.adam(1e-3), "b": optax.sgd(1e-2, momentum=0.9), "c": optax.set_to_zero()},
        labels(lambda m: "b" if m == "other" else "a"),
    ),
    "multi_transform by axes": optax.multi_transform(
        {"matrix": optax.adam(1e-3), "vector": optax.sgd(1e-2, momentum=0.9)},
        lambda p: jax.tree.map(lambda a: "matrix" if a.ndim == 2 else "vector", p),
    ),
    "partition": optax.partition({"x": optax.adafactor(1e-3, min_dim_size_to_factor=2)}, labels(lambda m: "x")),
    "inject_hyperparams": optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3),
    "MultiSteps": optax.MultiSteps(optax.adam(1e-3), 1),
    "chain": optax.chain(
        optax.clip_by_global_norm(1.0), optax.masked(optax.adamw(1e-3), labels(lambda m: True)), optax.ema(0.9)
    ),
    "apply_if_finite": optax.apply_if_finite(optax.adam(1e-3), 2),
    "adaptive_grad_clip": optax.chain(optax.adaptive_grad_clip(0.1), optax.adam(1e-3)),
    "lookahead-like": optax.chain(optax.adam(1e-3), optax.trace(0.9)),
    "shampoo-like": shampoo(),
    "lbfgs": optax.lbfgs(1e-3, linesearch=None),
    "flatten": optax.flatten(optax.adam(1e-3)),
    "leaves in a row": in_a_row(),
}
OTHERS = {  # taken as they begin, and through a transpose
    "add_noise": optax.chain(optax.add_noise(0.1, 0.5, key=0), optax.adam(1e-3)),
    "apply_every": optax.chain(optax.apply_every(2), optax.adam(1e-3)),
    "backtracking": optax.chain(optax.sgd(1e-3), optax.scale_by_backtracking_linesearch(2, store_grad=True)),
    "conditionally_mask": optax.conditionally_mask(optax.adam(1e-3), lambda step: True),
    "distance_over_gradients": optax.scale_by_distance_over_gradients(),
    "dowg": contrib.dowg(),
    "galore": contrib.galore(1e-3, rank=2),
    "hutchinson": contrib.hutchinson_estimator_diag_hessian(),
    "named_chain": optax.named_chain(("a", optax.adam(1e-3)), ("b", optax.trace(0.9))),
    "noisy_sgd": optax.noisy_sgd(1e-3, key=0),
    "normalize": optax.chain(contrib.normalize(), optax.adam(1e-3)),
    "reduce_on_plateau": optax.chain(optax.adam(1e-3), contrib.reduce_on_plateau()),
    "sam": contrib.sam(optax.sgd(1e-3), optax.adam(1e-2), sync_period=2),
    "selective": optax.selective_transform(optax.adam(1e-3), freeze_mask=labels(lambda m: m == "other")),
    "signum": optax.signum(1e-3),
    "simplified_ademamix": contrib.simplified_ademamix(1e-3),
    "split_real_and_imaginary": contrib.split_real_and_imaginary(optax.adam(1e-3)),
    "zero_nans": optax.chain(optax.zero_nans(), optax.adam(1e-3)),
    "zoom": optax.chain(optax.sgd(1e-3), optax.scale_by_zoom_linesearch(2)),
}
REFUSED_OTHERS = {"galore": "projector/head/w", "distance_over_gradients": "grad_sum_of_squares/embed/w"}
# what is refused, always or for a view that is more than an order of axes
REFUSED = {"lbfgs": "diff_params_memory", "flatten": "mu", "leaves in a row": "moments"}
REFUSED_SLICES = {
    "sm3": "mu/embed/w",
    "adafactor": "v_row/embed/w",
    "adafactor, momentum": "v_row/embed/w",
    "partition": "v_row/embed/w",
    "shampoo-like": "stats/embed/w/preconditioners",
}


def extras(optimizer):
    """What an update takes beside gradients and params."""
    if not isinstance(optimizer, optax.GradientTransformationExtraArgs):
        return {}
    return {"value": jnp.ones(()), "obj_fn": lambda p: sum(jnp.sum(a**2) for a in jax.tree.leaves(p))}


def stepped(optimizer, params):
    """The state after two steps."""
    state = optimizer.init(params)
    for i in (1, 2):
        grads = jax.tree.map(lambda p: jnp.cos(p * i) / 4, params)
        _, state = optimizer.update(grads, state, params, **extras(optimizer))
    return state


def same_layout(a, b):
    """Whether two states have one structure, shapes and dtypes."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
        assert (np.shape(x), jnp.asarray(x).dtype) == (np.shape(y), jnp.asarray(y).dtype)


NAMES_AND_VIEWS = [(name, view) for name in OPTIMIZERS for view in ("same", "transpose", "slice")]


@pytest.mark.parametrize("case", sample(NAMES_AND_VIEWS, 4, "-".join))
def test_untie_and_tie_again(case):
    name, view = case
    optimizer = OPTIMIZERS[name]
    ties = {"head/w": f"embed/w{TIES[view]}"}
    plan = tn.transform(function(view), ties=ties).plan(X)
    params = {"embed": {"w": jnp.arange(24.0).reshape(6, 4) / 8}, "other": {"w": jnp.arange(5.0)}}
    state = stepped(optimizer, params)
    refused = REFUSED.get(name) or (REFUSED_SLICES.get(name) if view == "slice" else None)
    if refused:
        with pytest.raises(OptimizerStateError) as caught:
            tn.untie(plan, params, "head/w", state)
        assert refused in str(caught.value) and "optimizer.init(params)" in str(caught.value)
        if name in REFUSED:
            both = {**params, "head": {"w": jnp.ones(VIEWS[view])}}
            free = tn.transform(function(view)).plan(X)
            with pytest.raises(OptimizerStateError, match=refused):
                tn.tie(free, both, ties, stepped(optimizer, both), take="embed/w")
        return
    free = tn.untie(plan, params, "head/w", state)
    same_layout(free.opt_state, optimizer.init(free.params))
    grads = jax.tree.map(jnp.ones_like, free.params)
    updates, _ = optimizer.update(grads, free.opt_state, free.params, **extras(optimizer))
    assert jax.tree.structure(updates) == jax.tree.structure(free.params)
    free_plan = tn.transform(function(view), ties=free.ties).plan(X)
    again = tn.tie(free_plan, free.params, ties, free.opt_state)
    assert equal(again.opt_state, state) and equal(again.params, params)


@pytest.mark.parametrize("name", OTHERS)
def test_the_rest_of_optax(name):
    optimizer, ties = OTHERS[name], {"head/w": "embed/w | transpose"}
    plan = tn.transform(function("transpose"), ties=ties).plan(X)
    params = {"embed": {"w": jnp.arange(24.0).reshape(6, 4) / 8}, "other": {"w": jnp.arange(5.0)}}
    state = optimizer.init(params)
    if name in REFUSED_OTHERS:
        with pytest.raises(OptimizerStateError, match=REFUSED_OTHERS[name]):
            tn.untie(plan, params, "head/w", state)
        return
    free = tn.untie(plan, params, "head/w", state)
    same_layout(free.opt_state, optimizer.init(free.params))
    again = tn.tie(tn.transform(function("transpose"), ties=free.ties).plan(X), free.params, ties, free.opt_state)
    assert equal(again.opt_state, state)


def test_every_optimizer_of_optax_is_among_them():
    """What optax has in its next version is to be looked at."""
    known = " ".join([*OPTIMIZERS, *OTHERS]) + " polyak_sgd optimistic_adam"
    found = [n for n, f in vars(optax).items() if getattr(f, "__module__", "") == "optax._src.alias" and n.islower()]
    assert len(found) > 20 and not [name for name in found if name not in known]


def test_entries_go_through_the_view():
    plan = tn.transform(function("transpose"), ties={"head/w": "embed/w | transpose"}).plan(X)
    params = {"embed": {"w": jnp.arange(24.0).reshape(6, 4)}, "other": {"w": jnp.arange(5.0)}}
    state = stepped(
        optax.chain(optax.adam(1e-3), optax.adafactor(1e-3, min_dim_size_to_factor=2), optax.sm3(1e-3)), params
    )
    free = tn.untie(plan, params, "head/w", state)
    adam, factor, sm3 = free.opt_state[0][0], free.opt_state[1][0], free.opt_state[2][0]
    assert jnp.array_equal(adam.nu["head"]["w"], adam.nu["embed"]["w"].T)
    product = lambda row, column: jnp.outer(row, column)  # noqa: E731
    assert jnp.array_equal(factor.v_row["head"]["w"], factor.v_row["embed"]["w"])  # both the shorter axis
    assert product(factor.v_row["head"]["w"], factor.v_col["head"]["w"]).shape == (4, 6)
    assert [m.shape for m in sm3.mu["head"]["w"]] == [(4,), (6,)]
    assert jnp.array_equal(sm3.mu["head"]["w"][0], sm3.mu["embed"]["w"][1])


def test_the_factors_of_a_square_matrix_change_sides():
    """Rows and columns are told apart by size elsewhere; here only the view says which is which."""
    square = lambda x: Weight("embed")((4, 4)) + Weight("head")((4, 4)) + x  # noqa: E731
    plan = tn.transform(square, ties={"head/w": "embed/w | transpose"}).plan(X)
    optimizer = optax.scale_by_factored_rms(min_dim_size_to_factor=2)
    params = {"embed": {"w": jnp.arange(16.0).reshape(4, 4)}}
    grads = jnp.outer(jnp.arange(1.0, 5), jnp.array([1.0, 0.5, 2.0, 4.0]))
    state = optimizer.update({"embed": {"w": grads}}, optimizer.init(params), params)[1]
    free = tn.untie(plan, params, "head/w", state)
    updates, _ = optimizer.update({"embed": {"w": grads}, "head": {"w": grads.T}}, free.opt_state, free.params)
    assert np.allclose(updates["head"]["w"], updates["embed"]["w"].T, rtol=1e-5)


def test_gradients_that_are_being_summed_are_refused():
    optimizer = optax.MultiSteps(optax.adam(1e-3), 2)
    plan = tn.transform(function("same"), ties={"head/w": "embed/w"}).plan(X)
    params = {"embed": {"w": jnp.ones((6, 4))}, "other": {"w": jnp.arange(5.0)}}
    state = optimizer.init(params)
    for step in range(3):
        if step % 2:
            with pytest.raises(OptimizerStateError, match="acc_grads"):
                tn.untie(plan, params, "head/w", state)
        else:
            tn.untie(plan, params, "head/w", state)
        _, state = optimizer.update(params, state, params)


def test_gradients_of_apply_every_are_refused_until_they_are_applied():
    optimizer = optax.apply_every(2)
    plan = tn.transform(function("same"), ties={"head/w": "embed/w"}).plan(X)
    params = {"embed": {"w": jnp.ones((6, 4))}, "other": {"w": jnp.arange(5.0)}}
    state = optimizer.update(params, optimizer.init(params))[1]
    with pytest.raises(OptimizerStateError, match="grad_acc"):
        tn.untie(plan, params, "head/w", state)
    assert tn.untie(plan, params, "head/w", optimizer.update(params, state)[1]).opt_state.grad_acc["head"]["w"].shape


def test_some_owners_masked_and_some_not():
    def f(x):
        return Weight("a")((2, 3)) + Weight("b")((2, 1)) + Weight("ab")((2, 4)) + x

    plan = tn.transform(f, ties={"ab/w": "a/w | concat('b/w', axis=1)"}).plan(X)
    params = {"a": {"w": jnp.ones((2, 3))}, "b": {"w": jnp.zeros((2, 1))}}
    whole = tn.untie(plan, params, "ab/w", optax.adam(1e-3).init(params))
    same_layout(whole.opt_state, optax.adam(1e-3).init(whole.params))
    optimizer = optax.masked(optax.adam(1e-3), labels(lambda m: m != "b"))
    with pytest.raises(OptimizerStateError, match="b/w"):
        tn.untie(plan, params, "ab/w", optimizer.init(params))


def test_inside_of_a_layer_stack():
    def f(x):
        w = tn.get_parameter("w", (3, 3), init=jnp.ones)

        def layer(x):
            return tn.nn.Linear(3, name="b", with_bias=False)(tn.nn.Linear(3, name="a", with_bias=False)(x))

        return tn.layer_stack(2, name="stack")(layer)(x @ w)

    x = jnp.ones((2, 3))
    for tie in ("stack/a/w | transpose", "~/w | transpose"):
        model = tn.transform(f, ties={"stack/b/w": tie})
        plan, params = model.plan(x), model.init(jax.random.key(0), x)
        state = optax.adam(1e-3).update(params, optax.adam(1e-3).init(params))[1]
        free = tn.untie(plan, params, "stack/b/w", state)
        same_layout(free.opt_state, optax.adam(1e-3).init(free.params))
        assert np.allclose(free.opt_state[0].mu["stack/b"]["w"], free.params["stack/b"]["w"] * 0.1)
