# %% [markdown]
# # A tied language model, from text to samples
#
# A language model on the characters of a real text: an embedding, an LSTM, and an output layer whose matrix **is** the embedding,
# transposed. The text is Python's own language reference, which comes with every installation, so nothing has to be downloaded.

# %%
from pydoc_data.topics import topics

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import tenure as tn
from tenure import nn

text = "\n".join(topics[name] for name in sorted(topics))
characters = sorted(set(text))
codes = np.array([characters.index(c) for c in text])
print(f"{len(text):,} characters, {len(characters)} different ones")

# %% [markdown]
# ## The model
#
# A model is a function. Modules are built where they are used, and `share=` says that the output layer owns no matrix: it borrows the
# embedding's, through the view `.T`.

# %%
SIZE, LENGTH, ROWS = 128, 64, 32


def language_model(tokens):
    """Logits of the next character, [rows, time, characters], for characters [rows, time]."""
    embed = nn.Embed(len(characters), SIZE, name="embed")
    core = nn.LSTM(SIZE, name="lstm")
    x, _ = nn.dynamic_unroll(core, embed(tokens), core.initial_state(len(tokens)), time_major=False)
    return nn.Linear(len(characters), name="output", share={"w": embed.ref("embeddings").T})(x)


model = tn.transform(language_model)
plan = model.plan(jnp.zeros((ROWS, LENGTH), int))
print(plan.ledger)

# %% [markdown]
# The ledger is made before any number is drawn. `output/w` stands under its owner, with the view through which it is seen, and is counted
# zero times more. The parameters are a plain dict, with one array for the matrix:

# %%
params = model.init(jax.random.key(0), jnp.zeros((ROWS, LENGTH), int))
jax.tree.map(lambda x: x.shape, params)

# %% [markdown]
# ## Training
#
# Nothing here knows that anything is shared. The optimizer has one moment for the matrix, weight decay decays it once, and its gradient
# is the sum of what both uses say.

# %%
train, valid = codes[: -len(codes) // 20], codes[-len(codes) // 20 :]
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(3e-3))


def windows(data, generator):
    """Rows of characters, [rows, length + 1], each from a place that is drawn."""
    starts = generator.integers(0, len(data) - LENGTH - 1, ROWS)
    return jnp.asarray(data[starts[:, None] + np.arange(LENGTH + 1)])


def loss_of(params, batch):
    """Cross entropy of the next character, in nats."""
    logits = model.apply(params, None, batch[:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch[:, 1:]).mean()


@jax.jit
def step(params, moments, batch):
    loss, gradients = jax.value_and_grad(loss_of)(params, batch)
    updates, moments = optimizer.update(gradients, moments, params)
    return optax.apply_updates(params, updates), moments, loss


generator, moments, losses = np.random.default_rng(0), optimizer.init(params), []
for _ in range(400):
    params, moments, loss = step(params, moments, windows(train, generator))
    losses.append(float(loss))

held_out = float(np.mean([jax.jit(loss_of)(params, windows(valid, generator)) for _ in range(20)]))
print(f"{np.log(len(characters)):.2f} nats for a blind guess, {held_out:.2f} on text that training never saw")

# %%
plt.figure(figsize=(7, 2.6))
plt.plot(losses, lw=1)
plt.xlabel("step")
plt.ylabel("nats per character")
plt.tight_layout()

# %% [markdown]
# ## Samples
#
# The same function, with a state that goes from character to character. It owns the same slots, so it takes the same parameters.


# %%
def next_character(token, state):
    """Logits [rows, characters] and the new state, for one character [rows]."""
    embed = nn.Embed(len(characters), SIZE, name="embed")
    x, state = nn.LSTM(SIZE, name="lstm")(embed(token), state)
    return nn.Linear(len(characters), name="output", share={"w": embed.ref("embeddings").T})(x), state


sampler = tn.transform(next_character)


@jax.jit
def sample(params, key, prompt):
    """Characters [time]: the prompt's [length], and then 240 that the model draws."""

    def one(carry, inputs):
        token, state = carry
        key, given = inputs
        logits, state = sampler.apply(params, None, token[None], state)
        drawn = jax.random.categorical(key, logits[0] / 0.7)
        return (jnp.where(given >= 0, given, drawn), state), token

    state = nn.LSTMState(jnp.zeros((1, SIZE)), jnp.zeros((1, SIZE)))
    given = jnp.concatenate([prompt[1:], jnp.full(241, -1)])
    _, found = jax.lax.scan(one, (prompt[0], state), (jax.random.split(key, len(given)), given))
    return found


prompt = "The statement "
found = sample(params, jax.random.key(1), jnp.array([characters.index(c) for c in prompt]))
print("".join(characters[i] for i in found))

# %% [markdown]
# ## Saved, with its tie
#
# A checkpoint holds each owner once, and the ledger beside it, so that whoever loads it is told of a tie that differs.

# %%
import tempfile

folder = tempfile.mkdtemp() + "/model"
tn.save(folder, plan, params, step=400)
restored = tn.restore(folder, plan)
print(restored.step, all(jax.tree.leaves(jax.tree.map(jnp.array_equal, params, restored.params))))
