"""The programs of the Haiku discussion "declare_global_parameter / get_global_parameter", as their authors wrote them.

Only the names of the library are Tenure's, and what could not run at all is mended: `Parent.__init__` takes the name that
`make_mod` hands it, `model` has an `init` since it is transformed, and `DeEmbed` multiplies instead of using floats as
indices.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn


class RandomNormal:
    def __init__(self, stddev, mean):
        self.stddev, self.mean = stddev, mean

    def __call__(self, shape, dtype):
        return self.mean + self.stddev * jax.random.normal(tn.next_rng_key(), shape, dtype)


class Embed(tn.Module):
    def __init__(self):
        super().__init__()

    def __call__(self, x):
        # it is an error if `global_embed` wasn't declared first
        w = tn.borrow("global_embed")
        return jnp.take(w, x, axis=0)


class DeEmbed(tn.Module):
    def __init__(self):
        super().__init__()

    def __call__(self, x):
        w = tn.borrow("global_embed")
        return x @ jnp.transpose(w)


class Parent(tn.Module):
    def __init__(self, name=None):
        super().__init__(name=name)
        init_fn = RandomNormal(1.0, 0.0)
        # it is an error to call this twice for same global_name
        tn.declare("global_embed", [100, 50], np.float32, init_fn)
        self.embed = Embed()
        self.debed = DeEmbed()

    def __call__(self, x):
        e = self.embed(x)
        d = self.debed(e)
        return d  # noqa: RET504


def make_mod(cls, name):
    def fn(*call_args):
        mod = cls(name)
        return mod(*call_args)

    return fn


TOKENS = jnp.arange(5)


def test_the_request():
    """R8, R18: two different classes, one matrix, no module names to mess with."""
    model = tn.transform(make_mod(Parent, "parent"))
    params = model.init(jax.random.PRNGKey(42), TOKENS)
    assert jax.tree.map(jnp.shape, params) == {"parent": {"global_embed": (100, 50)}}
    out = model.apply(params, None, TOKENS)
    w = params["parent"]["global_embed"]
    np.testing.assert_allclose(out, w[TOKENS] @ w.T, rtol=1e-5)
    ledger = model.plan(TOKENS).ledger
    users = ("parent/global_embed", "parent/~/embed/global_embed", "parent/~/de_embed/global_embed")
    assert set(ledger.users_of("parent/global_embed")) == set(users)


def test_two_parents_never_collide():
    def two(x):
        return Parent("one")(x) + Parent("two")(x)

    params = tn.transform(two).init(0, TOKENS)
    assert set(params) == {"one", "two"}
    assert not np.array_equal(params["one"]["global_embed"], params["two"]["global_embed"])


def test_borrowing_without_a_declaration_is_an_error():
    with pytest.raises(tn.errors.UndeclaredError, match="global_embed"):
        tn.transform(make_mod(lambda name: Embed(), "x")).plan(TOKENS)


def test_declaring_twice_is_an_error():
    class Twice(Parent):
        def __init__(self, name=None):
            super().__init__(name)
            tn.declare("global_embed", [100, 50], np.float32, RandomNormal(1.0, 0.0))

    with pytest.raises(tn.errors.DeclaredTwiceError, match="global_embed"):
        tn.transform(make_mod(Twice, "parent")).plan(TOKENS)


class Embedding(tn.Module):
    """The maintainer's first answer."""

    def __init__(self, name=None):
        super().__init__(name=name)
        init_fn = RandomNormal(1.0, 0.0)
        self.w = tn.get_parameter("embed", [100, 50], np.float32, init_fn)

    def embed(self, x):
        return jnp.take(self.w, x, axis=0)

    def deembed(self, x):
        return x @ jnp.transpose(self.w)


def test_one_module_with_two_methods():
    def f(x):
        embedding = Embedding()
        return embedding.deembed(embedding.embed(x))

    model = tn.transform(f)
    assert jax.tree.map(jnp.shape, model.init(0, TOKENS)) == {"embedding": {"embed": (100, 50)}}
    assert model.plan(TOKENS).ledger.users_of("embedding/embed") == ("embedding/embed",)


def get_global_embedding():
    """The maintainer's "break glass" answer."""
    with tn.name_scope(tn.force_name("global_embedding")):
        init_fn = RandomNormal(1.0, 0.0)
        return tn.get_parameter("embed", [100, 50], np.float32, init_fn)


def test_forcing_a_name_from_two_modules_is_an_error_that_says_what_to_do():
    """P3, P6: it shares because names happen to be equal. Where it is meant, there is `declare`."""

    def f(x):
        embed = tn.to_module(lambda x: jnp.take(get_global_embedding(), x, axis=0))("embed")
        deembed = tn.to_module(lambda x: x @ get_global_embedding().T)("deembed")
        return deembed(embed(x))

    with pytest.raises(tn.errors.PathConflictError) as error:
        tn.transform(f).plan(TOKENS)
    assert "global_embedding/embed" in str(error.value) and "declare" in str(error.value)
    used_once = tn.transform(lambda x: jnp.take(get_global_embedding(), x, axis=0))
    assert set(used_once.init(0, TOKENS)) == {"global_embedding"}


class Common(tn.Module):
    """The maintainer's refactoring into three parts."""

    @property
    def w(self):
        return tn.get_parameter("w", [50, 50], np.float32, RandomNormal(1.0, 0.0))

    def __call__(self, x):
        return x @ self.w


class ModuleA(tn.Module):
    def __init__(self, common, name=None):
        super().__init__(name=name)
        self.common = common

    def __call__(self, x):
        w = self.common.w  # direct reference to `w` if needed.
        return x @ w.T


class ModuleB(tn.Module):
    def __init__(self, common, name=None):
        super().__init__(name=name)
        self.common = common

    def __call__(self, x):
        x = self.common(x)  # Use param and math from common
        return x * tn.get_parameter("local", [50], init=jnp.ones)


def test_common_a_b():
    def f(x):
        common = Common()
        mod_a = ModuleA(common)
        mod_b = ModuleB(common)
        return common(x), mod_a(x), mod_b(x)

    x = jnp.ones((2, 50))
    params = tn.transform(f).init(0, x)
    assert jax.tree.map(jnp.shape, params) == {"common": {"w": (50, 50)}, "module_b": {"local": (50,)}}


def test_two_instances_with_locally_scoped_parameters_of_their_own():
    """The case in which, as the author says, one module with two methods does not apply: R8, R17."""

    class WithBias(tn.Module):
        def __call__(self, x):
            return x @ tn.borrow("shared") + tn.get_parameter("bias", (4,), init=jnp.zeros)

    class Both(tn.Module):
        def __init__(self, name=None):
            super().__init__(name=name)
            tn.declare("shared", (4, 4), init=RandomNormal(1.0, 0.0))
            self.one, self.two = WithBias(name="one"), WithBias(name="two")

        def __call__(self, x):
            return self.two(self.one(x))

    params = tn.transform(lambda x: Both()(x)).init(0, jnp.ones((1, 4)))
    assert jax.tree.map(jnp.shape, params) == {
        "both": {"shared": (4, 4)},
        "both/~/one": {"bias": (4,)},
        "both/~/two": {"bias": (4,)},
    }
