"""Modules: what they own and read, and where they may be built."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core import errors
from tests.core.zoo import Dense, Mlp

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


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
