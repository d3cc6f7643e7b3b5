"""Loading by name, with RETURNN's conversions: what `load` and `import_model_train_epoch1` do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tenure.convert.errors import name_of
from tenure.core.errors import Party, TenureError, nearest
from tenure.returnn.checkpoints import batch_norm, lstm
from tenure.returnn.checkpoints.conversion import Conversion, Unfit, Values, renamed

Shapes = Mapping[str, tuple[int, ...]]
Missing = Callable[..., Any]

_OLD_NAMES = {
    "lstm_cell/biases": "lstm_cell/bias",
    "lstm_cell/weights": "lstm_cell/kernel",
    "rnn/lstm_cell/bias": "lstm_cell/bias",
    "rnn/lstm_cell/kernel": "lstm_cell/kernel",
}


class CheckpointMismatchError(TenureError):
    """A checkpoint that does not hold what the network needs."""


def load(
    variables: Shapes,
    values: Values,
    *,
    ignore_missing: bool = False,
    renames: Mapping[str, str] | None = None,
    custom: Missing | None = None,
    path: Any = "checkpoint",
    legacy: bool = False,
) -> dict[str, np.ndarray]:
    """The new values of a network's variables.

    Args:
      variables: the shapes of the network's variables by name, its states and `global_step` among them.
      values: the checkpoint's arrays by name; `tenure.convert.tensorflow.read` gives them.
      ignore_missing: leave out variables that are not found; all of them missing is an error nevertheless.
      renames: variable → name in the checkpoint, for variables that are not there under their own names.
      custom: RETURNN's `custom_missing_load_func(name=, shape=, reader=)`, asked for variables that are not found.
      path: the checkpoint's name for messages.
      legacy: take arrays of another shape where every variable is found under its own name, as RETURNN does; the layer
        that uses the array then fails, or broadcasts it.

    Returns:
      Arrays by the variables' names.

    Raises:
      CheckpointMismatchError: variables that are not in the checkpoint, or of another shape.

    >>> import numpy as np
    >>> load({"h/W": (2,)}, {"h/W": np.ones(2)})
    {'h/W': array([1., 1.])}
    """
    missing = [name for name in sorted(variables) if name not in values]
    if not missing and legacy:
        return {name: values[name] for name in variables}
    renames = renames or {}
    made = _conversions(missing, [name for name in sorted(values) if name not in variables])
    made.update({name: renamed(other) for name, other in renames.items()})
    if custom is not None:
        made.update(_customs(custom, {n: variables[n] for n in missing if n not in made}, values))
    unknown = [name for name in missing if name not in made or _dangling(name, renames, values)]
    if unknown and not (ignore_missing and all(name not in made for name in unknown)):
        raise _missing(path, unknown, values)
    found = {n: values[n] if n in values else _convert(path, n, made[n], values) for n in variables if n not in unknown}
    if not found:
        raise _missing(path, unknown or list(variables), values)
    _check_shapes(path, variables, found)
    return found


def _conversions(missing: Iterable[str], free: Iterable[str]) -> dict[str, Conversion]:
    """How variables that the file lacks are made of what it has besides."""
    missing, free = list(missing), list(free)
    made: dict[str, Conversion] = {}
    for rule in (lstm.from_native, lstm.to_native, batch_norm.from_older):
        made.update(rule(missing, free))
    for name in free:
        for old, new in _OLD_NAMES.items():
            if name.endswith(f"/{old}") and name.removesuffix(old) + new in missing:
                made.setdefault(name.removesuffix(old) + new, renamed(name))
    return made


class _Reader:
    """What a custom function sees of a checkpoint: TensorFlow's reader's methods."""

    def __init__(self, values: Values):
        self._values = values

    def has_tensor(self, name: str) -> bool:
        """Whether there is such a variable."""
        return name in self._values

    def get_tensor(self, name: str) -> np.ndarray:
        """Its value."""
        return self._values[name]

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """All names with their shapes."""
        return {name: list(np.shape(self._values[name])) for name in self._values}


def _customs(custom: Missing, wanted: Shapes, values: Values) -> dict[str, Conversion]:
    answers = {n: custom(name=n, shape=shape, reader=_Reader(values)) for n, shape in wanted.items()}
    return {n: functools.partial(_constant, answer) for n, answer in answers.items() if answer is not None}


def _constant(answer: Any, _: Values) -> np.ndarray:
    return np.asarray(answer)


def _dangling(name: str, renames: Mapping[str, str], values: Values) -> bool:
    """Whether a variable is renamed to something that the file does not have."""
    return name in renames and renames[name] not in values


def _convert(path: Any, name: str, conversion: Conversion, values: Values) -> np.ndarray:
    try:
        return conversion(values)
    except Unfit as error:
        raise CheckpointMismatchError(
            f"'{name}' cannot be made of what is in '{name_of(path)}': {error}",
            ways=["check that the layer's unit and sizes are those of the checkpoint"],
        ) from None


def _check_shapes(path: Any, variables: Shapes, found: Mapping[str, np.ndarray]) -> None:
    wrong = [n for n, value in found.items() if tuple(value.shape) != tuple(variables[n])]
    if wrong:
        name = wrong[0]
        raise CheckpointMismatchError(
            f"'{name}' and {len(wrong) - 1} more have another shape in '{name_of(path)}'"
            if len(wrong) > 1
            else f"'{name}' has another shape in '{name_of(path)}'",
            parties=[Party("network", n, str(tuple(variables[n]))) for n in wrong[:1]]
            + [Party("file", n, str(found[n].shape)) for n in wrong[:1]],
            ways=[
                "give the layer the checkpoint's sizes",
                "leave the variable as it is: preload_from_files with 'ignore_params'",
            ],
        )


def _missing(path: Any, names: list[str], values: Values) -> CheckpointMismatchError:
    shown = ", ".join(f"'{n}'" for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return CheckpointMismatchError(
        f"'{name_of(path)}' lacks {shown}",
        parties=[Party("network", n) for n in names[:3]],
        near=list(dict.fromkeys(n for name in names[:3] for n in nearest(name, values)))[:3],
        ways=[
            "load a part:  preload_from_files = {'old': {'filename': …, 'ignore_missing': True}}",
            "name what was renamed:  'var_name_mapping': {'new/W': 'old/W'}",
        ],
    )


__all__ = ["CheckpointMismatchError", "load"]
