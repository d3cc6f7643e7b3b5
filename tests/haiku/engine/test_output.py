"""What a program prints or logs appears once."""

import logging
import threading

import jax
import jax.numpy as jnp
import pytest

import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)


def test_a_function_that_prints_prints_values_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: jax.Array) -> jax.Array:
        print("x is", x.sum())
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    hk.transform(lambda x: hk.Linear(3)(x)).init(KEY, jnp.ones((1, 4)))
    print("and then")
    assert capsys.readouterr().out == "x is 4.0\nand then\n"


def test_a_function_that_logs_logs_values_and_once(caplog: pytest.LogCaptureFixture) -> None:
    def program(x: jax.Array) -> jax.Array:
        logging.getLogger("program").warning("x is %s", x.sum())
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    assert [record.getMessage() for record in caplog.records] == ["x is 4.0"]


def test_other_threads_may_print_during_init(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: jax.Array) -> jax.Array:
        thread = threading.Thread(target=print, args=("elsewhere",))
        thread.start()
        thread.join()
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    assert capsys.readouterr().out == "elsewhere\n"
