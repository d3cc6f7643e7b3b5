"""Requirements that are about one situation each; the ones about every model are in test_zoo.py."""

import json
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core import errors
from tests.core.zoo import ZOO, Coder, Dense, Mlp, normal

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


def test_r4_r16_r17_a_module_reads_all_its_parameters_and_lists_what_it_owns():
    seen = {}

    def f(x):
        first = Dense(4, name="first")
        tied = Dense(4, share={"w": first.ref("w").T, "b": None}, name="tied")
        lent = Dense(4, share={"w": jnp.eye(4)}, name="lent")
        mlp = Mlp(name="mlp", share={"first/b": None})
        out = mlp(lent(tied(first(x))))
        for module in (first, tied, lent, mlp):
            seen[module.name] = (
                {k: tuple(module.params[k].shape) for k in module.params},
                sorted(module.owned),
            )
        assert "nothing" not in tied.params
        return out, tied.params["w"], lent.params["w"]

    model = tn.transform(f)
    params = model.init(0, X)
    for run in (lambda: model.apply(params, None, X), lambda: jax.jit(model.apply)(params, None, X)):
        _, w, eye = run()
        np.testing.assert_array_equal(w, params["first"]["w"].T)
        np.testing.assert_array_equal(eye, np.eye(4))
        assert seen["tied"] == ({"w": (4, 4), "b": (4,)}, ["b"])
        assert seen["lent"] == ({"w": (4, 4), "b": (4,)}, ["b"])
        assert seen["mlp"][1] == ["~/first/b", "~/first/w", "~/second/b", "~/second/w"]
    kinds = {row.path: row.kind for row in model.plan(X).ledger.rows}
    assert kinds["lent/w"] == "given" and kinds["tied/w"] == "borrowed" and kinds["first/w"] == "owned"


@pytest.mark.parametrize(
    ("second", "word"),
    [
        (dict(shape=(4, 5)), "shape"),
        (dict(dtype=jnp.bfloat16), "dtype"),
        (dict(init=jnp.ones), "initialiser"),
    ],
)
def test_r5_two_different_requests_for_one_path(second, word):
    def f(x):
        module = Dense(4, name="m")

        class Ask(tn.Module):
            def __call__(self):
                tn.get_parameter("w", (4, 4), init=normal)
                return tn.get_parameter("w", **{"shape": (4, 4), "dtype": jnp.float32, "init": normal, **second})

        Ask(name="ask")()
        return module(x)

    with pytest.raises(errors.RequestConflictError, match=word) as e:
        tn.transform(f).plan(X)
    assert [party.role for party in e.value.parties] == ["first", "second"]
    assert all("test_requirements.py:" in party.site for party in e.value.parties)


def test_r5_two_methods_that_take_one_name_do_not_share_silently():
    class Careless(tn.Module):
        @tn.name_like("__call__")
        def one(self, x):
            return Dense(4)(x)

        @tn.name_like("__call__")
        def two(self, x):
            return Dense(4)(x)

    def f(x):
        module = Careless()
        return module.two(module.one(x))

    with pytest.raises(errors.PathConflictError, match="careless/dense/w"):
        tn.transform(f).plan(X)


def test_r6_only_the_owner_initialises_and_a_tie_changes_no_other_value():
    plain = values(tn.transform(ZOO["by ties"].function), X)
    tied = values(tn.transform(ZOO["by ties"].function, ties=ZOO["by ties"].ties), X)
    assert tied.keys() == plain.keys() - {"head/w"}
    for path, value in tied.items():
        np.testing.assert_array_equal(value, plain[path])

    def never(shape, dtype):
        raise AssertionError("a borrower's initialiser ran")

    def f(x):
        embed = Dense(6, name="embed")
        return Dense(4, w_init=never, share={"w": embed.ref("w").T}, name="head")(embed(x))

    model = tn.transform(f)
    model.init(0, X)
    ledger = model.plan(X).ledger
    assert "its own initialiser is not used" in ledger["head/w"].notes
    assert "its own initialiser is not used" in str(ledger)


def test_r7_under_another_name():
    class Named(tn.Module):
        def __call__(self, x):
            return x @ tn.get_parameter("kernel", (4, 4), init=normal)

    def f(x):
        dense = Dense(4, name="dense")
        return Named(share={"kernel": dense.ref("w")}, name="named")(dense(x))

    model = tn.transform(f)
    params = model.init(0, X)
    assert model.plan(X).ledger.users_of("dense/w") == ("dense/w", "named/kernel")
    w, b = params["dense"]["w"], params["dense"]["b"]
    np.testing.assert_allclose(model.apply(params, None, X), (X @ w + b) @ w, rtol=1e-5)


def test_r13_layers_may_depend_on_each_other_and_parameters_may_not():
    entry = ZOO["loop of layers"]
    params = tn.transform(entry.function).init(0, X)
    assert jax.tree.map(jnp.shape, params) == {"a": {"w": (4, 4)}, "b": {"b": (4,)}}
    with pytest.raises(errors.CycleError, match="a/w → b/w → a/w"):
        tn.transform(entry.function, ties={"a/w": "b/w"}).plan(X)


def test_r12_a_chain_of_forward_references_needs_no_order():
    plan = tn.transform(ZOO["forward chain"].function).plan(X)
    assert plan.ledger.chain_of("a/w") == ("a/w", "b/w", "c/w")
    assert plan.ledger["a/w"].views == ("transpose", "transpose")


def test_r14_ties_reach_a_module_that_never_heard_of_them_at_any_depth():
    def f(x):
        @tn.to_module
        def outer(x):
            return Mlp(name="deep")(x)

        return outer("outer")(x) + Mlp(name="top")(x)

    ties = {"outer/deep/second/w": "top/first/w | transpose", "top/second/w": "outer/deep/first/w | transpose"}
    ledger = tn.transform(f, ties=ties).plan(X).ledger
    assert ledger.owner_of("outer/deep/~/second/w") == "top/~/first/w"
    assert ledger.owner_of("top/~/second/w") == "outer/deep/~/first/w"
    assert ledger["top/~/second/w"].origin == "ties"
    whole = tn.transform(f, ties={"top/*": "outer/deep"}).plan(X).ledger
    assert all(o.startswith("outer/") for o in whole.owners)


def test_a_share_on_a_compound_looks_inside_first_and_then_outwards():
    share = {"second/w": "first/w | slice(0, 4, axis=1)", "first/b": "outer/b"}

    def f(x):
        return Mlp(name="mlp", share=share)(Dense(5, name="outer")(x)) + Dense(4, name="first")(x)

    ledger = tn.transform(f).plan(X).ledger
    assert ledger.owner_of("mlp/second/w") == "mlp/~/first/w" and ledger.owner_of("mlp/first/b") == "outer/b"


def test_r15_untie_and_tie_are_inverse_and_keep_the_outputs_and_the_optimizer():
    import optax

    entry = ZOO["transitive"]
    model = tn.transform(entry.function)
    plan, params = model.plan(X), model.init(0, X)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))
    state = optimizer.init(params)
    grads = jax.grad(lambda p: (model.apply(p, None, X) ** 2).sum())(params)
    _, state = optimizer.update(grads, state, params)

    ties, untied, untied_state, _ = tn.untie(plan, params, "output_prob/w", state)
    free = tn.transform(entry.function, ties=ties)
    np.testing.assert_array_equal(free.apply(untied, None, X), model.apply(params, None, X))
    np.testing.assert_array_equal(untied["output_prob"]["w"], params["source_embed"]["w"].T)
    mu = untied_state[1][0].mu
    np.testing.assert_array_equal(mu["output_prob"]["w"], state[1][0].mu["source_embed"]["w"].T)
    assert jax.tree.structure(free.init(0, X)) == jax.tree.structure(untied)
    optimizer.update(untied, untied_state, untied)  # the structure fits

    again = tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"}, untied_state)
    retied = tn.transform(entry.function, ties=again.ties)
    np.testing.assert_array_equal(retied.apply(again.params, None, X), model.apply(params, None, X))
    assert jax.tree.structure(again.opt_state) == jax.tree.structure(state)

    untied["output_prob"]["w"] = untied["output_prob"]["w"] + 0.25
    with pytest.raises(errors.TieValueError, match=r"0\.25") as e:
        tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"})
    assert "take='output_prob/w'" in str(e.value)
    kept = tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"}, take="output_prob/w")
    np.testing.assert_array_equal(kept.params["source_embed"]["w"], untied["output_prob"]["w"].T)


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


def test_r26_r27_the_optimizer_sees_each_parameter_once_and_rules_go_by_owner():
    import optax

    entry = ZOO["transitive"]
    model = tn.transform(entry.function)
    ledger, params = model.plan(X).ledger, model.init(0, X)
    mask = ledger.mask(lambda row: len(row.shape) > 1)
    assert mask == {"source_embed": {"w": True, "b": False}, "target_embed": {"b": False}, "output_prob": {"b": False}}
    labels = ledger.labels({"**/b": "bias", "source_embed/*": "slow"}, default="fast")
    assert labels["source_embed"] == {"w": "slow", "b": "bias"}
    optimizer = optax.multi_transform(
        {"bias": optax.sgd(1.0), "slow": optax.set_to_zero(), "fast": optax.adam(1.0)}, labels
    )
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    assert not updates["source_embed"]["w"].any() and updates["source_embed"]["b"].shape == (6,)
    norm = optax.tree.norm(params)
    np.testing.assert_allclose(
        norm, np.sqrt(sum((np.asarray(v) ** 2).sum() for v in jax.tree.leaves(params))), rtol=1e-6
    )
    for rules in ({"output_prob/w": 1}, {"target_embed/w": 1, "**": 2}):
        with pytest.raises(errors.RuleError, match="source_embed/w"):
            ledger.labels(rules)
    with pytest.raises(errors.RuleError, match="selects nothing"):
        ledger.mask("sourc_embed/w")


def test_r28_freezing_for_one_use_only():
    entry = ZOO["frozen use"]
    model = tn.transform(entry.function)
    params = model.init(0, X)
    assert model.plan(X).ledger["head/w"].views == ("stop_gradient",)

    def by_hand(params):
        hidden = X @ params["embed"]["w"] + params["embed"]["b"]
        return hidden @ jax.lax.stop_gradient(params["embed"]["w"]) + params["head"]["b"]

    got = jax.grad(lambda p: (model.apply(p, None, X) ** 2).sum())(params)
    expected = jax.grad(lambda p: (by_hand(p) ** 2).sum())(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, expected)


def test_r29_counts_by_use():
    ledger = tn.transform(ZOO["transitive"].function).plan(X).ledger
    assert ledger.count() == 24 + 6 + 6 + 4
    assert ledger.count(uses=True) == 3 * 24 + 6 + 6 + 4
    assert ledger.count("output_prob") == 4
    assert ledger.counts()["output_prob"] == (4, 24)
    stacked = tn.transform(ZOO["in stack"].function).plan(X).ledger
    assert stacked.count() == 16 + 4 + 3 * (16 + 4) + 4
    assert (
        stacked.count(uses=True) == stacked.count() + 3 * (16 + 4) + 16
    )  # tied/w and tied/b, in three layers; second_layer/w


def test_r37_a_parameter_from_outside_is_broadcast_into_the_stack_and_never_stacked():
    model = tn.transform(ZOO["in stack"].function)
    params = model.init(0, X)
    assert jax.tree.map(jnp.shape, params) == {
        "shared": {"w": (4, 4), "b": (4,)},
        "layer_stack/own": {"w": (3, 4, 4), "b": (3, 4)},
        "second_layer": {"b": (4,)},
    }
    jaxpr = str(jax.make_jaxpr(model.apply)(params, None, X))
    assert jaxpr.count("scan[") == 1 and "f32[3,4,4]" in jaxpr

    def by_hand(x):
        x = x @ params["shared"]["w"] + params["shared"]["b"]
        for w, b in zip(params["layer_stack/own"]["w"], params["layer_stack/own"]["b"]):
            x = jnp.tanh(x @ w + b) + x @ params["shared"]["w"] + b
        return x @ params["layer_stack/own"]["w"][1].T + params["second_layer"]["b"]

    np.testing.assert_allclose(model.apply(params, None, X), by_hand(X), rtol=1e-5)


def test_r37_a_slice_of_a_stacked_owner_needs_an_explicit_index():
    def f(x):
        y = tn.layer_stack(3)(lambda x: Dense(4, name="own")(x))(x)
        return Dense(4, share={"w": "layer_stack/own/w"}, name="user")(y)

    with pytest.raises(errors.ViewShapeError, match=r"index\(0\)"):
        tn.transform(f).plan(X)


def test_r37_layers_of_a_stack_start_from_different_values():
    params = tn.transform(lambda x: tn.layer_stack(3)(lambda x: Dense(4, name="own")(x))(x)).init(0, X)
    first, second, third = params["layer_stack/own"]["w"]
    assert not np.allclose(first, second) and not np.allclose(second, third)


def test_r39_a_module_built_inside_a_cached_transform_is_detected():
    def careless(x):
        layer = jax.jit(lambda x: Dense(4)(x))
        return layer(layer(x))

    with pytest.raises(errors.CachedTransformError, match=r"tn\.jit"):
        tn.transform(careless).plan(X)

    def careful(x):
        layer = tn.jit(lambda x: Dense(4)(x))
        return layer(layer(x))

    assert set(tn.transform(careful).init(0, X)) == {"dense", "dense_1"}
    for transformation in (
        jax.checkpoint,
        lambda f: lambda x: jax.lax.cond(True, f, f, x),
        lambda f: lambda x: jax.lax.map(f, x),
    ):
        with pytest.raises(errors.CachedTransformError):
            tn.transform(lambda x: transformation(lambda x: Dense(4)(x))(x)).plan(X)


def test_r39_what_runs_python_each_time_may_build_modules():
    def f(x):
        layer = lambda x: Dense(4)(x)  # noqa: E731
        return jax.vmap(layer)(x) + jax.grad(lambda x: layer(x).sum())(x)

    params = tn.transform(f).init(0, X)
    assert set(params) == {"dense", "dense_1"}
    assert tn.transform(f).apply(params, None, X).shape == X.shape


def test_r39_a_prebuilt_module_inside_a_raw_jit_is_itself():
    def f(x):
        dense = Dense(4)
        layer = jax.jit(lambda x: dense(x))
        return layer(layer(x))

    model = tn.transform(f)
    params = model.init(0, X)
    w, b = params["dense"]["w"], params["dense"]["b"]
    np.testing.assert_allclose(model.apply(params, None, X), (X @ w + b) @ w + b, rtol=1e-5)


def test_r40_axes_and_shardings():
    def f(x):
        w = tn.get_parameter("table", (8, 4), init=normal, axes=("vocab", "embed"))

        class Head(tn.Module):
            def __call__(self, x):
                return x @ tn.get_parameter("w", (4, 8), init=normal)

        return Head(share={"w": "table | transpose"}, name="head")(x) @ w

    plan = tn.transform(f).plan(X)
    assert plan.ledger["head/w"].axes == ("embed", "vocab")
    mesh = jax.make_mesh((1, 1), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    specs = plan.ledger.shardings(mesh, {"vocab": "model", "embed": None})
    assert specs["~"]["table"].spec == jax.sharding.PartitionSpec("model", None)
    assert plan.ledger.shardings(mesh, {"**/table": ("data",)})["~"]["table"].spec == jax.sharding.PartitionSpec("data")
    params = jax.device_put(tn.transform(f).init(0, X), specs)
    assert params["~"]["table"].sharding.spec == jax.sharding.PartitionSpec("model", None)

    def conflict(x):
        w = tn.get_parameter("table", (8, 4), init=normal, axes=("vocab", "embed"))

        class Head(tn.Module):
            def __call__(self, x):
                return x @ tn.get_parameter("w", (4, 8), init=normal, axes=("vocab", "embed"))

        return Head(share={"w": "table | transpose"}, name="head")(x) @ w

    with pytest.raises(errors.AxesError, match="constrain"):
        tn.transform(conflict).plan(X)


def test_r40_an_explicit_constraint_for_one_use():
    def f(x):
        first = Dense(4, name="first")
        return Dense(4, share={"w": first.ref("w") | "constrain('model', None)"}, name="user")(first(x))

    model = tn.transform(f)
    params = model.init(0, X)
    mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        assert "sharding_constraint" in str(jax.make_jaxpr(model.apply)(params, None, X))
    assert model.apply(params, None, X).shape == X.shape


def test_r41_placement_lists_the_ties_that_cross_stages():
    ledger = tn.transform(ZOO["transitive"].function).plan(X).ledger
    rows = ledger.placement({"first": ["source_embed/**", "target_embed/**"], "last": "**"})
    assert rows == [
        {"owner": "source_embed/w", "owner_part": "first", "user": "output_prob/w", "user_part": "last", "bytes": 96}
    ]
    with pytest.raises(errors.RuleError, match="output_prob"):
        ledger.placement({"first": ["source_embed/**", "target_embed/**"]})


def test_r44_ties_as_data_and_typos_in_them():
    ties = ZOO["by ties"].ties
    assert json.loads(json.dumps(ties)) == ties
    for bad in (
        {"hed/w": "embed/w"},
        {"head/w": "embd/w"},
        {"head/w": "embed/w | transposed"},
        {"head/w": "embed/w || x"},
    ):
        with pytest.raises(tn.TenureError):
            tn.transform(ZOO["by ties"].function, ties=bad).plan(X)


def test_state_has_owners_and_users_too():
    class Counter(tn.Module):
        def __call__(self):
            n = tn.get_state("n", (2,), jnp.float32, jnp.zeros)
            tn.set_state("n", n + 1)
            return n

    def f():
        first = Counter(name="first")
        second = Counter(name="second", share={"n": first.ref("n") | "scale(2)"})
        first()
        return second()

    model = tn.transform_with_state(f)
    params, state = model.init(None)
    assert params == {} and jax.tree.map(jnp.shape, state) == {"first": {"n": (2,)}}
    out, state = model.apply(params, state, None)
    np.testing.assert_allclose(out, [2.0, 2.0])
    np.testing.assert_allclose(state["first"]["n"], [1.5, 1.5])  # set to 3 through the view: 1.5 at the owner
    ledger = model.plan().ledger
    assert ledger.users_of("first/n") == ("first/n", "second/n") and ledger.count() == 0


def test_state_is_threaded_through_every_transformation():
    def count(x):
        n = tn.get_state("n", (), jnp.int32, jnp.zeros)
        tn.set_state("n", n + 1)
        return x + n

    def f(x):
        x = tn.jit(count)(x)
        x = tn.remat(count)(x)
        x = tn.vmap(count)(x)
        x = tn.scan(lambda c, _: (count(c), ()), x, None, length=3)[0]
        x = tn.fori_loop(0, 2, lambda i, c: count(c), x)
        x = tn.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, count(c[1])), (0, x))[1]
        x = tn.cond(True, count, lambda x: x, x)
        x = tn.switch(0, [count, lambda x: x], x)
        return tn.grad(lambda x: count(x).sum())(x)

    model = tn.transform_with_state(f)
    params, state = model.init(None, X)
    assert state == {"~": {"n": 0}}
    for run in (model.apply, jax.jit(model.apply)):
        assert run(params, state, None, X)[1] == {"~": {"n": 13}}


def test_state_in_a_layer_stack_is_stacked():
    class Counted(tn.Module):
        def __call__(self, x):
            n = tn.get_state("n", (), jnp.int32, jnp.zeros)
            tn.set_state("n", n + 1)
            return x + n

    model = tn.transform_with_state(lambda x: tn.layer_stack(3)(lambda x: Counted()(x))(x))
    params, state = model.init(None, X)
    assert state["layer_stack/counted"]["n"].shape == (3,)
    state["layer_stack/counted"]["n"] = jnp.array([0, 10, 100])
    out, new = model.apply(params, state, None, X)
    np.testing.assert_allclose(out, X + 110)
    np.testing.assert_array_equal(new["layer_stack/counted"]["n"], [1, 11, 101])


def test_initial_values_that_need_the_forward_pass():
    """An initialiser that reads the inputs, and a state that is set before it is read: also inside loops and stacks."""

    def f(x):
        scale = tn.get_parameter("scale", (), init=lambda s, d: 1 / jnp.abs(x).max())

        def step(carry, _):
            tn.set_state("seen", carry.sum())
            return carry * 2, ()

        def layer(x):
            bias = tn.get_parameter("bias", (4,), init=lambda s, d: x.mean(0))
            return x - bias

        x = tn.scan(step, x * scale, None, length=3)[0]
        return tn.layer_stack(2)(lambda x: tn.to_module(layer)("layer")(x))(x)

    model = tn.transform_with_state(f)
    params, state = model.init(None, X)
    np.testing.assert_allclose(params["~"]["scale"], 1.0)
    np.testing.assert_allclose(params["layer_stack/layer"]["bias"], [8 * X.mean(0), 0 * X.mean(0)], atol=1e-6)
    np.testing.assert_allclose(state["~"]["seen"], X.sum(), atol=1e-6)
    np.testing.assert_allclose(jax.jit(model.apply)(params, state, None, X)[1]["~"]["seen"], 4 * X.sum(), atol=1e-5)
    with pytest.raises(tn.TenureError, match="forward pass"):
        model.init(None, jax.ShapeDtypeStruct(X.shape, X.dtype))


def test_init_does_not_run_the_forward_pass():
    ran = []

    def f(x):
        jax.debug.callback(lambda: ran.append(1))
        return Dense(4)(x)

    tn.transform(f).init(0, jax.ShapeDtypeStruct((2, 4), jnp.float32))
    jax.effects_barrier()
    assert not ran


def test_plans_are_remembered_by_shapes_and_static_values():
    runs = []

    def f(x, flag):
        runs.append(1)
        head = Dense(4, share={"w": "embed/w | transpose"}, name="head")
        y = Dense(6, name="embed")(x)
        return head(y) if flag else head(y) * 2

    model = tn.transform(f)
    params = model.init(0, X, True)
    step = jax.jit(model.apply, static_argnums=3)
    assert len(runs) == 1
    step(params, None, X, True)
    assert len(runs) == 2  # the trace alone
    step(params, None, 2 * X, True)
    assert len(runs) == 2
    step(params, None, X, False)
    assert len(runs) == 4  # a new plan and a new trace


def test_random_keys_depend_on_paths_and_not_on_order():
    def draws(order):
        def f():
            made = {name: tn.to_module(lambda: jax.random.normal(tn.next_rng_key()))(name) for name in order}
            return {name: module() for name, module in made.items()}

        return tn.transform(f).apply({}, jax.random.key(0))

    one, two = draws("abc"), draws("cbda")
    assert all(one[k] == two[k] for k in "abc") and len({float(v) for v in two.values()}) == 4


def test_random_keys_in_loops_and_lanes_differ():
    def f():
        draw = lambda *_: ((), jax.random.normal(tn.next_rng_key()))  # noqa: E731
        steps = tn.scan(draw, (), None, length=3)[1]
        lanes = tn.vmap(lambda x: x + jax.random.normal(tn.next_rng_key()))(jnp.zeros(3))
        same = tn.vmap(lambda x: x + jax.random.normal(tn.next_rng_key()), split_rng=False)(jnp.zeros(3))
        layers = tn.layer_stack(3, with_per_layer_inputs=True)(lambda x, _: (x, draw()[1]))(
            jnp.zeros(()), jnp.zeros(3)
        )[1]
        return steps, lanes, layers, same

    *different, same = tn.transform(f).apply({}, 0)
    drawn = np.concatenate(different)
    assert len(set(drawn.tolist())) == 9 and len(set(same.tolist())) == 1


def test_transforms_in_several_threads_do_not_mix():
    entry, results = ZOO["transitive"], {}

    def work(i):
        model = tn.transform(entry.function)
        results[i] = model.apply(model.init(i, X), None, X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for i, out in results.items():
        model = tn.transform(entry.function)
        np.testing.assert_allclose(out, model.apply(model.init(i, X), None, X), rtol=1e-6)


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
