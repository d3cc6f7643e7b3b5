"""What a forward pass gives to the outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import constraints, sizes
from tenure.network.dims import batch_dim
from tenure.network.losses.registry import without_prefix
from tenure.network.tensor import Tensor
from tenure.network.typing import Graph, Run


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Result:
    """What a forward pass gives.

    Attributes:
      outputs: of layers, by path.
      losses: by the names of their layers, without the prefix of `extra.search:…` unless two would be named alike.
      loss: the sum of the losses with their scales.
      constraints: L2 and other terms of the objective.
      scores: of searches, by the path of a layer with hypotheses: logarithms of their probabilities [beam, B].
    """

    outputs: dict[str, Tensor]
    losses: dict[str, Any]
    loss: Any
    constraints: Any
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def objective(self) -> Any:
        """What training minimises."""
        return self.loss + self.constraints


def wanted(graph: Graph, layers: Sequence[str] | None) -> list[str]:
    """The keys of the layers that are asked for: those that the dictionary marks if None, all if "*" is among the names.

    Args:
      graph: of the pass.
      layers: names that were asked for.
    """
    if layers is None:
        return list(dict.fromkeys(graph.roots))
    if "*" in layers:
        return list(graph.nodes)
    return [graph.more.get(name, name) for name in layers]


def collect(run: Run, layers: Sequence[str] | None) -> Result:
    """The outputs that were asked for, with the lengths of their dims, and the losses.

    Args:
      run: the pass.
      layers: names that were asked for; see `wanted`.
    """
    names = {key: key for key in wanted(run.graph, layers)} | {
        run.graph.more.get(name, name): name for name in layers or ()
    }
    keys = [key for key in names if key in run.outputs]
    outputs = {names[key]: with_lengths(run.outputs[key].tensor) for key in keys}
    total: Any = jnp.zeros(())
    for loss in run.losses.values():
        total = total + loss.total
    found = {key: x.beam_dim for key, x in outputs.items() if x.beam_dim is not None}
    scores = {key: Tensor(run.beams.get(dim).scores, (dim, batch_dim())) for key, dim in found.items()}
    told = without_prefix(run.losses)
    losses = {told[name]: loss for name, loss in run.losses.items()}
    return Result(outputs, losses, total, constraints.total(run), scores)


def with_lengths(x: Tensor) -> Tensor:
    """The tensor, with the lengths of its dynamic dims, to leave the network."""
    known = sizes.current()
    found: Mapping[Any, Tensor | None] = {d: known.lengths(d) for d in x.dims}
    return dataclasses.replace(x, lengths={d: n for d, n in found.items() if n is not None})
