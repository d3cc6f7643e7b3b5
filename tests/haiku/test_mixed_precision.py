"""Precision policies for classes of modules."""

import threading

import jax
import jax.numpy as jnp
import jmp
import pytest

import tenure.haiku as hk

HALF = jmp.get_policy("params=float32,compute=bfloat16,output=float32")
KEY, X = jax.random.PRNGKey(0), jnp.ones((2, 3))


class Seen(hk.Module):
    dtypes: list = []

    def __call__(self, x):
        w = hk.get_parameter("w", [3, 3], x.dtype, init=jnp.ones)
        Seen.dtypes = [x.dtype, w.dtype]
        return x @ w


@pytest.fixture
def policy():
    hk.mixed_precision.set_policy(Seen, HALF)
    yield HALF
    hk.mixed_precision.clear_policy(Seen)


def test_a_module_computes_in_one_dtype_and_keeps_another(policy):
    model = hk.transform(lambda x: Seen()(x))
    params = model.init(KEY, X)
    out = model.apply(params, None, X)
    assert Seen.dtypes == [jnp.bfloat16, jnp.bfloat16] and params["seen"]["w"].dtype == jnp.float32 == out.dtype
    assert hk.mixed_precision.get_policy(Seen) is policy and hk.mixed_precision.current_policy() is None


def test_policies_end_and_belong_to_a_thread(policy):
    found = []
    thread = threading.Thread(target=lambda: found.append(hk.mixed_precision.get_policy(Seen)))
    thread.start()
    thread.join()
    assert found == [None]
    other = jmp.get_policy("float16")
    with hk.mixed_precision.push_policy(Seen, other):
        assert hk.mixed_precision.get_policy(Seen) is other
    assert hk.mixed_precision.get_policy(Seen) is policy
    with pytest.raises(AssertionError, match="clear_policy"):
        hk.mixed_precision.set_policy(Seen, None)


def test_no_policy_of_a_class_inside_of_its_own_method():
    class Pushing(hk.Module):
        def __call__(self, x):
            with hk.mixed_precision.push_policy(Pushing, HALF):
                return x

    with pytest.raises(ValueError, match="inside a method"):
        hk.transform(lambda x: Pushing()(x)).init(KEY, X)
