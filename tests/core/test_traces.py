"""Whether JAX is tracing around the caller."""

import gc
import threading

import jax
import jax.numpy as jnp

from tenure.core.traces import outermost, without_collection


def test_a_trace_is_seen_and_what_runs_on_values_is_none():
    seen = {}

    def look(name):
        def function(x):
            seen[name] = outermost()
            return x

        return function

    x = jnp.ones(2)
    look("eager")(x)
    jax.jit(look("jit"))(x)
    jax.vmap(look("vmap"))(x)
    jax.grad(lambda x: look("grad")(x).sum())(x)
    thread = threading.Thread(target=look("thread"), args=(x,))
    thread.start()
    thread.join()
    assert seen == {"eager": True, "jit": False, "vmap": False, "grad": False, "thread": True}


def test_collection_is_as_before_afterwards_also_after_an_error():
    for before in (True, False):
        gc.enable() if before else gc.disable()
        try:
            with without_collection():
                assert not gc.isenabled()
                raise KeyError
        except KeyError:
            pass
        finally:
            after = gc.isenabled()
            gc.enable()
        assert after == before
