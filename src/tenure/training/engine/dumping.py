"""Layers of the class `hdf_dump`: what they are given in a pass over data goes to HDF files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import Party, brief
from tenure.network.graph import Flags
from tenure.network.model import Network
from tenure.network.tensor import Tensor
from tenure.training.engine.log import Log
from tenure.training.engine.outputs import rows, write_hdf
from tenure.training.errors import ConfigError

_NOT_DONE = ("extra", "dump_whole_batches", "extend_existing_file")


class Dumps:
    """The files of a network's `hdf_dump` layers, of one pass over one data set.

    Attributes:
      layers: their names, which the pass has to compute.
    """

    def __init__(self, network: Network, flags: Flags, data: str, epoch: int):
        """Finds the layers.

        Args:
          network: with them.
          flags: what it is built for.
          data: name of the data set, which names of files may use: "{dataset_name}" with `dump_per_run`.
          epoch: likewise, "{epoch}".

        Raises:
          ConfigError: a layer has an option that is not done, or its file name is none.
        """
        nodes = network.graph(flags).nodes
        self._options = {key: node.options for key, node in nodes.items() if node.class_name == "hdf_dump"}
        self._paths = {key: _path(key, of, data, epoch) for key, of in self._options.items()}
        self.layers: tuple[str, ...] = tuple(self._options)
        self._found: dict[str, list[tuple[str, np.ndarray]]] = {key: [] for key in self.layers}
        self._tensors: dict[str, Tensor] = {}

    def take(self, tags: Sequence[str], outputs: Mapping[str, Tensor]) -> None:
        """Takes the layers' outputs of a batch.

        Raises:
          ConfigError: an output has other axes than time and features.
        """
        for key in self.layers:
            output = self._tensors[key] = outputs[key]
            if output.beam_dim is not None or len(output.dims) > 3 or not any(d.is_batch for d in output.dims):
                raise ConfigError(
                    f"layer {key!r} dumps {output}, and a file can hold sequences of frames",
                    parties=[Party("layer", key)],
                    ways=["'class': 'decide' takes the best of a search's hypotheses", "merge_dims joins axes"],
                )
            self._found[key] += zip(tags, rows(output), strict=True)

    def write(self, log: Log) -> None:
        """Writes the files, and says so."""
        for key, found in self._found.items():
            output, options, path = self._tensors.get(key), self._options[key], self._paths[key]
            if output is None:
                continue
            sparse = output.sparse_dim is not None
            last = found[0][1].shape[-1] if found[0][1].ndim > 1 else 1
            write_hdf(path, found, int(output.sparse_dim.size or 1) if sparse else last, options.get("labels") or ())  # type: ignore[union-attr]
            log.say(f"layer {key!r}: {len(found)} sequences written to {str(path)!r}")


def _path(key: str, options: Mapping[str, Any], data: str, epoch: int) -> Path:
    for option in _NOT_DONE:
        if options.get(option):
            raise ConfigError(
                f"layer {key!r}: the option {option!r} of hdf_dump is not done here",
                parties=[Party("layer", key)],
                ways=[f"remove {option!r}", "a layer 'hdf_dump' of its own for each output"],
            )
    name: Any = options.get("filename")
    told = {"dataset_name": data, "epoch": epoch}
    if callable(name):
        name = name(**told)
    elif options.get("dump_per_run") and isinstance(name, str):
        name = name.format_map(told)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"layer {key!r}: 'filename' is {brief(name)}", ways=["'filename': 'out.hdf'"])
    return Path(name)
