"""Reading, mapping and writing weights, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from tenure.checkpoints.choices import Choices
from tenure.checkpoints.leaves import check_width
from tenure.checkpoints.matching import Matching
from tenure.checkpoints.report import Notes
from tenure.checkpoints.save import ledger_of
from tenure.checkpoints.source import Held, Side
from tenure.convert import formats, names
from tenure.convert.errors import FileError, MapError, UnsupportedFileError, name_of, unwritable
from tenure.convert.files import check_path
from tenure.convert.ledger import ledger
from tenure.convert.mapping import apply
from tenure.convert.rules import Rules
from tenure.convert.weights import Weights
from tenure.core.errors import brief
from tenure.core.ledger.row import Row
from tenure.core.notation import paths
from tenure.core.trees import nest


def read(
    path: str | Path,
    format: str | None = None,
    *,
    allow_pickle: bool = False,
    max_bytes: int | None = None,
    group: str = "params",
) -> Weights:
    """The tensors of a file or folder, each read when it is asked for. No code in the file is run.

    Args:
      path: the file.
      format: its format's name; found by content and name if None.
      allow_pickle: whether to read pickles of Haiku's parameters, as data.
      max_bytes: how many bytes an archive may unpack to; 64 MiB and 100 times its size if None.
      group: of Tenure's own checkpoints: "params", "state" or "training".

    Raises:
      FileError: it is not there, damaged, or of a kind that is not read; the message names file and place.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.npz"
    >>> np.savez(path, w=np.ones((2, 3)))
    >>> weights = read(path)
    >>> weights.format, weights.shape("w"), weights["w"].sum().item()
    ('npz', (2, 3), 6.0)
    """
    check_path(path)
    found = formats.by_name(format) if format else formats.of_file(path)
    options = formats.keywords(found, {"allow_pickle": allow_pickle, "max_bytes": max_bytes, "group": group})
    if found.name == "safetensors" and Path(path).is_dir():
        index = Path(path) / found.module.INDEX
        path = index if index.exists() else Path(path) / "model.safetensors"
    return found.module.read(path, **options)


def load(
    path: str | Path, rules: Rules | Mapping[str, Any] | str | Path | None = None, plan: Any = None, **options: Any
) -> dict[str, dict[str, Any]]:
    """The params of a model, of a foreign file.

    Args:
      path: the file.
      rules: its names → ours, as tables or as a TOML file; None if they are the same.
      plan: the model's plan, or its ledger, which shapes and ties are compared with; None takes what the rules give.
      options: as in `read`.

    Raises:
      FileError, MapError, CheckpointError: what is wrong with the file, the rules, or with both for this model.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.npz"
    >>> np.savez(path, w=np.ones((2, 3), "float32"))
    >>> load(path, {"w | transpose": "linear/w"})["linear"]["w"].shape
    (3, 2)
    """
    rules = Rules.read(rules) if isinstance(rules, (str, Path)) else rules
    mapped = apply(read(path, **options), rules)
    return tree(mapped) if plan is None else into(mapped, plan)


def tree(weights: Weights) -> dict[str, dict[str, Any]]:
    """The owners among tensors whose names are paths, as params: `{module: {name: array}}`.

    Raises:
      CheckpointError: numbers of 64 bits, which JAX has with `jax_enable_x64` only.

    >>> from tenure.convert.weights import held
    >>> tree(Weights("memory", "", {"linear/b": held(np.zeros(2, "float32"))}))
    {'linear': {'b': Array([0., 0.], dtype=float32)}}
    """
    for path, tensor in weights.tensors.items():
        check_width(path, tensor.dtype)
    return nest({path: jnp.asarray(tensor.load()) for path, tensor in weights.tensors.items()})


def into(weights: Weights, plan: Any) -> dict[str, dict[str, Any]]:
    """The params of a model, of tensors whose names are paths.

    Ties in the file and in the model are compared as `tn.restore` does: what only a borrower has goes to the owner through
    the inverse view, what the model owns and the file ties is filled, and two different values for one owner are an error.
    Floats are cast to the model's dtype where that loses nothing.

    Args:
      weights: tensors by the model's paths.
      plan: the model's plan, or its ledger.

    Raises:
      CheckpointError, TieValueError, NoInverseError: what the file lacks or has too much, or has otherwise.

    >>> import tenure as tn
    >>> from tenure import nn
    >>> plan = tn.transform(lambda x: nn.Linear(2, name="head")(x)).plan(jnp.ones(3))
    >>> from tenure.convert.weights import held
    >>> half = {"head/w": held(np.ones((3, 2), "float16")), "head/b": held(np.zeros(2, "float16"))}
    >>> into(Weights("memory", "", half), plan)["head"]["b"].dtype
    dtype('float32')
    """
    model_ledger = ledger_of(plan)
    model = {r.path: r for r in model_ledger.rows if r.collection == "params"}
    weights = _addressed(weights, model)
    file_rows = {r.path: r for r in ledger(weights).rows}
    leaves = {path: Held(path, _widened(tensor.load(), model.get(path))) for path, tensor in weights.tensors.items()}
    matching = Matching(Side(file_rows, leaves), model, Choices(), Notes())
    owners = [path for path, row in model.items() if row.kind == "owned"]
    matching.run(owners)
    return nest({path: jnp.asarray(matching.found[path].read()) for path in owners})


def _addressed(weights: Weights, model: Mapping[str, Row]) -> Weights:
    """The tensors by the model's whole paths; method segments (`~`) may be left out where no two paths differ in nothing else."""
    whole: dict[str, list[str]] = {}
    for path in model:
        whole.setdefault(paths.plain(path), []).append(path)
    new = {n: whole[n][0] for n in weights if n not in model and len(whole.get(n, ())) == 1}

    def tie(text: str) -> str:
        kept, steps = names.parse(text)
        return " | ".join([new.get(kept, kept), *map(str, steps)])

    return Weights(
        weights.path,
        weights.format,
        {new.get(n, n): tensor for n, tensor in weights.tensors.items()},
        {new.get(n, n): tie(text) for n, text in weights.ties.items()},
        weights.about,
    )


def _widened(value: np.ndarray, row: Row | None) -> np.ndarray:
    """Floats in the model's dtype, where that loses nothing; a narrower dtype has to be asked for, by `cast`."""
    wanted = value.dtype if row is None else jnp.dtype(row.dtype)
    floats = jnp.issubdtype(value.dtype, np.floating) and jnp.issubdtype(wanted, np.floating)
    return value.astype(wanted) if floats and np.can_cast(value.dtype, wanted, "safe") else value


def write(path: str | Path, weights: Weights, format: str | None = None, *, force: bool = False) -> None:
    """A file of tensors, in the format that is asked for, or that its name asks for.

    Ties are written in the format's own way; where it has none, or has none through views, tied names are copies.

    Args:
      path: the file.
      weights: what to write.
      format: its name.
      force: whether an existing file, or checkpoint, gives way.

    Raises:
      FileError: the path exists, or the format cannot hold something.
      MapError: `weights` are none.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.safetensors"
    >>> from tenure.convert.weights import held
    >>> write(path, Weights("memory", "", {"w": held(np.ones(2))}, ties={"v": "w"}))
    >>> read(path).ties
    {'v': 'w'}
    """
    check_path(path)
    if not isinstance(weights, Weights):
        raise MapError(
            f"what is written are Weights, not {brief(weights, 80)}",
            ways=["tn.convert.read(path)", "Weights('memory', '', {name: held(array)})"],
        )
    found = formats.by_name(format) if format else formats.for_output(path)
    if not found.writes:
        raise UnsupportedFileError(
            f"'{name_of(path)}' can not be written: the format '{found.name}' is only read", ways=["write .npz"]
        )
    _make_way(found, Path(path), force)
    kept = {name: text for name, text in weights.ties.items() if _said(found, text)}
    copies = {name: weights[name] for name in copied(path, weights, found.name)}
    values = {**{name: _numbers(path, name, tensor.load()) for name, tensor in weights.tensors.items()}, **copies}
    options: dict[str, Any] = {"ties": kept} if found.ties else {}
    if found.about:
        options["about"] = _about(found, weights)
    found.module.write(path, values, **options)


def _numbers(path: str | Path, name: str, value: np.ndarray) -> np.ndarray:
    if value.dtype.hasobject or value.dtype.kind in "SUMm":
        raise unwritable(path, name, value.dtype)
    return value


def copied(path: str | Path, weights: Weights, format: str | None = None) -> tuple[str, ...]:
    """The tied names that `write` writes as copies, as the format cannot say their ties.

    Args:
      path: that is to be written.
      weights: what is to be written.
      format: instead of the one that the path says.

    >>> from tenure.convert.weights import held
    >>> weights = Weights("memory", "", {"w": held(np.ones(2))}, ties={"v": "w"})
    >>> copied("w.npz", weights), copied("w.safetensors", weights)
    (('v',), ())
    """
    found = formats.by_name(format) if format else formats.for_output(path)
    return tuple(n for n, text in weights.ties.items() if not _said(found, text) and not _by_absence(found, n))


def _make_way(found: formats.Format, path: Path, force: bool) -> None:
    existing = path.exists() or (found.name == "tensorflow" and Path(f"{found.module.prefix_of(path)}.index").exists())
    if existing and not force:
        raise FileError(f"'{name_of(path)}' exists already", ways=["--force", "write to another path"])
    if path.is_dir() and found.name not in ("tenure", "orbax"):
        raise FileError(f"'{name_of(path)}' is a folder", ways=["write to another path"])


def _said(found: formats.Format, text: str) -> bool:
    """Whether the format can say this tie; only Tenure's own knows views."""
    return found.ties and (found.name == "tenure" or not names.parse(text)[1])


def _by_absence(found: formats.Format, name: str) -> bool:
    """GGUF says that the output projection is the embedding by leaving it out."""
    return found.name == "gguf" and name == "output.weight"


def _about(found: formats.Format, weights: Weights) -> dict[str, Any]:
    """Facts that the format keeps, where they were its own."""
    if found.name == weights.format:
        return weights.about
    return {"format": "pt"} if found.name == "safetensors" else {}


__all__ = ["copied", "into", "load", "read", "tree", "write"]
