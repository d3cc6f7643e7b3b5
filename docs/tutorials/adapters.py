# %% [markdown]
# # Adapters, and merging them
#
# A classifier learns handwritten digits. Then the digits are mirrored: an adapter of low rank (LoRA, Hu et al. 2021,
# [arXiv:2106.09685](https://arxiv.org/abs/2106.09685)) learns the mirrored ones, while what was learnt before stays as it is.
# At last the adapter becomes part of the weights, and the model is as small and as fast as it was.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from sklearn.datasets import load_digits

import tenure as tn
from tenure import nn

digits = load_digits()
images, labels = digits.images.astype("float32") / 16, digits.target
order = np.random.default_rng(0).permutation(len(images))
train, test = order[:1400], order[1400:]

# %% [markdown]
# ## A model, trained


# %%
def classifier(images):
    """Logits [rows, 10] for images [rows, 8, 8]."""
    x = images.reshape(len(images), 64)
    x = jax.nn.relu(nn.Linear(128, name="first")(x))
    x = jax.nn.relu(nn.Linear(128, name="second")(x))
    return nn.Linear(10, name="output")(x)


def fit(model, trained, frozen, images, labels, steps):
    """Trains a part of the parameters on whole batches, and returns it."""
    optimizer = optax.adam(3e-3)

    def loss_of(trained):
        logits = model.apply(tn.combine(trained, frozen), None, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @jax.jit
    def step(trained, moments):
        updates, moments = optimizer.update(jax.grad(loss_of)(trained), moments)
        return optax.apply_updates(trained, updates), moments

    moments = optimizer.init(trained)
    for _ in range(steps):
        trained, moments = step(trained, moments)
    return trained


def accuracy(model, params, images):
    """The share of test images that are recognised."""
    return float((model.apply(params, None, images[test]).argmax(-1) == labels[test]).mean())


base = tn.transform(classifier)
base_params = base.init(jax.random.key(0), images[:1])
base_params = fit(
    base, *tn.partition(base_params, base.plan(images[:1]).ledger.mask("**")), images[train], labels[train], 200
)
mirrored = images[:, :, ::-1]
print(f"digits {accuracy(base, base_params, images):.3f}, mirrored {accuracy(base, base_params, mirrored):.3f}")

# %% [markdown]
# ## The adapter, from outside
#
# The function stays as it is: an adapter is a *stage* of a weight, which the transform gives to the owners that a glob names. The ledger
# shows what each of them keeps, and what is frozen.

# %%
adapted = tn.transform(classifier, stages={"first/w": ["lora(4)"], "second/w": ["lora(4)"]})
plan = adapted.plan(images[:1])
print(plan.ledger)

# %% [markdown]
# `tn.transfer` brings the base's parameters into the adapted model, with first values for the adapter, and says what it did.

# %%
moved = tn.transfer(plan, base_params, params=adapted.init(jax.random.key(1), images[:1]))
print(moved.report)
before = adapted.apply(moved.params, None, images[test])
print("same outputs as before:", np.allclose(before, base.apply(base_params, None, images[test]), atol=1e-5))

# %% [markdown]
# Only the adapter's leaves are trained, and only they have moments.

# %%
adapter, frozen = tn.partition(moved.params, plan.ledger.mask("@lora"))
adapter = fit(adapted, adapter, frozen, mirrored[train], labels[train], 300)
params = tn.combine(adapter, frozen)
print(
    f"mirrored {accuracy(adapted, params, mirrored):.3f}, with {sum(x.size for x in jax.tree.leaves(adapter)):,} numbers trained"
)

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8))
for ax, name, (model, values) in zip(axes, ("base", "adapted"), ((base, base_params), (adapted, params)), strict=True):
    guesses = np.asarray(model.apply(values, None, mirrored[test]).argmax(-1))
    ax.imshow(np.histogram2d(labels[test], guesses, bins=range(11))[0], cmap="Blues")
    ax.set(title=f"{name}, mirrored digits", xlabel="said", ylabel="is")
plt.tight_layout()
# %% [markdown]
# ## Merged
#
# `tn.merge` makes adapters part of the weights. What comes back is params for the plain model, and the stages that are left: none.

# %%
merged = tn.merge(plan, params, "first/w", "lora")
half = tn.transform(classifier, stages=merged.stages)
merged = tn.merge(half.plan(images[:1]), merged.params, "second/w", "lora")
print(merged.stages, sorted(merged.params["first"]))
print(
    "same outputs:",
    np.allclose(
        base.apply(merged.params, None, mirrored[test]), adapted.apply(params, None, mirrored[test]), atol=1e-4
    ),
)

# %% [markdown]
# An adapted model's parameters handed to the plain one are an error, not a silent loss of the adapter:

# %%
try:
    base.apply(params, None, images)
except tn.TenureError as error:
    print(error)
