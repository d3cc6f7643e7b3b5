"""What a cell is, and running one over a sequence."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.functional import in_chunks, recurrence
from tenure.functional.recurrence import Product

State = dict[str, jax.Array]
Params = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A parameter that a cell needs.

    Attributes:
      shape: of the array.
      init: "forward" or "recurrent" for the layer's `forward_weights_init` and `recurrent_weights_init`, "weights" for
        whichever of them is set, "bias" for its `bias_init`, or a number or array for what it always starts from.
    """

    shape: tuple[int, ...]
    init: Any = "weights"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One step of a recurrent network, as pure functions of its parameters.

    Attributes:
      size: of the output, and of each part of the state.
      training: whether noise is to be drawn.
    """

    size: int
    training: bool = dataclasses.field(default=False, kw_only=True)

    parts: ClassVar[tuple[str, ...]] = ("state",)
    fixed: ClassVar[frozenset[str]] = frozenset()  # fields that dictionaries do not set
    takes_labels: ClassVar[bool] = False  # whether labels may come instead of vectors

    def params(self, inputs: int) -> dict[str, Spec]:
        """The parameters for so many inputs, by local name."""
        raise NotImplementedError

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """What of the step depends on the input [..., inputs] only; done for all steps at once."""
        return x

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The matrices, by names of the cell's own, that a step multiplies parts of the state with."""
        raise NotImplementedError

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step: from a transformed input [..., M] and the state to the output [..., size] and the next state.

        Args:
          product: `product(name, h)` is h times one of `matrices`; its gradient is computed for all steps at once.
          params: the parameters.
          x: the transformed input.
          state: before the step.
          noise: what `fixed_noise` drew, or a key for this step; None in evaluation.
        """
        raise NotImplementedError

    def fixed_noise(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """Noise that is the same in all steps; None if there is none."""
        return None

    @property
    def draws(self) -> bool:
        """Whether a step draws noise of its own."""
        return False

    def zero_state(self, batch: tuple[int, ...], dtype: Any = jnp.float32) -> State:
        """A state of zeros, [*batch, size] for each part."""
        return {part: jnp.zeros((*batch, self.size), dtype) for part in self.parts}


def run(
    cell: Cell,
    params: Params,
    x: jax.Array,
    mask: jax.Array | None = None,
    state: State | None = None,
    *,
    reverse: bool = False,
    key: jax.Array | None = None,
    remat: bool | int = False,
) -> tuple[jax.Array, State]:
    """Runs a cell over a sequence, compiled once for all steps; its gradient is that of `functional.recurrence`.

    Args:
      cell: the cell.
      params: its parameters.
      x: [T, ..., inputs], or labels [T, ...] where the cell takes them.
      mask: [T, ...], which frames count; the state passes by the others.
      state: before the first step; zeros if not given.
      reverse: whether to go from the last frame to the first.
      key: for noise in training.
      remat: whether the gradient computes the steps once more, in chunks of so many steps (True: the square root of
        all), to need less memory; see `functional.in_chunks`.

    Returns:
      The outputs [T, ..., size], zero where the mask says so, and the state after the last frame that counts.

    >>> from tenure.network.cells.plain import BasicRNN
    >>> rnn = BasicRNN(2)
    >>> p = {"basic_rnn_cell/kernel": jnp.ones((3, 2)), "basic_rnn_cell/bias": jnp.zeros(2)}
    >>> y, last = run(rnn, p, jnp.ones((4, 5, 1)))
    >>> y.shape, bool(jnp.all(y[-1] == last["state"]))
    ((4, 5, 2), True)
    """
    batch = x.shape[1:] if jnp.issubdtype(x.dtype, jnp.integer) else x.shape[1:-1]
    state = cell.zero_state(batch) if state is None else state
    fixed = None if key is None or not cell.training else cell.fixed_noise(key, (*batch, cell.size))
    keys = jax.random.split(key, len(x)) if key is not None and cell.training and cell.draws else None

    def chunk(given: Any, xs: Any, state: State) -> tuple[State, jax.Array]:
        params, fixed = given
        x, mask, keys = xs
        inputs = (cell.transform(params, x), mask, keys)
        step = functools.partial(_step, cell)
        return recurrence(step, cell.matrices(params, fixed), (params, fixed), inputs, state, reverse=reverse)

    given, xs = (dict(params), fixed), (x, mask, keys)
    if remat:
        last, outputs = in_chunks(chunk, given, xs, state, length=remat, reverse=reverse)
    else:
        last, outputs = chunk(given, xs, state)
    return outputs, last


def one(
    cell: Cell, params: Params, x: jax.Array, state: State | None = None, *, key: jax.Array | None = None
) -> tuple[jax.Array, State]:
    """One step of a cell, as a loop's body has it.

    Args:
      cell: the cell.
      params: its parameters.
      x: [..., inputs], or labels [...] where the cell takes them.
      state: before the step; zeros if not given.
      key: for noise in training.

    Returns:
      The output [..., size], and the state after the step.
    """
    batch = x.shape if jnp.issubdtype(x.dtype, jnp.integer) else x.shape[:-1]
    state = cell.zero_state(batch) if state is None else state
    fixed = None if key is None or not cell.training else cell.fixed_noise(key, (*batch, cell.size))
    own = jax.random.split(key, 1)[0] if key is not None and cell.training and cell.draws else None
    matrices = cell.matrices(params, fixed)
    x = cell.transform(params, x)
    return cell.step(lambda name, h: jnp.matmul(h, matrices[name]), params, x, state, fixed if own is None else own)


def _step(cell: Cell, product: Product, given: Any, inputs: Any, old: State) -> tuple[State, jax.Array]:
    """A cell's step where the mask says so, else nothing."""
    (params, fixed), (frame, valid, noise) = given, inputs
    y, new = cell.step(product, params, frame, old, fixed if noise is None else noise)
    if valid is not None:
        valid = valid[..., None]
        new = {part: jnp.where(valid, new[part], old[part]) for part in new}
        y = jnp.where(valid, y, 0)
    return new, y
