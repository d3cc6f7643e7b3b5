# %% [markdown]
# # A Haiku program, moved over
#
# The program below is written for dm-haiku: a recurrent agent's network, with a torso, an LSTM over time, and heads for policy and value. It
# takes the library as an argument, so that it can be run with either. In your program the change is one line:
#
# ```diff
# - import haiku as hk
# + import tenure.haiku as hk
# ```

# %%
import haiku
import jax
import jax.numpy as jnp
import numpy as np

import tenure.haiku
import tenure as tn


def program(hk):
    """The network of an agent, as a Haiku program builds it."""

    class Agent(hk.RNNCore):
        """A torso, an LSTM, and heads for policy and value."""

        def __init__(self, actions, name="agent"):
            super().__init__(name=name)
            self.torso = hk.Sequential([hk.Linear(32), jax.nn.relu, hk.LayerNorm(-1, True, True)])
            self.core = hk.LSTM(32)
            self.policy, self.value = hk.Linear(actions, name="policy"), hk.Linear(1, name="value")

        def __call__(self, inputs, state):
            """Logits [rows, actions], values [rows, 1] and the new state."""
            x, state = self.core(self.torso(inputs), state)
            return (self.policy(x), self.value(x)), state

        def initial_state(self, batch_size):
            """Zeros."""
            return self.core.initial_state(batch_size)

    def unroll(observations):
        agent = Agent(4)
        outputs, _ = hk.dynamic_unroll(agent, observations, agent.initial_state(observations.shape[1]))
        return outputs

    return unroll


# %% [markdown]
# ## The same bits
# Parameter names, initial values, random keys and results are dm-haiku's, to the last bit, so that checkpoints and published numbers stay
# what they are.

# %%
observations = jnp.asarray(np.random.default_rng(0).standard_normal((20, 8, 16)), jnp.float32)
results = []
for hk in (haiku, tenure.haiku):
    model = hk.transform(program(hk))
    params = model.init(jax.random.PRNGKey(42), observations)
    results.append((params, jax.jit(model.apply)(params, None, observations)))
(theirs, their_outputs), (ours, our_outputs) = results
print("same names: ", jax.tree.structure(theirs) == jax.tree.structure(dict(ours)))
print(
    "same bits:  ",
    all(map(np.array_equal, jax.tree.leaves((theirs, their_outputs)), jax.tree.leaves((ours, our_outputs)))),
)

# %% [markdown]
# ## What it has now: the ledger
# Who owns each parameter, and which line of the program asked for it.

# %%
hk = tenure.haiku
model = hk.transform(program(hk))
print(model.plan(observations).ledger)

# %% [markdown]
# ## A tie, from outside
# Policy and value now read from one matrix: the value is its first column. The program stays as it is, and no other value changes.

# %%
tied = hk.transform(program(hk), ties={"agent/value/w": "agent/policy/w | slice(0, 1, axis=1)"})
print(tied.plan(observations).ledger.table(shared_only=True))
params = tied.init(jax.random.PRNGKey(42), observations)
print("value keeps its", list(params["agent/~/value"]))
print("same policy:", np.array_equal(params["agent/~/policy"]["w"], theirs["agent/~/policy"]["w"]))

# %% [markdown]
# The gradient of the matrix is the sum of both uses', without a line of the training loop knowing:

# %%
gradient = jax.grad(lambda p: tied.apply(p, None, observations)[1].sum())(params)
print(np.abs(gradient["agent/~/policy"]["w"]).sum(axis=0))  # the value is read from the first column

# %% [markdown]
# ## Weights from a dm-haiku checkpoint into the tied model
# `tn.transfer` finds what each owner must be. Two values for one matrix are not chosen between in silence:

# %%
plan = tied.plan(observations)
try:
    tn.transfer(plan, theirs)
except tn.TenureError as error:
    print(error)

# %%
moved = tn.transfer(plan, theirs, take="agent/~/policy/w")
print(moved.report)
