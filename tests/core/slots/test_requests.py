"""Two requests for one path: the same one made again, or a conflict that names both."""

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.core import errors
from tests.core.zoo import Dense, normal

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


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
    assert all("test_requests.py:" in party.site for party in e.value.parties)


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
