"""What a user can hand over by mistake ends in an error of Tenure's that names the path, never in a bare one."""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
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
    "leaf",
    [
        [[1.0] * 3] * 4,
        3.0,
        "w",
        None,
        {"a": 1},
        np.full((4, 3), None),
        np.full((4, 3), "x"),
        jax.ShapeDtypeStruct((4, 3), jnp.float32),
        object(),
        b"bytes",
    ],
    ids=["list", "number", "string", "None", "dict", "objects", "strings", "shape", "object", "bytes"],
)
@pytest.mark.parametrize("stages", [{}, {"linear/w": ["weight_norm"]}])
def test_a_leaf_that_is_no_array_is_named(leaf, stages):
    model = tn.transform(linear, stages=stages)
    params = model.init(KEY, X)
    params["linear"]["w"] = leaf
    with pytest.raises(tn.TenureError, match="linear/w") as error:
        model.apply(params, None, X)
    assert "array" in str(error.value)


REQUESTS = {
    "an initialiser that is a number": (lambda: tn.get_parameter("w", (2,), init=3), "init"),
    "an initialiser that is a string": (lambda: tn.get_parameter("w", (2,), init="zeros"), "init"),
    "of a layer": (lambda: nn.Linear(3, w_init=3)(X), "init"),
    "of a state": (lambda: tn.get_state("w", (2,), init=3), "init"),
    "with one argument": (lambda: tn.get_parameter("w", (2,), init=lambda shape: 1), r"init\(shape, dtype\)"),
    "that makes a string": (lambda: tn.get_parameter("w", (2,), init=lambda shape, dtype: "x"), "made"),
    "that makes None": (lambda: tn.get_parameter("w", (2,), init=lambda shape, dtype: None), "made"),
    "a dtype": (lambda: tn.get_parameter("w", (2,), "foo", init=jnp.zeros), "foo"),
    "a dtype that is a number": (lambda: tn.get_parameter("w", (2,), 3, init=jnp.zeros), "dtype"),
    "a dtype of strings": (lambda: tn.get_parameter("w", (2,), "U3", init=jnp.zeros), "dtype"),
    "a state's dtype": (lambda: tn.get_state("w", (2,), "foo", init=jnp.zeros), "foo"),
    "a state's shape": (lambda: tn.get_state("w", "ab", init=jnp.zeros), "ab"),
    "axes": (lambda: tn.get_parameter("w", (2,), init=jnp.zeros, axes=3), "axes"),
    "a name": (lambda: tn.get_parameter(3, (2,), init=jnp.zeros), "name"),
    "a state's name": (lambda: tn.get_state(3, (2,), init=jnp.zeros), "name"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_makes_no_sense_is_named(name):
    ask, says = REQUESTS[name]
    with pytest.raises(tn.TenureError, match=says) as error:
        tn.transform_with_state(ask).init(KEY)
    assert "test_hostile.py" in str(error.value)


def test_an_error_inside_of_an_initialiser_stays_what_it_is():
    def broken(shape, dtype):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tn.transform(lambda: tn.get_parameter("w", (2,), init=broken)).init(KEY)

    def misled(shape, dtype):
        return len(3)

    with pytest.raises(TypeError, match="len"):
        tn.transform(lambda: tn.get_parameter("w", (2,), init=misled)).init(KEY)


@pytest.mark.parametrize("make", ["zeros", "glorot_normal", "orthogonal", "constant"])
def test_jax_initialisers_are_taken(make):
    found = getattr(jax.nn.initializers, make)
    init = found if make == "zeros" else found(2.0) if make == "constant" else found()

    def f(x):
        tn.get_state("s", (2, 2), init=init)
        return nn.Linear(3, w_init=init)(x)

    model = tn.transform_with_state(f)
    params, state = model.init(KEY, X)
    assert params["linear"]["w"].shape == (4, 3) and state["~"]["s"].shape == (2, 2)
    again = tn.transform_with_state(f).init(jax.random.key(1), X)[0]
    assert (params["linear"]["w"] == again["linear"]["w"]).all() == (make in ("zeros", "constant"))
    assert jax.tree.structure(jax.jit(model.init)(KEY, X)) == jax.tree.structure((params, state))


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


def test_params_as_flax_users_hand_them():
    for params in ({"params": PARAMS}, {"params": PARAMS, "batch_stats": {}}):
        with pytest.raises(tn.errors.MissingParameterError, match="'params'") as error:
            MODEL.apply(params, None, X)
        assert "params['params']" in str(error.value) and "Flax" in str(error.value)


def test_a_module_may_still_be_called_params():
    model = tn.transform(lambda x: nn.Linear(3, name="params")(x))
    assert model.apply(model.init(KEY, X), None, X).shape == (2, 3)


def test_missing_adapters_are_not_offered_a_tie():
    model = tn.transform(linear, stages={"linear/w": ["lora(2)"]})
    with pytest.raises(tn.errors.MissingParameterError, match="linear/w.lora.down") as error:
        model.apply(PARAMS, None, X)
    assert "ties" not in str(error.value) and "lora(2)" in str(error.value) and "init" in str(error.value)


def test_a_tie_of_a_wrong_shape_offers_the_view_afterwards_too():
    def two(x):
        return nn.Linear(3, name="a")(x), nn.Linear(4, name="b")(jnp.ones((2, 3)))

    model = tn.transform(two)
    with pytest.raises(tn.errors.ViewShapeError, match="needs") as error:
        tn.tie(model.plan(X), model.init(KEY, X), {"b/w": "a/w"})
    assert "'b/w': 'a/w | transpose'" in str(error.value).replace('"', "'")


def test_ledger_of_references_indexed_as_arrays():
    def f(x):
        fused = nn.Linear(12, with_bias=False, name="qkv")
        w = fused.ref("w")
        views = {"q": w[:, :4], "k": w[..., 4:8], "v": w[:, -4:], "every": w[1:3, :3], "row": w[2:, -1:]}
        out = {n: nn.Linear(v, with_bias=False, name=n, share={"w": r})(x[:, :s]) for n, r, v, s in SIZES(views)}
        return fused(x), out

    def SIZES(views):
        sizes = {"q": (4, 4), "k": (4, 4), "v": (4, 4), "every": (3, 2), "row": (1, 2)}
        return [(name, ref, *sizes[name]) for name, ref in views.items()]

    model = tn.transform(f)
    params = model.init(KEY, X)
    w = params["qkv"]["w"]
    _, out = model.apply(params, None, X)
    wanted = {"q": w[:, :4], "k": w[:, 4:8], "v": w[:, 8:], "every": w[1:3, :3], "row": w[2:, -1:]}
    for name, value in wanted.items():
        assert jnp.allclose(out[name], X[:, : value.shape[0]] @ value, atol=1e-6), name


@pytest.mark.parametrize(
    "index, text",
    [
        (3, "a/w | index(3)"),
        (-1, "a/w | index(-1)"),
        (np.int64(2), "a/w | index(2)"),
        ((slice(None), 2), "a/w | index(2, axis=1)"),
        ((..., 2), "a/w | index(2, axis=-1)"),
        (slice(0, 40), "a/w | slice(0, 40)"),
        ((slice(None), slice(None, 40)), "a/w | slice(0, 40, axis=1)"),
        ((..., slice(40, 80)), "a/w | slice(40, 80, axis=-1)"),
        ((0, slice(1, 3)), "a/w | slice(1, 3, axis=1) | index(0)"),
        (slice(None), "a/w"),
        (..., "a/w"),
    ],
)
def test_an_index_is_a_view_that_prints_and_parses(index, text):
    ref = tn.Ref.parse("a/w")[index]
    assert str(ref) == text and tn.Ref.parse(str(ref)) == ref and tn.Ref.from_json(ref.to_json()) == ref


@pytest.mark.parametrize(
    "index", [None, "w", [1, 2], (slice(None), None), 2.5, True, (..., ...), np.ones(2), slice(0, 4, 2)]
)
def test_an_index_that_is_no_view_is_refused(index):
    with pytest.raises(tn.TenureError, match="index|slice") as error:
        tn.Ref.parse("a/w")[index]
    assert "a/w" in str(error.value)


def test_a_reference_is_no_sequence():
    with pytest.raises(tn.TenureError, match="not a value"):
        list(tn.Ref.parse("a/w"))


def chain(count, ties):
    def f(x):
        return sum(nn.Linear(4, with_bias=False, name=f"layer_of_{i}x")(x) for i in range(count))

    return tn.transform(f, ties={f"layer_of_{i}x/w": f"layer_of_{j}x/w" for i, j in ties})


def test_a_chain_of_a_thousand_ties():
    x = jnp.ones((1, 4))
    model = chain(1000, [(i + 1, i) for i in range(999)])
    params = model.init(KEY, x)
    assert jax.tree.map(jnp.shape, params) == {"layer_of_0x": {"w": (4, 4)}}
    assert jnp.allclose(model.apply(params, None, x), 1000 * x @ params["layer_of_0x"]["w"], rtol=1e-3)
    ledger = model.plan(x).ledger
    assert len(ledger.chain_of("layer_of_999x/w")) == 1000 and ledger.owner_of("layer_of_999x/w") == "layer_of_0x/w"
    assert str(ledger) and ledger.to_html() and ledger.to_mermaid() and ledger.to_dot()
    assert tn.Ledger.from_json(ledger.to_json()) == ledger
    assert tn.weights(model.plan(x), params)


def test_a_chain_of_a_thousand_ties_with_a_view_each():
    x = jnp.ones((1, 4))
    names = [f"layer_of_{i}x" for i in range(1000)]
    ties = {f"{b}/w": f"{a}/w | transpose" for a, b in itertools.pairwise(names)}
    model = tn.transform(lambda x: sum(nn.Linear(4, with_bias=False, name=n)(x) for n in names), ties=ties)
    assert model.plan(x).ledger.owners == ("layer_of_0x/w",)
    few = tn.transform(  # a value is led through all of its views, which are 500,000 for a thousand layers
        lambda x: sum(nn.Linear(4, with_bias=False, name=n)(x) for n in names[:200]),
        ties={user: owner for user, owner in ties.items() if user.removesuffix("/w") in names[:200]},
    )
    params = few.init(KEY, x)
    w = params["layer_of_0x"]["w"]
    assert jnp.allclose(few.apply(params, None, x), 100 * x @ (w + w.T), rtol=1e-3)


def test_a_loop_of_a_thousand_ties():
    with pytest.raises(tn.errors.CycleError, match="in a loop"):
        chain(1000, [(i, (i + 1) % 1000) for i in range(1000)]).plan(X)


class Nested(tn.Module):
    def __init__(self, depth, name=None):
        super().__init__(name=name)
        self.depth = depth

    def __call__(self, x):
        return Nested(self.depth - 1)(x) if self.depth else nn.Linear(4)(x)


class Built(tn.Module):
    def __init__(self, depth, name=None):
        super().__init__(name=name)
        self.inner = Built(depth - 1) if depth else nn.Linear(4)

    def __call__(self, x):
        return self.inner(x)


@pytest.mark.parametrize("cls", [Nested, Built])
def test_modules_nested_too_deep_for_python_are_named(cls):
    model = tn.transform(lambda x: cls(1000)(x))
    with pytest.raises(tn.TenureError, match="nested") as error:
        model.init(KEY, X)
    assert "sys.setrecursionlimit" in str(error.value) and cls.__name__.lower() in str(error.value)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize("cls", [Nested, Built])
def test_with_a_higher_limit_a_thousand_levels_work(cls):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(12000)
    try:
        model = tn.transform(lambda x: cls(1000)(x))
        params = model.init(KEY, X)
        assert model.apply(params, None, X).shape == (2, 4)
        ledger = model.plan(X).ledger
        assert ledger.count() == 20
    finally:
        sys.setrecursionlimit(limit)
    assert str(ledger) and ledger.to_html() and ledger.to_mermaid()
    assert tn.Ledger.from_json(ledger.to_json()) == ledger


def test_someone_elses_endless_recursion_stays_what_it_is():
    def endless(x):
        return endless(x)

    with pytest.raises(RecursionError):
        tn.transform(endless).init(KEY, X)
