# %% [markdown]
# # Sharding over devices, by rules of owners
#
# Which device holds what is said once for each owner, and a tie stays one array: the embedding that is split over four devices is the same
# four pieces when the output layer uses it. Here a CPU plays four devices; the code is the same for four GPUs.

# %%
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure as tn
from tenure import nets

print(jax.devices())

# %% [markdown]
# ## A model
# Layers name the axes of their parameters (`vocab`, `embed`, `mlp`, `heads`, `kv`, …), so that rules need to know no layer.

# %%
VOCAB, SIZE = 512, 64


def language_model(tokens):
    """Logits [rows, time, VOCAB] for tokens [rows, time]; the output layer is the embedding."""
    config = nets.TransformerConfig(width=SIZE, num_heads=4, num_layers=2)
    return nets.TransformerLM(VOCAB, config, name="lm", share={"output/w": "lm/embed/embeddings | transpose"})(tokens)


model = tn.transform(language_model)
tokens = jnp.asarray(np.random.default_rng(0).integers(0, VOCAB, (8, 16)))
ledger = model.plan(tokens).ledger
print(ledger.table(depth=2))

# %% [markdown]
# ## Rules
# A rule is the name of an axis, or a glob of owners. What no rule names is whole on each device.

# %%
mesh = jax.make_mesh((2, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
shardings = ledger.shardings(mesh, {"vocab": "model", "mlp": "model", "heads": "model", "kv": "model"})
for path in ledger.owners[:8]:
    module, _, name = path.rpartition("/")
    print(f"{path:45} {shardings[module][name].spec}")

# %% [markdown]
# A rule that names nothing is an error, as is an axis that the mesh does not have:

# %%
for rules in ({"vocabulary": "model"}, {"vocab": "tensor"}):
    try:
        ledger.shardings(mesh, rules)
    except tn.TenureError as error:
        print(error, "\n")

# %% [markdown]
# ## A training step
# `jax.jit` does the rest: parameters, moments and gradients keep the shardings that they came with.

# %%
params = jax.device_put(model.init(jax.random.key(0), tokens), shardings)
optimizer = optax.adam(1e-3)
moments = optimizer.init(params)
batch = jax.device_put(tokens, jax.sharding.NamedSharding(mesh, jax.P("data")))


@jax.jit
def step(params, moments, batch):
    """One step of Adam on the next token."""

    def loss_of(params):
        logits = model.apply(params, None, batch)[:, :-1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[:, 1:]).mean()

    loss, gradients = jax.value_and_grad(loss_of)(params)
    updates, moments = optimizer.update(gradients, moments)
    return optax.apply_updates(params, updates), moments, loss


for _ in range(30):
    params, moments, loss = step(params, moments, batch)
print(f"{loss:.2f} nats after 30 steps on one batch")

# %%
owner = ledger.owner_of("lm/output/w")
module, _, name = owner.rpartition("/")
jax.debug.visualize_array_sharding(params[module][name])
print(owner, "on", len(params[module][name].addressable_shards), "devices:", params[module][name].sharding.spec)

# %% [markdown]
# ## The parts of a pipeline
# A tie between the first and the last part of a pipeline means that one parameter is needed at both ends. The ledger says which:

# %%
for tie in ledger.placement({"first": "lm/embed/**", "rest": "**"}):
    print(tie)
