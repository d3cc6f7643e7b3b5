"""Which cell a `unit` means."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tenure.core.errors import TenureError, brief, nearest
from tenure.network.cells.base import Cell
from tenure.network.cells.highway import RHN
from tenure.network.cells.native import NativeLSTM, NativeLSTMLowMem
from tenure.network.cells.normalized import LayerNormVariantsLSTM
from tenure.network.cells.plain import GRU, BasicLSTM, BasicRNN, StandardLSTM, ZoneoutLSTM

_CELLS: dict[str, type[Cell]] = {
    "basiclstm": BasicLSTM,
    "basicrnn": BasicRNN,
    "gru": GRU,
    "layernormvariantslstm": LayerNormVariantsLSTM,
    "nativelstm": NativeLSTM,
    "nativelstm2": NativeLSTM,
    "nativelstmlowmem": NativeLSTMLowMem,
    "rhn": RHN,
    "standardlstm": StandardLSTM,
    "vanillalstm": NativeLSTM,
    "zoneoutlstm": ZoneoutLSTM,
}
# Names of implementations: what they compute is one of the above. On TensorFlow 2, which has no contrib, the fused and the
# cuDNN cells are RETURNN's own.
_SEQUENCE = {"lstm", "lstmp", "lstmblock", "lstmblockfused", "cudnnlstm"}


class UnknownUnitError(TenureError):
    """A `unit` that names no cell, or options that it does not take."""


def names() -> tuple[str, ...]:
    """All units by name.

    >>> "nativelstm2" in names()
    True
    """
    return tuple(sorted({*_CELLS, *_SEQUENCE}))


def without_start(unit: str) -> bool:
    """Whether the unit cannot start from a given state: the first native LSTM never learnt to.

    >>> without_start("NativeLstm"), without_start("nativelstm2")
    (True, False)
    """
    return unit.lower().removesuffix("cell") == "nativelstm"


def make(
    unit: str,
    size: int,
    options: Mapping[str, Any] | None = None,
    *,
    training: bool = False,
    single_step: bool = False,
    defaults: Mapping[str, Any] | None = None,
) -> Cell:
    """The cell that a dictionary describes.

    Args:
      unit: its name, in any case, with or without "Cell" at the end.
      size: of its output.
      options: `unit_opts`.
      training: whether noise is to be drawn.
      single_step: whether an `rnn_cell` layer asks, for which `lstmblock` is TensorFlow's cell, not RETURNN's.
      defaults: options that hold where the cell takes them and `options` do not say.

    Raises:
      UnknownUnitError: no such cell, or not with these options.

    >>> make("LSTMBlock", 3).params(2)["W_re"].shape
    (3, 12)
    """
    if not isinstance(unit, str):
        raise UnknownUnitError(f"{brief(unit)} is not the name of a cell", ways=["'unit': 'nativelstm2'"])
    name = unit.lower().removesuffix("cell")
    if name in _SEQUENCE:
        name = "standardlstm" if single_step and name in ("lstmblock", "lstmblockfused", "cudnnlstm") else "nativelstm2"
    if name not in _CELLS:
        raise UnknownUnitError(
            f"there is no unit {brief(unit)}",
            near=nearest(name, names()),
            ways=["'unit': 'nativelstm2'"],
        )
    cls = _CELLS[name]
    if single_step and issubclass(cls, NativeLSTM):
        raise UnknownUnitError(
            f"the unit {brief(unit)} is for whole sequences", ways=["'class': 'rec'", "'unit': 'lstmblock'"]
        )
    known = {f.name for f in dataclasses.fields(cls)} - {"size", "training", "scope", *cls.fixed}
    given = dict(options or {})
    if "dropout" in known:
        given.pop("dropout_seed", None)  # random numbers come from keys
    given.update({k: v for k, v in (defaults or {}).items() if k in known and k not in given})
    for key in [*given]:
        if key == "forget_bias" and cls is NativeLSTM and not given[key]:
            del given[key]
        elif key not in known:
            raise UnknownUnitError(f"the unit {brief(unit)} has no option {brief(key)}", near=nearest(str(key), known))
    try:
        return cls(size, training=training, **given)
    except (TypeError, ValueError) as error:
        raise UnknownUnitError(f"the unit {brief(unit)} cannot be made: {error}") from None
