# %% [markdown]
# # Exporting
#
# A trained model leaves Python as what `jax.export` makes: a program with its weights, for batches and sequences of any size, that runs
# without Tenure and without the code of the model. The pieces are JAX's; what Tenure adds is that nothing in the model stands in the way.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A model with a loop in it
# An LSTM over sequences of any length, with dropout in training, and a tied output.

# %%
VOCAB, SIZE = 100, 32


def tagger(tokens):
    """Logits [rows, VOCAB] after the last of tokens [rows, time]."""
    embed = nn.Embed(VOCAB, SIZE, name="embed")
    core = nn.LSTM(SIZE, name="lstm")
    x = nn.dropout(0.1, embed(tokens))
    x, _ = nn.dynamic_unroll(core, x, core.initial_state(x.shape[0]), time_major=False)
    return nn.Linear(VOCAB, name="output", share={"w": embed.ref("embeddings").T})(x[:, -1])


model = tn.transform(tagger)
tokens = jnp.asarray(np.random.default_rng(0).integers(0, VOCAB, (2, 7)))
params = model.init(jax.random.key(0), tokens)
print(model.plan(tokens).ledger)

# %% [markdown]
# ## Evaluation, with sizes left open
# `tn.evaluation` is the same model without dropout, so that it needs no key. `rows` and `time` are symbols: one artifact serves them all.

# %%
frozen = jax.jit(lambda tokens: tn.evaluation(model).apply(params, None, tokens))
shape = jax.export.symbolic_shape("rows, time")
exported = jax.export.export(frozen)(jax.ShapeDtypeStruct(shape, tokens.dtype))
artifact = folder / "tagger.jax"
artifact.write_bytes(exported.serialize())
print(exported.in_avals, "→", exported.out_avals, f"{artifact.stat().st_size:,} bytes")

# %% [markdown]
# ## Run elsewhere
# Another process reads it, which knows JAX and nothing else.

# %%
program = f"""
import sys
import jax, jax.numpy as jnp, numpy as np
from jax import export  # jax.export is a module of its own
exported = export.deserialize(bytearray(open({str(artifact)!r}, "rb").read()))
for shape in ((2, 7), (5, 30), (1, 1)):
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, {VOCAB}, shape))
    print(shape, exported.call(tokens).shape, float(exported.call(tokens).sum()))
print("tenure" in sys.modules)
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
for size in ((2, 7), (5, 30), (1, 1)):
    given = jnp.asarray(np.random.default_rng(0).integers(0, VOCAB, size))
    print(size, float(tn.evaluation(model).apply(params, None, given).sum()))

# %% [markdown]
# ## Weights apart from the program
# With params as an argument, the artifact holds the program alone, and one program serves many checkpoints. The tied matrix is handed over
# once, as everywhere.

# %%
specs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params)
apart = jax.export.export(jax.jit(lambda params, tokens: tn.evaluation(model).apply(params, None, tokens)))(
    specs, jax.ShapeDtypeStruct(shape, tokens.dtype)
)
print(f"{len(apart.serialize()):,} bytes, and {sum(x.size for x in jax.tree.leaves(params)):,} numbers handed to it")
