"""The loss of a recurrent neural network transducer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

_NEVER = -1e30  # the logarithm of no probability: finite, so that gradients are numbers


def transducer_loss(logits: Array, labels: Array, frames: Array, lengths: Array, *, blank: int = 0) -> Array:
    """The negative log probability of label sequences, summed over all alignments (Graves 2012, https://arxiv.org/abs/1211.3711).

    An alignment goes from frame to frame by blanks, and writes labels in between. The sum goes over the diagonals of the grid
    of frames and labels, all entries of a diagonal at once (section 2.4 there).

    Args:
      logits: of each label and of blank, after each number of labels and at each frame [B, T, U + 1, V]. They are normalised here.
      labels: [B, U].
      frames: how many frames count [B], at least 1.
      lengths: how many labels count [B].
      blank: the label that goes on to the next frame.

    Returns:
      [B].

    >>> loss = transducer_loss(jnp.zeros((1, 2, 2, 2)), jnp.array([[1]]), jnp.array([2]), jnp.array([1]))
    >>> float(jnp.exp(-loss[0]))  # the label in frame 0 or in frame 1, and two blanks: 2 · (1/2)³
    0.25
    """
    batch, _, rows, _ = logits.shape
    log_probs = jax.nn.log_softmax(logits)
    blanks = log_probs[..., blank]  # [B, T, U + 1]
    padded = jnp.pad(labels, ((0, 0), (0, rows - labels.shape[1])))
    written = jnp.take_along_axis(log_probs, padded[:, None, :, None], axis=-1)[..., 0]
    blanks, written = (jnp.maximum(_diagonals(x), _NEVER) for x in (blanks, written))  # [T + U, B, U + 1]
    start = jnp.where(jnp.arange(rows) == 0, 0.0, _NEVER) + jnp.zeros((batch, 1), logits.dtype)

    def step(alpha: Array, arcs: tuple[Array, Array]) -> tuple[Array, Array]:
        stay, move = arcs
        moved = jnp.pad((alpha + move)[:, :-1], ((0, 0), (1, 0)), constant_values=_NEVER)
        alpha = jnp.logaddexp(jnp.maximum(alpha + stay, _NEVER), jnp.maximum(moved, _NEVER))
        return alpha, alpha

    _, alphas = jax.lax.scan(step, start, (blanks[:-1], written[:-1]))
    alphas = jnp.concatenate([start[None], alphas])  # alphas[d, b, u]: u labels written, and at frame d - u
    at, row = frames - 1 + lengths, jnp.arange(batch)
    return -(alphas[at, row, lengths] + blanks[at, row, lengths])


def _diagonals(x: Array) -> Array:
    """[B, T, N] → [T + N - 1, B, N]: entry (d, b, n) is (b, d - n, n), or next to nothing where there is no such frame."""
    time, rows = x.shape[1:]
    frame = jnp.arange(time + rows - 1)[:, None] - jnp.arange(rows)
    there = (frame >= 0) & (frame < time)
    found = x[:, jnp.clip(frame, 0, time - 1), jnp.arange(rows)]  # [B, T + N - 1, N]
    return jnp.where(there, found, _NEVER).swapaxes(0, 1)
