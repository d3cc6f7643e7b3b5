"""The values of slots in a run: one sample for all uses, drawn before the loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.core.staged_models import KEY, Weight, X, body, in_scan, seen, two


@pytest.mark.parametrize("tap", ["stored", "weight", ""])
def test_r20_a_borrower_gets_the_final_value_and_may_opt_out(tap):
    share = f"first/w{'@' * bool(tap)}{tap} | transpose"
    model = tn.transform(two(owner=["weight_norm", "noise(0.1)"], share=share))
    params = jax.tree.map(lambda a: a + 1, model.init(0))
    _, first, second = seen(model, params=params)
    weight = tn.weights(model.plan(), params)["first"]["w"]
    expected = {"stored": params["first"]["w"], "weight": weight, "": first}[tap]
    np.testing.assert_array_equal(second, expected.T)
    assert jnp.any(weight != params["first"]["w"]) and jnp.any(weight != first)
    assert model.plan().ledger["second/w"].borrows == share


def test_r20_taps_by_object_and_through_a_chain():
    def f():
        first = Weight(name="first", stages={"w": ["weight_norm", "noise(0.1)"]})
        middle = Weight(name="middle", share={"w": first.ref("w").weight.T})
        last = Weight(name="last", share={"w": middle.ref("w").T})
        plain = Weight(name="plain", share={"w": first.ref("w").stored})
        return first(), middle(), last(), plain()

    model = tn.transform(f)
    params = model.init(0)
    _, middle, last, plain = model.apply(params, KEY)
    np.testing.assert_array_equal(middle.T, tn.weights(model.plan(), params)["first"]["w"])
    np.testing.assert_array_equal(middle, last.T)
    np.testing.assert_array_equal(plain, params["first"]["w"])


def in_while(x):
    return tn.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, body(c[1])), (0, x))[1]


def in_fori(x):
    return tn.fori_loop(0, 3, lambda i, c: body(c), x)


def looped(x):
    inner = nn.Linear(4, name="inner", stages={"w": ["noise(0.3)"]})
    for _ in range(3):
        x = jnp.tanh(inner(x))
    return x


@pytest.mark.parametrize("f", [in_scan, in_while, in_fori])
@pytest.mark.parametrize("jit", [False, True])
def test_one_sample_for_all_steps_of_a_loop(f, jit):
    model, plain = tn.transform(f), tn.transform(looped)
    params = plain.init(0, X)
    apply = jax.jit(model.apply) if jit else model.apply
    np.testing.assert_allclose(apply(params, KEY, X), plain.apply(params, KEY, X), rtol=1e-6, atol=1e-6)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    loop = text.find("scan[") if "scan[" in text else text.find("while[")
    assert text.count("erf_inv") == 1 and text.find("erf_inv") < loop, "drawn once, before the loop"


@pytest.mark.parametrize("wrap", [tn.remat, tn.jit, lambda f: tn.vmap(f), lambda f: tn.remat(tn.vmap(tn.jit(f)))])
def test_one_sample_under_transformations(wrap):
    def f(x):
        for _ in range(2):
            x = wrap(body)(x) if _ == 0 else x
        return x

    model, plain = tn.transform(f), tn.transform(body)
    params = plain.init(0, X)
    np.testing.assert_allclose(model.apply(params, KEY, X), plain.apply(params, KEY, X), rtol=1e-6)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    assert text.count("erf_inv") == 1


def test_stages_need_no_plan_made_before():
    f = two(request=["weight_norm", "noise(0.1)"])
    params = tn.transform(f).init(0)
    fresh = tn.transform(f)  # never planned: as after loading a checkpoint
    for a, b in zip(fresh.apply(params, KEY), tn.transform(f).apply(params, KEY), strict=True):
        np.testing.assert_array_equal(a, b)

    def inside(x):
        return tn.scan(lambda c, _: (body(c), None), x, None, length=3)[0]

    params = tn.transform(inside).init(0, X)
    text = str(jax.make_jaxpr(tn.transform(inside).apply)(params, KEY, X))
    assert text.count("erf_inv") == 1 and text.find("erf_inv") < text.find("scan[")


@pytest.mark.parametrize("jit", [False, True])
def test_every_owner_s_own_average_and_noise(jit):
    def f():
        return [Weight(name=n, stages={"w": ["ema(0.9)", "noise(0.1)"]})() for n in ("one", "two", "three")]

    model = tn.transform_with_state(f)
    params, state = model.init(0)
    moved = {n: {"w": params[n]["w"] + i} for i, n in enumerate(params, 1)}
    values, new = (jax.jit(model.apply) if jit else model.apply)(moved, state, KEY)
    for i, (name, value) in enumerate(zip(params, values, strict=True), 1):
        average = state[name]["w.ema.average"] + 0.1 * i
        np.testing.assert_allclose(new[name]["w.ema.average"], average, rtol=1e-5, atol=1e-6)
        noise = jax.random.normal(tn.core.keys.Keys(KEY).draw(f"{name}/w:noise"), (4, 4))
        np.testing.assert_allclose(value, moved[name]["w"] + 0.1 * noise, rtol=1e-5, atol=1e-6)


def test_on_use_stages_of_the_owner_are_not_seen_by_borrowers():
    params, first, second = seen(tn.transform(two(owner=[tn.on_use("noise(0.1)")])))
    np.testing.assert_array_equal(second.T, params["first"]["w"])
    assert not jnp.any(first == second.T)
