"""Tables of a program: a shared parameter is counted once."""

from typing import Any

import haiku
import jax
import jax.numpy as jnp

import tenure.haiku as hk

X = jnp.ones((2, 4))


def _used_twice(m: Any) -> Any:
    class User(m.Module):
        def __init__(self, table: Any, name: str | None = None):
            super().__init__(name=name)
            self.table = table

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.table(x)

    def program(x: jax.Array) -> jax.Array:
        table = m.Linear(4, name="table")
        return User(table, name="a")(x) + User(table, name="b")(x)

    return program


def _counted(m: Any) -> list[int]:
    table = m.experimental.tabulate(_used_twice(m), columns=["params_size"], tabulate_kwargs={"tablefmt": "plain"})
    return [int(row.replace(",", "")) for row in table(X).splitlines()[1:]]


def test_tabulate_counts_a_shared_parameter_once() -> None:
    assert _counted(haiku) == [20, 20, 20, 20]  # a, the table, b, the table again
    assert _counted(hk) == [0, 20, 0, 20]
    with hk.ownership.context(tabulate_shared="haiku"):
        assert _counted(hk) == _counted(haiku)


def _nested(m: Any) -> Any:
    class Deep(m.Module):
        def __call__(self, x: jax.Array) -> jax.Array:
            return m.BatchNorm(True, True, 0.9)(m.nets.MLP([3, 2])(x) + m.Linear(2)(x), is_training=True)

        def other(self, x: jax.Array, y: Any = None) -> Any:
            return {"out": m.Linear(1, name="last")(x), "y": y}

    def program(x: jax.Array) -> Any:
        deep = Deep()
        return deep(x), deep.other(x, y=(1, x))

    return program


def test_tables_without_sharing_are_dm_haiku_s() -> None:
    theirs, ours = (m.experimental.tabulate(_nested(m))(X) for m in (haiku, hk))
    assert ours == theirs
