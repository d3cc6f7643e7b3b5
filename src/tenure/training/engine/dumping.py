"""Layers of the class `hdf_dump`: what they are given in passes over data goes to HDF files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenure.core.errors import Party, brief
from tenure.network.graph import Flags, Graph, Node
from tenure.network.model import Network
from tenure.network.tensor import Tensor
from tenure.training.data.base import Stream
from tenure.training.data.hdf import HDFDataset
from tenure.training.data.writing import HdfWriter
from tenure.training.engine.dumped import Dumped, beam_of, of_batch, of_sequences
from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError


class Dumps:
    """The files of a network's `hdf_dump` layers. Files with `dump_per_run` are one for each pass, others are one for all passes.

    Used with `with`: then files are moved into their places at the end, and none is left behind by an error.

    Attributes:
      layers: whose outputs each pass has to compute: what is dumped, and what is dumped beside it.
    """

    def __init__(self, network: Network, flags: Flags, log: Log):
        """Finds the layers, those inside of loops and sub-networks too.

        Args:
          network: with them.
          flags: what it is built for.
          log: is told of each file.
        """
        nodes = [n for n in _nodes(network.graph(flags)) if n.class_name == "hdf_dump"]
        self._files = [_File(node, log) for node in nodes]
        self.layers: tuple[str, ...] = tuple(dict.fromkeys(name for file in self._files for name in file.layers))

    def begin(self, data: str, epoch: int, *, resumed: bool = False, goes_on: bool = False) -> Dumps:
        """Starts a pass over data; gives itself.

        Args:
          data: name of the data set, which names of files may use: "{dataset_name}" with `dump_per_run`.
          epoch: likewise, "{epoch}".
          resumed: whether a training goes on, whose files for all passes may be there.
          goes_on: whether the pass was begun before, and its files hold what it has dumped until then.

        Raises:
          ConfigError: a name is none, such a file is there already, or the one to go on with is not.
        """
        for file in self._files:
            file.begin({"dataset_name": data, "epoch": epoch}, resumed, goes_on)
        return self

    def take(self, tags: Sequence[str], outputs: Mapping[str, Tensor]) -> None:
        """Takes the layers' outputs of a batch.

        Raises:
          ConfigError: an output has no batch, or a further one has more hypotheses.
          DataSetError: the file cannot be written.
        """
        for file in self._files:
            file.take(tags, outputs)

    def end(self, error: BaseException | None = None) -> None:
        """Moves the files of the passes until now into their places; after an error, removes them."""
        with contextlib.ExitStack() as all_of_them:
            for file in self._files:
                all_of_them.callback(file.end, error)

    def __enter__(self) -> Dumps:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.end(error)


class _File:
    """The file of one layer."""

    def __init__(self, node: Node, log: Log):
        self._key, self._options, self._log = node.key, node.options, log
        self._extra = {name: _plain(key) for name, key in (node.refs.get("extra") or {}).items()}
        self.layers = (self._key, *self._extra.values())
        self._path: Path | None = None
        self._written: Path | None = None
        self._extends = False
        self._writer: HdfWriter | None = None

    def begin(self, told: Mapping[str, Any], resumed: bool, goes_on: bool) -> None:
        per_run = bool(self._options.get("dump_per_run"))
        if self._path is not None and not per_run:
            return
        self.end()
        self._path = path = _path(self._key, self._options, told)
        own = not per_run and (path == self._written or (resumed and path.exists()))  # of earlier passes
        self._extends = goes_on or own or bool(self._options.get("extend_existing_file"))
        if path.exists() is not self._extends:
            ways = ["remove it", "another 'filename'", "'extend_existing_file': True"]
            if goes_on:
                ways = [
                    "remove the unfinished checkpoint: then the epoch, whose first part the file would have, starts anew"
                ]
            elif self._extends:
                ways = ["leave out 'extend_existing_file'"]
            raise ConfigError(
                f"layer {self._key!r}: the file '{path}' " + ("is not there" if self._extends else "is there already"),
                parties=[Party("layer", self._key)],
                ways=ways,
            )

    def take(self, tags: Sequence[str], outputs: Mapping[str, Tensor]) -> None:
        main = self._checked(outputs[self._key])
        extra = {name: self._checked(outputs[key], main) for name, key in self._extra.items()}
        found = (of_batch if self._options.get("dump_whole_batches") else of_sequences)(tags, main, extra)
        for dumped in found:
            writer = self._writer or self._opened(main, dumped)
            writer.add(dumped.tag, dumped.arrays)

    def _checked(self, x: Tensor, main: Tensor | None = None) -> Tensor:
        if main is None and x.batch_axis is None:
            raise ConfigError(
                f"layer {self._key!r} dumps {x}, and a file holds one array for each sequence",
                parties=[Party("layer", self._key)],
            )
        if main is not None and beam_of(x) not in (1, beam_of(main)):
            raise ConfigError(
                f"layer {self._key!r} dumps {beam_of(main)} hypotheses of each sequence, and beside them {beam_of(x)}: {x}",
                parties=[Party("layer", self._key)],
                ways=["'class': 'decide' takes the best of a search's hypotheses"],
            )
        return x

    def _opened(self, main: Tensor, first: Dumped) -> HdfWriter:
        assert self._path is not None
        streams = {name: replace(Stream.like(array, 0), sparse=False) for name, array in first.arrays.items()}
        labels = self._options.get("labels")
        data = first.arrays["data"]
        size = main.sparse_dim.size if main.sparse_dim is not None else data.shape[-1] if data.ndim > 1 else 1
        streams["data"] = Stream(int(size or 0), main.sparse_dim is not None, str(data.dtype), labels=labels)
        old = HDFDataset([str(self._path)]) if self._extends else None
        self._writer = writer = HdfWriter(self._path, streams, force=self._extends)
        for index in range(int(old.count()) if old is not None else 0):
            assert old is not None
            item = old.load(index, 1)
            writer.add(item.tag, item.data)
        return writer

    def end(self, error: BaseException | None = None) -> None:
        writer, path = self._writer, self._path
        self._writer = self._path = None
        if writer is not None:
            writer.__exit__(None if error is None else type(error), error, None)
            if error is None:
                self._written = path
                self._log.say(f"layer {self._key!r}: {writer.sequences} sequences written to {str(path)!r}")


def _nodes(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph and of the graphs that its layers run."""
    for node in graph.nodes.values():
        yield node
        for branch in node.branches.values():
            yield from _nodes(branch)


def _plain(key: str) -> str:
    """The path of a layer that a loop names by "base:"."""
    return key.removeprefix("base:")


def _path(key: str, options: Mapping[str, Any], told: Mapping[str, Any]) -> Path:
    name: Any = options.get("filename")
    if callable(name):
        name = name(**told)
    elif options.get("dump_per_run") and isinstance(name, str):
        try:
            name = name.format_map(told)
        except (KeyError, ValueError, IndexError):
            raise ConfigError(
                f"layer {key!r}: 'filename' is {brief(name)}", ways=[f"it may use {{{'}, {'.join(told)}}}"]
            ) from None
    if not isinstance(name, str) or not name:
        raise ConfigError(f"layer {key!r}: 'filename' is {brief(name)}", ways=["'filename': 'out.hdf'"])
    return Path(name)
