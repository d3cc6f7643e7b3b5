"""Data sets by the names and options that configs use."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.data.base import DataSet
from tenure.training.data.order import Order
from tenure.training.data.source import is_source
from tenure.training.errors import DataSetError
from tenure.training.literals import read_lines, read_value

Make = Callable[[Mapping[str, Any]], DataSet]
_ORDER = {
    "seq_ordering": "method",
    "partition_epoch": "partition_epoch",
    "repeat_epoch": "repeat_epoch",
    "fixed_random_seed": "fixed_random_seed",
    "random_seed_offset": "random_seed_offset",
    "unique_seq_tags": "unique_tags",
    "_num_shards": "shards",
    "_shard_index": "shard",
}
BATCHING = ("chunking", "min_chunk_size", "chunking_variance", "context_window", "shuffle_frames_of_nseqs")
_NOTHING = ("estimated_num_seqs", "cache_byte_size", "use_cache_manager", "min_chunk_size", "name", "num_workers")
_REFUSED = {
    "ExternSprintDataset": ["dump the features and alignments that RASR gives to HDF once, and use HDFDataset"],
    "SprintDatasetBase": ["dump the features and alignments that RASR gives to HDF once, and use HDFDataset"],
    "SprintCacheDataset": ["convert the cache to HDF, and use HDFDataset"],
    "ChunkShuffleDataset": ["use 'chunking' with 'batching': 'random'"],
}
CLASSES: dict[str, Make] = {}


def register(*names: str) -> Callable[[Make], Make]:
    """Says which function makes data sets of a class name."""

    def take(make: Make) -> Make:
        CLASSES.update(dict.fromkeys(names, make))
        return make

    return take


def opened(options: Any, **defaults: Any) -> DataSet:
    """A data set from its options, of a class that is registered: `classes.dataset` is the same, and knows all classes.

    Args:
      options: a dictionary with "class", the text of one, names of HDF files with commas between, a data set already, or a source:
        an object with len(…) and [i].
      **defaults: options that hold where `options` says nothing.

    Raises:
      DataSetError: the class is not known or cannot be had, an option is none of it, or its files cannot be read.
    """
    if isinstance(options, DataSet):
        return options
    if isinstance(options, str):
        options = _literal(options)
    if callable(options) and not is_source(options):
        options = options()
    if isinstance(options, DataSet):
        return options
    if is_source(options):
        options = {"class": "SourceDataset", "source": options}
    if not isinstance(options, Mapping) or "class" not in options:
        raise DataSetError(
            f"a data set is a dictionary with 'class', not {brief(options)}",
            ways=["{'class': 'HDFDataset', 'files': […]}", "an object with len(…) and [i], which gives dictionaries"],
        )
    name = options["class"]
    check_class(name)
    return CLASSES[name]({**defaults, **{k: v for k, v in options.items() if k != "class"}})


def check_class(name: Any) -> None:
    """Looks at the class of a data set.

    Raises:
      DataSetError: it is not known, or cannot be had.
    """
    known = isinstance(name, str)
    if known and name in _REFUSED:
        raise DataSetError(f"the data set class {name!r} cannot be had here", ways=_REFUSED[name])
    if not known or name not in CLASSES:
        raise DataSetError(
            f"the data set class {brief(name)} is not known",
            near=nearest(str(name), CLASSES),
            ways=[
                "an object with len(…) and [i] in the place of the dictionary: a list, a Hugging Face dataset, a grain source"
            ],
        )


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        pass
    name, colon, rest = text.partition(":")
    if not colon and name not in CLASSES and all(Path(file).suffix for file in name.split(",") if file):
        return {"class": "HDFDataset", "files": [file for file in name.split(",") if file]}
    if name in ("sprint", "config"):
        what = "what RASR gives" if name == "sprint" else "a data set of the config"
        raise DataSetError(
            f"the data set {brief(text)} is {what}, which cannot be had here",
            ways=_REFUSED["ExternSprintDataset"] if name == "sprint" else ["the options themselves"],
        )
    found: dict[str, Any] = {"class": name.strip()}
    for part in rest.split(",") if rest.strip() else ():
        key, equal, value = part.partition("=")
        if not equal:
            raise DataSetError(f"a data set as text is 'Class:key=value,key=value', not {brief(text)}")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (SyntaxError, ValueError):
            found[key.strip()] = value.strip()
    return found


def split_options(options: Mapping[str, Any]) -> tuple[Order, dict[str, Any]]:
    """The order that options say, and what is left of them for the class itself."""
    rest = {
        key: value
        for key, value in options.items()
        if key not in _ORDER and key not in BATCHING and key not in _NOTHING
    }
    order = {attribute: options[key] for key, attribute in _ORDER.items() if options.get(key) is not None}
    filter_file = rest.pop("seq_list_filter_file", None)
    if filter_file is not None:
        order["tags"] = frozenset(read_lines(filter_file, "seq_list_filter_file"))
    lengths_file = rest.pop("seq_order_seq_lens_file", None)
    if lengths_file is not None:
        order["lengths_by_tag"] = read_value(lengths_file, "seq_order_seq_lens_file")
        if not isinstance(order["lengths_by_tag"], Mapping):
            raise DataSetError(
                f"seq_order_seq_lens_file '{lengths_file}' is no dictionary", ways=["{'tag': length, …}"]
            )
    if rest.get("window") == 1:  # many configs say so, and of every data set
        del rest["window"]
    return Order(**order), rest


def construct(cls: type[DataSet], options: Mapping[str, Any], name: str) -> DataSet:
    """A data set of a class with these options.

    Raises:
      DataSetError: an option is none of the class.
    """
    order, rest = split_options(options)
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    for key in rest:
        if key not in known:
            raise DataSetError(
                f"{name} has no option {key!r}",
                near=nearest(key, [*known, *_ORDER, *BATCHING, "seq_list_filter_file", "seq_order_seq_lens_file"]),
            )
    return cls(order=order, **rest)
