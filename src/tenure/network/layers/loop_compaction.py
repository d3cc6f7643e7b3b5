"""Searches go on without the sequences that are over: when few are left, the loop goes on with a smaller batch.

A sequence whose result no longer changes costs as much in a step as any other. Where `compact` of a `rec` layer says so, the steps are made
with all sequences until half of them are over, then with half of the batch, and so on; what was found is put back in the sequences'
places. Each smaller batch is a loop of its own in the program.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import sizes
from tenure.network.dims import batch_dim
from tenure.network.output import map_tensors, tensors
from tenure.network.steps import Carry, Hypotheses
from tenure.network.tensor import Tensor

LEAST = 2  # sequences of the smallest batch


class Sequences:
    """The sequences of a batch, or some of them, as a search makes steps with them.

    Attributes:
      of: the steps of a loop, `loop_steps.Steps`.
      step: one step.
      frames: arrays with the steps in front.
      times: how many times the batch may still be halved.
      few: with how many sequences the search goes on when no more are left; None if it always goes on with all.
    """

    def __init__(self, of: Any, times: int):
        self.of, self.times, self.step, self.frames = of, times, of.step, of.arrays
        n = of.search.batch()
        self.few = (n + 1) // 2 if times and n > LEAST else None

    @contextlib.contextmanager
    def fewer(self, rows: Any, carry: Carry, room: Any) -> Iterator[Any]:
        """A context with the sequences `rows` alone, and with the carry and the room of theirs."""
        around, forms = sizes.current(), dict(self.of.outer.forms)

        def take(x: Tensor) -> Tensor:
            return x if x.batch_axis is None else x.like(jnp.take(x.data, rows, axis=x.batch_axis))

        with sizes.inner() as known:
            known.declare(batch_dim(), rows.shape[0])
            for dim, lengths in around.over(batch_dim()).items():
                known.declare(dim, around.padded(dim), take(lengths))
            some = copy.copy(self.of)
            some.look(map_tensors(take, {**self.of.known, **self.of.over}))
            hypotheses = jax.tree.map(lambda x: jnp.take(x, rows, axis=1), carry.hypotheses)
            small = Carry(map_tensors(take, carry.outputs), map_tensors(take, carry.states), hypotheses)
            taken = [x if a is None else jnp.take(x, rows, axis=a) for x, a in self._placed(room)]
            yield Sequences(some, self.times - 1), small, jax.tree.unflatten(jax.tree.structure(room), taken)
        self.of.outer.forms.update(forms)

    def put(self, rows: Any, old: Any, new: Any) -> Any:
        """The hypotheses and the room after the last step, of which those of the sequences `rows` are new."""
        (carry, room), (some_carry, some_room) = old, new

        def of(x: Any, y: Any, axis: int | None) -> Any:
            return y if axis is None else x.at[(*[slice(None)] * axis, rows)].set(y)

        found: Hypotheses = jax.tree.map(lambda x, y: of(x, y, 1), carry.hypotheses, some_carry.hypotheses)
        leaves = [of(x, y, a) for (x, a), y in zip(self._placed(room), jax.tree.leaves(some_room), strict=True)]
        return Carry(carry.outputs, carry.states, found), jax.tree.unflatten(jax.tree.structure(room), leaves)

    def _placed(self, room: Any) -> list[tuple[Any, int | None]]:
        """The arrays of all steps, and where they have the batch."""

        def axis(x: Tensor) -> int:
            return -1 if x.batch_axis is None else 1 + x.batch_axis

        kept = {k: [axis(x) for x in tensors(v)] for k, v in self.of.meta.items()}
        axes = jax.tree.leaves((kept, 2, [axis(x) for _, _, x in self.of.new_dims]))
        return [(x, None if a < 0 else a) for x, a in zip(jax.tree.leaves(room), axes, strict=True)]


def times(of: Any) -> int:
    """How often the batch may be halved: where nothing but the best hypotheses is asked for, and sequences do not mix."""
    halves, batch = of.loop.node.get("compact") or 0, of.search.batch()
    if not halves or not isinstance(batch, int) or of.search.beam is None or not of.search.only_the_best():
        return 0
    if of.graph.counts_losses and any(of.graph.nodes[k].get("loss") for k in of.split.inside):
        return 0  # of all steps
    known = tensors((of.known, of.over, of.forms.outputs))
    whole = all(x.batch_axis is None or x.dims[x.batch_axis] == batch_dim() for x in known)
    return int(halves) if whole else 0
