"""Leaves of other shapes and dtypes than the model's: taken, cast, resized, left as they were, or refused."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from tenure.checkpoints.choices import Choices
from tenure.checkpoints.errors import ContentError
from tenure.checkpoints.report import Notes
from tenure.checkpoints.resizing import resized
from tenure.checkpoints.source import Held, Leaf
from tenure.core.errors import Party, RuleError
from tenure.core.ledger.row import Row


def fitted(row: Row, leaf: Leaf, source: Row, choices: Choices, notes: Notes) -> Leaf:
    """A leaf in the shape and dtype that the model needs.

    Args:
      row: the owner that it is for.
      leaf: what was found for it.
      source: the slot of the file that it was found at.
      choices: what the caller said of sizes and dtypes.
      notes: what is changed is told there.

    Raises:
      ContentError: it is of another shape.
      RuleError: what the caller said of sizes is not enough.
    """
    owner = row.path
    if source.layers > 1 and row.shape[-len(leaf.shape) :] == tuple(leaf.shape):  # one value for all layers
        leaf = Held(owner, jax.numpy.broadcast_to(leaf.read(), row.shape))
    if tuple(leaf.shape) != row.shape or choices.resize.get(owner) is not None:
        leaf = _reshaped(row, leaf, choices, notes)
    elif row.part_of and owner not in choices.resize and choices.resize.get(row.part_of) is not None:
        raise RuleError(
            f"resize= gives '{row.part_of}' other rows, and does not say what becomes of '{owner}', which is of its stage",
            parties=[row.party("model")],
            ways=[f"resize={{'{row.part_of}': rows, '{owner}': rows}}, or None where its rows stay"],
        )
    wanted, stored = row.dtype, str(leaf.dtype)
    if wanted not in (stored, source.dtype):  # params that were cast stay as they are
        notes.add("dtype", owner, f"{stored} in the file, {wanted} in the model")
        if not choices.strict:
            return Held(owner, _cast(leaf, wanted))
    return leaf


def _reshaped(row: Row, leaf: Leaf, choices: Choices, notes: Notes) -> Leaf:
    owner = row.path
    if owner in choices.resize and owner in choices.template and len(leaf.shape) == len(row.shape):
        notes.add("resized", owner, f"{leaf.shape} → {row.shape}")
        return Held(owner, resized(leaf.read(), choices.template[owner], choices.resize[owner]))
    if not choices.strict and owner in choices.template:
        notes.add("reshaped", owner, f"{leaf.shape} in the file, {row.shape} in the model: left as it was")
        return Held(owner, template(row, choices))
    if tuple(leaf.shape) == row.shape:
        raise ContentError(
            f"resize= gives '{owner}' other rows, and nothing says the values of new ones",
            parties=[row.party("model")],
            ways=["params=model.init(key, …)"],
        )
    raise ContentError(
        f"'{owner}' is {tuple(leaf.shape)} in the file, and {row.shape} in the model",
        parties=[row.party("model"), Party("file", owner, f"{tuple(leaf.shape)} {leaf.dtype}")],
        ways=[
            f"a larger or smaller vocabulary:  tn.transfer(plan, old, params=new, resize='{owner}')",
            "build the model with the sizes of the file",
        ],
    )


def template(row: Row, choices: Choices) -> Any:
    """The value that `params=` gives for an owner.

    Raises:
      ContentError: it has another shape than the model's.
    """
    value, path = choices.template[row.path], row.path
    if np.shape(value) != row.shape:
        raise ContentError(
            f"params= has {np.shape(value)} for '{path}', which is {row.shape} in the model",
            parties=[row.party("model")],
            ways=["params=model.init(key, …)"],
        )
    return value


def _cast(leaf: Leaf, dtype: str) -> Any:
    return jax.numpy.asarray(leaf.read()).astype(dtype)


__all__ = ["fitted", "template"]
