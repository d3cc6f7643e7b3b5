"""The training step, the loop around it, and perplexity."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from .batches import Batch, Batches
from .budget import Budget
from .vocabulary import PAD


@dataclass(frozen=True)
class Recipe:
    """How to train; kept in the checkpoint."""

    peak: float = 5e-3
    warmup: int = 200
    smoothing: float = 0.1
    decay: float = 0.01
    clip: float = 1.0
    tokens: int = 512
    """Positions in a batch; `Batches` are made with it."""
    seed: int = 0


class Progress(NamedTuple):
    """The state of training between two steps."""

    params: Any
    optimizer: Any
    step: int


class Report(NamedTuple):
    """What one step did; `seconds` does not contain `compiling`."""

    step: int
    loss: Array
    tokens: int
    seconds: float
    compiling: float
    shape: tuple[int, int]
    """Sentences and length of the batch."""


def make_optimizer(recipe: Recipe, mask: Any) -> optax.GradientTransformation:
    """AdamW whose learning rate is set anew at every step; `mask` says what decays."""

    def build(learning_rate: Any) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(recipe.clip),
            optax.adamw(learning_rate, b2=0.98, weight_decay=recipe.decay, mask=mask),
        )

    return optax.inject_hyperparams(build)(learning_rate=0.0)


def learning_rate(recipe: Recipe, step: int, fraction: float) -> float:
    """A linear rise over the first steps, then a straight line down to zero at the end."""
    return recipe.peak * min(1.0, (step + 1) / recipe.warmup) * max(0.0, 1.0 - fraction)


def cross_entropy(logits: Array, labels: ArrayLike, smoothing: float = 0.0) -> tuple[Array, Array]:
    """The sum over the pieces that are not padding, and their number."""
    labels = jnp.asarray(labels)
    real = labels != PAD
    picked = jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
    wanted = (1 - smoothing) * picked + smoothing * logits.mean(-1)
    loss = jax.nn.logsumexp(logits, -1) - wanted
    return jnp.where(real, loss, 0).sum(), real.sum()


Logits = Callable[..., Any]  # (params, rng, source, inputs) -> logits


def make_step(logits: Logits, optimizer: optax.GradientTransformation, recipe: Recipe) -> Compiled:
    """One step: ``(params, optimizer state, step, rate, batch) -> (params, state, loss)``."""

    def loss(params: Any, rng: Any, batch: Batch) -> jax.Array:
        out = logits(params, rng, batch.source, batch.inputs)
        total, count = cross_entropy(out, batch.labels, recipe.smoothing)
        return total / jnp.maximum(count, 1)

    def step(params: Any, state: Any, number: Any, rate: Any, batch: Batch) -> tuple[Any, Any, jax.Array]:
        rng = jax.random.fold_in(jax.random.key(recipe.seed, impl="rbg"), number)  # the fastest
        value, grads = jax.value_and_grad(loss)(params, rng, batch)
        state.hyperparams["learning_rate"] = rate
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    return Compiled(step, donate=(0, 1))


class Compiled:
    """A jitted function that says how long it compiled for.

    `compiling` is the number of seconds that the last call spent on it.
    """

    def __init__(self, function: Callable[..., Any], donate: tuple[int, ...] = ()):
        self._jitted = jax.jit(function, donate_argnums=donate)
        self._programs: dict[Any, Callable[..., Any]] = {}
        self.compiling = 0.0

    def __call__(self, *args: Any) -> Any:
        shapes = tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(args))
        start = time.monotonic()
        if new := shapes not in self._programs:
            self._programs[shapes] = self._jitted.lower(*args).compile()
        self.compiling = time.monotonic() - start if new else 0.0
        return self._programs[shapes](*args)


def train(
    progress: Progress,
    step: Compiled,
    batches: Batches,
    budget: Budget,
    recipe: Recipe,
    *,
    after: Callable[[Progress, Report], bool],
) -> Progress:
    """Steps until the budget is used up or `after`, called after each step, returns True."""
    while not budget.over(progress.step):
        start = time.monotonic()
        batch = batches[progress.step]
        rate = learning_rate(recipe, progress.step, budget.fraction(progress.step))
        args = (jnp.uint32(progress.step), jnp.float32(rate), batch)
        params, optimizer, loss = step(progress.params, progress.optimizer, *args)
        loss.block_until_ready()
        seconds = time.monotonic() - start - step.compiling
        progress = Progress(params, optimizer, progress.step + 1)
        shape = batch.source.shape
        report = Report(progress.step, loss, batch.tokens, seconds, step.compiling, shape)
        if after(progress, report):
            break
    return progress


def make_evaluate(logits: Logits) -> Compiled:
    """``(params, batch) -> (summed cross-entropy, number of pieces)``, without dropout."""

    def evaluate(params: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return cross_entropy(logits(params, None, batch.source, batch.inputs), batch.labels)

    return Compiled(evaluate)


def perplexity(evaluate: Compiled, params: Any, batches: Iterable[Batch]) -> float:
    """``exp`` of the mean cross-entropy of a piece."""
    sums = [evaluate(params, batch) for batch in batches]
    return math.exp(sum(float(total) for total, _ in sums) / sum(int(n) for _, n in sums))
