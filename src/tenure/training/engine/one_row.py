"""Whether the frames of all sequences of a batch share one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tenure.network.graph import Flags
from tenure.training.engine.streams import alike
from tenure.training.errors import BatchError

_BY_ROWS = {"batch_median_pooling", "hdf_dump", "triplet_loss"}  # layers and a loss that see the rows of a batch
_OF_ROWS = ("packed_batch_size", "context_window")  # keys that are about rows with a sequence each


def in_one_row(config: Mapping[str, Any], network: Any, flags: Flags, keys: Mapping[str, bool]) -> bool:
    """Whether the frames of all sequences share one row, because every frame is by itself.

    In RETURNN they do where neither a layer nor a loss is recurrent. Here they do not where that would mix up what belongs to each sequence:
    streams that have a value for each sequence, or lengths of their own, and layers that see the rows of a batch.

    Args:
      config: key → value; `recurrent_net` decides where it is set.
      network: what is fed.
      flags: what it is built for.
      keys: the streams of which it computes something, with whether they have lengths.

    Raises:
      BatchError: `recurrent_net` is False, and a stream has one value for each sequence.
    """
    asked, without_time = config.get("recurrent_net"), [key for key, timed in keys.items() if not timed]
    if asked is not None:
        if not asked and without_time:
            raise BatchError(
                "recurrent_net is False, which puts the frames of all sequences into one row, and the stream "
                f"{without_time[0]!r} has one value for each sequence",
                ways=["recurrent_net = True  keeps sequences apart"],
            )
        return not asked
    if without_time or any(map(config.get, _OF_ROWS)) or isinstance(config.get("buckets"), list | tuple):
        return False
    nodes = network.graph(flags).nodes.values()
    if any(node.class_name in _BY_ROWS or node.get("loss") in _BY_ROWS for node in nodes):
        return False
    return _have_one_length(network, keys) and not network.recurrent(flags)


def _have_one_length(network: Any, keys: Iterable[str]) -> bool:
    """Whether these streams are known to be as long as each other in every sequence; False if there are none."""
    wanted, reached = set(keys), set(list(keys)[:1])
    pairs = [{a, b} for a, b, _ in alike(network, keys)]
    for _ in wanted:
        reached |= {key for pair in pairs if pair & reached for key in pair}
    return bool(wanted) and reached == wanted
