"""Arrays that are sharded over processes: written by orbax-checkpoint (OCDBT), read through tensorstore, shard by shard.

The first process decides, tells the others where to write, and commits; the manifest has a checksum for each shard.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.checkpoints import folder, leaves
from tenure.checkpoints.errors import CheckpointError, DamagedError, library
from tenure.checkpoints.tensors import checksum, dtype_of
from tenure.core.errors import Party, brief

_SENTENCE = 4096  # bytes of what the first process says to the others


def commit(path: Path, groups: Mapping[str, Mapping[str, Any]], body: Mapping[str, Any], overwrite: bool) -> None:
    """Writes a checkpoint from all processes at once; see `folder.commit`.

    Raises:
      CheckpointError: in every process, if the first one could not write.
    """
    if jax.process_index():
        _follow(groups)
        return
    told = False

    def fill(target: Path, generation: int) -> dict[str, Any]:
        nonlocal told
        told = True
        _tell({"target": str(target.absolute()), "generation": generation})
        return {**body, **_write(target, generation, groups)}

    try:
        folder.commit(path, fill, overwrite)
    except BaseException as e:
        _tell({"error": str(e)[:1000]})
        raise
    _tell({"done": True})


def _follow(groups: Mapping[str, Mapping[str, Any]]) -> None:
    said = _tell(None)
    if "target" in said:
        _write(Path(said["target"]), said["generation"], groups)
        said = _tell(None)
    if "error" in said:
        raise CheckpointError(f"the first process could not write the checkpoint: {said['error']}")


def _tell(sentence: Any) -> Any:
    """What the first process says, in all processes."""
    data = np.zeros(_SENTENCE, np.uint8)
    text = json.dumps(sentence).encode()
    data[: len(text)] = np.frombuffer(text, np.uint8)
    heard = library("jax.experimental.multihost_utils", "sharded").broadcast_one_to_all(data)
    return json.loads(np.asarray(heard).astype(np.uint8).tobytes().rstrip(b"\0"))


def _write(target: Path, generation: int, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    ocp = library("orbax.checkpoint", "sharded")
    files, named = {}, {}
    for group, found in groups.items():
        name = f"{group}{f'-{generation}' if generation > 1 else ''}.ocdbt"
        arrays, table = {}, {}
        for i, (key, leaf) in enumerate(found.items()):
            array, form = _stored(key, leaf)
            arrays[f"t{i}"] = array
            table[key] = [_sums(array), form, np.dtype(array.dtype).name, list(array.shape)]
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=True)) as writer:
            writer.save((target / name).absolute(), arrays)
        files[name], named[group] = {"tensors": _of_all_processes(table)}, name
    return {"files": files, "groups": named}


def _stored(name: str, leaf: Any) -> tuple[Any, str]:
    form = ""
    if leaves.is_key(leaf):
        form, leaf = f"prng:{jax.random.key_impl(leaf)}", jax.random.key_data(leaf)
    if not isinstance(leaf, jax.Array):
        return leaves.to_host(name, leaf, False)
    return (np.asarray(leaf) if leaf.is_fully_addressable else leaf), form  # one process writes what all of them have


def _sums(array: Any) -> list[Any]:
    """Bounds and checksum of each shard that this process writes."""
    if not isinstance(array, jax.Array):
        return [] if jax.process_index() else [[[[0, n] for n in array.shape], checksum(np.asarray(array, order="C"))]]
    return [
        [_bounds(shard.index, array.shape), checksum(np.asarray(shard.data, order="C"))]
        for shard in array.addressable_shards
        if shard.replica_id == 0
    ]


def _bounds(index: Any, shape: tuple[int, ...]) -> list[list[int]]:
    return [list(s.indices(n)[:2]) for s, n in zip(index, shape, strict=True)]


def _of_all_processes(table: dict[str, Any]) -> dict[str, Any]:
    """The table with the checksums of all processes."""
    if jax.process_count() == 1:
        return table
    gather = library("jax.experimental.multihost_utils", "sharded").process_allgather
    mine = json.dumps([entry[0] for entry in table.values()]).encode()
    longest = int(np.max(gather(np.array(len(mine)))))
    padded = np.frombuffer(mine.ljust(longest), np.uint8)
    everyones = [json.loads(row.tobytes()) for row in np.asarray(gather(padded)).astype(np.uint8)]
    return {
        name: [[one for sums in everyones for one in sums[i]], *entry[1:]]
        for i, (name, entry) in enumerate(table.items())
    }


class ShardedFile:
    """A folder that `commit` filled for one group."""

    def __init__(self, path: Path, about: Mapping[str, Any]):
        self.path, self._table = path, about["tensors"]
        self._index = {name: i for i, name in enumerate(self._table)}
        if not path.is_dir():
            raise self._damaged("is missing")

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(
            f"'{self.path.name}' {what}",
            parties=[Party("file", str(self.path))],
            ways=["restore an older checkpoint; CheckpointManager does, and tells"],
        )

    @property
    def names(self) -> list[str]:
        """The arrays' names."""
        return list(self._table)

    def spec(self, name: str) -> tuple[tuple[int, ...], np.dtype, str]:
        """Shape, dtype and form, without reading."""
        _, form, dtype, shape = self._table[name]
        return tuple(shape), dtype_of(dtype), form

    def part(self, name: str, index: Any, verify: bool) -> np.ndarray:
        """A part of an array, by slices.

        Raises:
          DamagedError: a shard within it is not as it was written.
        """
        shape, dtype, _ = self.spec(name)
        bounds = _bounds(index, shape)
        try:
            tensorstore = library("tensorstore", "sharded")
            store = {"driver": "ocdbt", "base": f"file://{self.path.absolute()}", "path": f"t{self._index[name]}/"}
            opened = tensorstore.open({"driver": "zarr", "kvstore": store}, open=True).result()
            if tuple(opened.shape) != shape:
                raise ValueError(f"its shape is {opened.shape}")
            cut = tuple(slice(*b) for b in bounds)
            data = np.asarray(opened[cut].read().result() if shape else opened.read().result(), order="C")
        except (ValueError, OSError, KeyError) as e:
            raise self._damaged(f"holds '{name}', which can not be read: {brief(str(e), 200)}") from None
        for where, expected in self._table[name][0] if verify else ():
            inside = all(a >= b and c <= d for (a, c), (b, d) in zip(where, bounds, strict=True))
            if inside:
                piece = data[tuple(slice(a - b, c - b) for (a, c), (b, _) in zip(where, bounds, strict=True))]
                if checksum(np.asarray(piece, order="C")) != expected:
                    raise self._damaged(f"holds '{name}' with values that are not those that were written")
        if data.nbytes != math.prod(d - b for b, d in bounds) * dtype.itemsize:
            raise self._damaged(f"holds '{name}' as {data.dtype}, not {dtype}")
        return data


@dataclasses.dataclass(frozen=True)
class ShardedLeaf:
    """An array of a `ShardedFile`."""

    file: ShardedFile
    name: str
    verify: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.file.spec(self.name)[0]

    @property
    def dtype(self) -> Any:
        """Its dtype, on the host."""
        return self.file.spec(self.name)[1]

    @property
    def form(self) -> str:
        """What kind of leaf it was."""
        return self.file.spec(self.name)[2]

    def read(self) -> Any:
        """Its values, all of them."""
        return self.file.part(self.name, tuple(slice(0, n) for n in self.shape), self.verify)

    def place(self, sharding: Any) -> Any:
        """The leaf that was saved; each process reads the shards of its devices only."""
        spread = isinstance(sharding, jax.sharding.Sharding) and len(sharding.device_set) > 1
        if not spread or not (self.form == "" or self.form.startswith("prng:")):
            return leaves.from_host(self.name, self.read(), self.form, sharding)
        leaves.check_width(self.name, self.dtype)
        array = jax.make_array_from_callback(
            self.shape, sharding, lambda index: self.file.part(self.name, index, self.verify)
        )
        return leaves.wrapped(self.name, array, self.form) if self.form else array
