# %% [markdown]
# # Sharing, in ten ways
#
# Every parameter has one owner. Everything else that uses it says so, and here are the ways to say it, with the errors that one meets
# when something does not fit. Each cell is a whole model.

# %%
import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nn

tokens = jnp.zeros((2, 5), int)
VOCAB, SIZE = 1000, 32


def show(function, *inputs, **options):
    """The ledger of a model."""
    print(tn.transform(function, **options).plan(*(inputs or (tokens,))).ledger)


# %% [markdown]
# ## 1. By object
# `layer.ref(name)` is a reference to a parameter, whether or not it exists yet. It is viewed as an array is: `.T`, `[...]`, `.reshape`.


# %%
def by_object(tokens):
    embed = nn.Embed(VOCAB, SIZE, name="embed")
    return nn.Linear(VOCAB, name="head", share={"w": embed.ref("embeddings").T})(embed(tokens))


show(by_object)

# %% [markdown]
# ## 2. By address
# The same as data: a path, and views behind `|`. That is the form for configs.


# %%
def by_address(tokens):
    x = nn.Embed(VOCAB, SIZE, name="embed")(tokens)
    return nn.Linear(VOCAB, name="head", share={"w": "embed/embeddings | transpose"})(x)


show(by_address)

# %% [markdown]
# Without the view, it does not fit, and the error offers the one that does:

# %%
try:
    show(
        lambda tokens: nn.Linear(VOCAB, name="head", share={"w": "embed/embeddings"})(
            nn.Embed(VOCAB, SIZE, name="embed")(tokens)
        )
    )
except tn.TenureError as error:
    print(error)

# %% [markdown]
# ## 3. From outside
# `ties=` ties a function that you do not want to touch.


# %%
def untied(tokens):
    return nn.Linear(VOCAB, name="head")(nn.Embed(VOCAB, SIZE, name="embed")(tokens))


show(untied, ties={"head/w": "embed/embeddings | transpose"})

# %% [markdown]
# A name that nobody has is told, with the closest one:

# %%
try:
    show(untied, ties={"head/w": "embed/embedings | transpose"})
except tn.TenureError as error:
    print(error)

# %% [markdown]
# ## 4. Through several hops
# A borrower can be borrowed from. The chain is followed to the owner, and a circle is an error.


# %%
def chain(source, target):
    a = nn.Embed(VOCAB, SIZE, name="source_embed")
    b = nn.Embed(VOCAB, SIZE, name="target_embed", share={"embeddings": a.ref("embeddings")})
    head = nn.Linear(VOCAB, name="head", share={"w": b.ref("embeddings").T})
    return head(a(source).mean(1, keepdims=True) + b(target))


show(chain, tokens, tokens)

# %% [markdown]
# ## 5. From a layer that is not built yet
# A reference is not a value. The first layer here borrows from the last.


# %%
def ahead(tokens):
    embed = nn.Embed(VOCAB, SIZE, name="embed", share={"embeddings": "head/w | transpose"})
    return nn.Linear(VOCAB, name="head")(embed(tokens))


show(ahead)

# %% [markdown]
# ## 6. A slice
# One matrix for queries, keys and values, and a layer that uses the keys' part only.


# %%
def sliced(x):
    joint = nn.Linear(3 * SIZE, name="qkv")
    keys = nn.Linear(
        SIZE, name="keys", share={"w": joint.ref("w")[:, SIZE : 2 * SIZE], "b": joint.ref("b")[SIZE : 2 * SIZE]}
    )
    return joint(x).sum() + keys(x).sum()


show(sliced, jnp.ones((2, SIZE)))

# %% [markdown]
# ## 7. A whole module
# `share=other` borrows all that the other module owns. This second encoder owns nothing.


# %%
def whole(source, target):
    first = nn.LSTM(SIZE, name="first")
    second = nn.LSTM(SIZE, name="second", share=first)
    state = first.initial_state(2)
    return first(source, state)[0] + second(target, state)[0]


show(whole, jnp.ones((2, 8)), jnp.ones((2, 8)))

# %% [markdown]
# ## 8. A computed value
# A layer may be handed an array that is computed from others. It owns nothing then, and gradients flow through.


# %%
def computed(x):
    u = tn.get_parameter("u", (SIZE, 4), init=tn.initializers.RandomNormal())
    v = tn.get_parameter("v", (4, SIZE), init=tn.initializers.RandomNormal())
    return nn.Linear(SIZE, name="low_rank", share={"w": u @ v})(x)


show(computed, jnp.ones((2, SIZE)))

# %% [markdown]
# ## 9. Declared by the module around
# A parent declares a table once; children borrow it by its name, however deep they are.


# %%
class Child(tn.Module):
    """Projects onto the parent's table."""

    def __call__(self, x):
        """Scores [rows, 10] for [rows, SIZE]."""
        return x @ tn.borrow("table").T


class Parent(tn.Module):
    """Declares the table, and has two children use it."""

    def __call__(self, x):
        """Scores [rows, 10] for [rows, SIZE]."""
        tn.declare("table", (10, SIZE), init=tn.initializers.RandomNormal())
        return Child(name="left")(x) + Child(name="right")(x)


show(lambda x: Parent(name="parent")(x), jnp.ones((2, SIZE)))

# %% [markdown]
# ## 10. One layer of a stack, and all layers of a stack
# A parameter that is owned outside of a `layer_stack` is the same one in each of its layers, and is not stacked.


# %%
def stacked(x):
    shared = nn.Linear(SIZE, name="shared")
    x = shared(x)

    def body(x):
        return x + nn.Linear(SIZE, name="again", share={"w": shared.ref("w")})(x)

    return tn.layer_stack(6)(body)(x)


show(stacked, jnp.ones((2, SIZE)))

# %% [markdown]
# ## Untied again
# After training, a borrower may get a copy of its own; no output changes. The way back is `tn.tie`, which refuses two different values.

# %%
plan = tn.transform(by_object).plan(tokens)
params = tn.transform(by_object).init(jax.random.key(0), tokens)
free = tn.untie(plan, params, "head/w")
show(by_object, ties=free.ties)
