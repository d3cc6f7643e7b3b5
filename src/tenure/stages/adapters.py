"""Weights as products of smaller ones: low rank, and low-rank adapters."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.core.notation.stage import Misfit, Part, Run, Spec, Stage, define, flag
from tenure.stages._common import check_close, count, floating, not_negative, probability


@define
class LowRank(Stage):
    """A matrix (m, n) as the product of the stored (m, rank) and the leaf `right` (rank, n).

    At first it is the best approximation of what the initialiser made: the singular vectors with the largest values, these
    split evenly between both. `assign` takes matrices of that rank.

    Source: Khodak et al., "Initialization and Regularization of Factorized Neural Layers", 2021, section 3.1.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(6, with_bias=False)(x), stages={"**/w": [tn.stages.LowRank(2)]})
    >>> jax.tree.map(jnp.shape, model.init(jax.random.key(0), jnp.ones(4)))
    {'linear': {'w': (4, 2), 'w.low_rank.right': (2, 6)}}
    """

    name = "low_rank"
    signature = {"rank": count}

    def stored(self, spec: Spec):
        floating(spec, 2)
        rank = self.arguments["rank"]
        if len(spec.shape) != 2 or rank > min(spec.shape):
            raise Misfit(f"a rank of {rank} needs a matrix with at least {rank} rows and columns, not {spec.shape}")
        return Spec((spec.shape[0], rank), spec.dtype)

    def parts(self, spec: Spec):
        return {"right": Part((self.arguments["rank"], spec.shape[1]), spec.dtype)}

    def forward(self, value, parts, run: Run):
        return value @ parts["right"]

    def begin(self, value, draw):
        rank = self.arguments["rank"]
        u, s, v = jnp.linalg.svd(value.astype(jnp.promote_types(value.dtype, jnp.float32)), full_matrices=False)
        root = jnp.sqrt(s[:rank])
        return (u[:, :rank] * root).astype(value.dtype), {"right": (root[:, None] * v[:rank]).astype(value.dtype)}

    def assign(self, value, parts):
        left, made = self.begin(value, lambda _: None)
        check_close(value, left @ made["right"], f"its rank is above {self.arguments['rank']}")
        return left, made


@define
class LoRA(Stage):
    """`base + alpha / rank · down @ up`: a low-rank adapter beside a base that stays as it is.

    Keeps the leaves `down` (m, rank), drawn from a normal distribution of variance 1 / m, and `up` (rank, n), zero at first,
    so that nothing changes before training. Axes but the last count as rows of a matrix.

    Args:
      rank: of the adapter.
      alpha: its size; `rank` if None.
      dropout: in training, the share of the adapter's input features that are dropped, one mask for all users and positions.
      freeze: whether the base gets no gradient.
      switchable: keeps a leaf `gate` () as well, which multiplies the adapter: several adapters stand side by side,
        each with a `name`, and `tn.activate` chooses among them without tracing anything again.

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, section 4.1.

    >>> LoRA(4, name="french", switchable=True)
    lora(4, switchable=True, name='french')
    """

    name = "lora"
    signature = {
        "rank": count,
        "alpha": lambda v: v if v is None else not_negative(v),
        "dropout": probability,
        "freeze": flag,
        "switchable": flag,
    }
    defaults = {"alpha": None, "dropout": 0.0, "freeze": True, "switchable": False}
    least_axes = 2

    @property
    def draws(self) -> bool:
        return self.arguments["dropout"] > 0

    @property
    def freezes(self) -> bool:
        return self.arguments["freeze"]

    def parts(self, spec: Spec):
        floating(spec, 2)
        rank, rows = self.arguments["rank"], 1
        for size in spec.shape[:-1]:
            rows *= size
        if rank > min(rows, spec.shape[-1]):
            raise Misfit(f"an adapter of rank {rank} saves nothing on a matrix of ({rows}, {spec.shape[-1]})")
        parts = {"down": Part((rows, rank), spec.dtype), "up": Part((rank, spec.shape[-1]), spec.dtype)}
        return {**parts, "gate": Part((), spec.dtype, frozen=True)} if self.arguments["switchable"] else parts

    def begin(self, value, draw):
        specs = self.parts(Spec(value.shape, value.dtype))
        down = specs["down"].shape
        made = {
            "down": jax.random.normal(draw("down"), down, value.dtype) * down[0] ** -0.5,
            "up": jnp.zeros(specs["up"].shape, value.dtype),
        }
        return value, {**made, "gate": jnp.ones((), value.dtype)} if "gate" in specs else made

    def delta(self, shape, parts, key=None):
        """What the adapter adds; with a key, with dropout.

        Args:
          shape: of the weight.
          parts: the leaves `down` and `up`.
          key: for dropout; None for none.
        """
        rank, alpha, rate = (self.arguments[k] for k in ("rank", "alpha", "dropout"))
        down = parts["down"]
        if key is not None and rate:
            keep = jax.random.bernoulli(key, 1 - rate, (down.shape[0], 1))
            down = jnp.where(keep, down / (1 - rate), 0)
        scale = 1.0 if alpha is None else alpha / rank
        added = (down @ parts["up"]).reshape(shape)
        added = added if scale == 1.0 else added * scale
        return added * jax.lax.stop_gradient(parts["gate"]) if "gate" in parts else added

    def forward(self, value, parts, run: Run):
        base = jax.lax.stop_gradient(value) if self.freezes else value
        return base + self.delta(value.shape, parts, run.draw() if run.draws and self.draws else None)

    def assign(self, value, parts):
        return value - self.delta(value.shape, parts), parts
