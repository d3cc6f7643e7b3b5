"""`preload_from_files`: some variables of some files, by prefix, by name, once in training or at each load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.returnn.checkpoints.conversion import Values
from tenure.returnn.checkpoints.load import CheckpointMismatchError, Missing, Shapes, load


@dataclass(frozen=True)
class Preload:
    """One entry of `preload_from_files`.

    Attributes:
      filename: the checkpoint.
      prefix: load variables whose names contain this text, from names in the file without it.
      init_for_train: load at the start of a training; else at each load for another task.
      ignore_missing: leave variables as they are that the file lacks.
      ignore_params: names, without the prefix, that are left as they are.
      ignore_params_prefixes: starts of such names.
      var_name_mapping: name → name in the file, for names that the file lacks.
      custom_missing_load_func: the config's function for names that are not found.
    """

    filename: str = ""
    prefix: str = ""
    init_for_train: bool = False
    ignore_missing: bool = False
    ignore_params: tuple[str, ...] = ()
    ignore_params_prefixes: tuple[str, ...] = ()
    var_name_mapping: Mapping[str, str] = field(default_factory=dict)
    custom_missing_load_func: Missing | None = None

    @staticmethod
    def of(options: Mapping[str, Any], name: str = "", option: str = "preload_from_files") -> Preload:
        """An entry as a config has it.

        Args:
          options: of the entry.
          name: of the entry, for messages.
          option: where the config has it, for messages.

        Raises:
          CheckpointMismatchError: an option that there is not.
        """
        known = {f.name for f in fields(Preload)}
        for key in options:
            if key not in known:
                raise CheckpointMismatchError(
                    f"{option} has no option {brief(key)}{f' (entry {name!r})' if name else ''}",
                    near=nearest(str(key), known),
                    ways=["options: " + ", ".join(sorted(known))],
                )
        lists = {
            k: (options[k],) if isinstance(options[k], str) else tuple(options[k])
            for k in ("ignore_params", "ignore_params_prefixes")
            if k in options
        }
        return Preload(**{**options, **lists})

    def loaded(self, variables: Shapes) -> dict[str, str]:
        """The variables that this entry is for: the network's name → the name without the prefix."""
        found = {name: name.replace(self.prefix, "") if self.prefix else name for name in variables}
        return {
            name: short
            for name, short in found.items()
            if self.prefix in name
            and short not in self.ignore_params
            and not short.startswith(self.ignore_params_prefixes)
        }


def preload(
    variables: Shapes,
    values: Values,
    entry: Preload,
    *,
    keep: Mapping[str, Any] = {},
    option: str = "preload_from_files",
) -> dict[str, np.ndarray]:
    """The new values of the variables that an entry loads.

    Args:
      variables: the shapes of the network's variables by name, without `global_step`.
      values: the checkpoint's arrays by name.
      entry: what to load.
      keep: variables that an earlier entry has loaded; they stay.
      option: where the config has the entry, for messages.

    Raises:
      CheckpointMismatchError: no variable at all is loaded, or one is not found, or has another shape.
    """
    names = entry.loaded(variables)
    if not names:
        raise CheckpointMismatchError(
            f"{option} loads nothing from '{entry.filename}': "
            + (f"no variable has '{entry.prefix}' in its name" if entry.prefix else "all variables are ignored"),
            near=nearest(entry.prefix, variables),
            ways=["'prefix' is what the network's names have and the file's names lack"],
        )
    names = {name: short for name, short in names.items() if name not in keep}
    if not names:
        return {}
    found = load(
        {short: variables[name] for name, short in names.items()},
        values,
        ignore_missing=entry.ignore_missing,
        renames=entry.var_name_mapping,
        custom=entry.custom_missing_load_func,
        path=entry.filename,
    )
    return {name: found[short] for name, short in names.items() if short in found}


def due(entries: Mapping[str, Any], *, training: bool, first_epoch: bool) -> list[Preload]:
    """The entries that are to be loaded now, in their order: the sorted names'.

    Args:
      entries: the config's `preload_from_files`.
      training: whether the network is trained.
      first_epoch: whether this is the start of the training.
    """
    found = [Preload.of(entries[name], name) for name in sorted(entries)]
    return [entry for entry in found if (first_epoch and training if entry.init_for_train else not training)]


def preload_all(
    entries: Mapping[str, Any],
    variables: Shapes,
    read: Callable[[str], Values],
    *,
    training: bool,
    first_epoch: bool,
) -> dict[str, np.ndarray]:
    """What the entries that are due load. The first entry that loads a variable has it; later ones, and the main
    checkpoint, leave it alone.

    Args:
      entries: the config's `preload_from_files`.
      variables: the shapes of the network's variables by name, without `global_step`.
      read: gives a checkpoint's arrays by its file name.
      training: whether the network is trained.
      first_epoch: whether this is the start of the training.
    """
    found: dict[str, np.ndarray] = {}
    for entry in due(entries, training=training, first_epoch=first_epoch):
        found.update(preload(variables, read(entry.filename), entry, keep=found))
    return found


__all__ = ["Preload", "due", "preload", "preload_all"]
