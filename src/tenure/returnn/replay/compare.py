"""Recorded outputs against computed ones: dims, dtypes, and the entries that count."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenure.network.beams import merged
from tenure.network.dims import Dim
from tenure.network.tensor import Tensor
from tenure.returnn.replay.case import Case

STRICT, LOOSE = (1e-4, 1e-5), (1e-3, 1e-4)
# Classes after which the rounding of other orders of summation shows.
_LOOSE_CLASSES = frozenset(
    [
        "conv",
        "transposed_conv",
        "batch_norm",
        "stft",
        "istft",
        "mel_filterbank",
        "multichannel_stft_layer",
        "multichannel_multiresolution_stft_layer",
        "softmax_over_spatial",
        "self_attention",
    ]
)
_LONG = 20


def tolerance(classes: Sequence[str], steps: int = 0) -> tuple[float, float]:
    """Relative and absolute tolerance of the outputs of a network with layers of these classes.

    >>> tolerance(["linear"]), tolerance(["linear", "conv"]), tolerance(["rec"], steps=30)
    ((0.0001, 1e-05), (0.001, 0.0001), (0.001, 0.0001))
    """
    softmaxes = classes.count("softmax") > 1
    long = steps > _LONG and {"rec", "rnn_cell", "twod_lstm"} & set(classes)
    return LOOSE if _LOOSE_CLASSES & set(classes) or long or softmaxes else STRICT


def same_values(value: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> str:
    """What is different, or ""."""
    if value.shape != expected.shape:
        return f"shape {value.shape}, not {expected.shape}"
    if expected.dtype.kind in "fc":
        kind = np.complex128 if expected.dtype.kind == "c" else np.float64
        equal = np.isclose(value.astype(kind), expected.astype(kind), rtol=rtol, atol=atol, equal_nan=True)
    elif expected.dtype.kind == "O":
        return ""
    else:
        equal = value == expected
    if np.all(equal):
        return ""
    wrong = ~equal
    off = (
        np.abs(value[wrong].astype(np.float64) - expected[wrong].astype(np.float64))
        if expected.dtype.kind in "fiub"
        else [0]
    )
    return f"{int(wrong.sum())} of {wrong.size} entries differ, by {np.max(off):.3g} at most"


def compare_output(case: Case, entry: Mapping[str, Any], found: Tensor, scores: Tensor | None = None) -> str:
    """What is different between a recorded layer and what was computed, or "".

    Args:
      case: the case.
      entry: the recorded layer.
      found: what was computed.
      scores: of its hypotheses [beam, B], if it has several: of those with equal scores, either may come first.
    """
    template = entry["output"]
    if scores is not None and found.beam_dim is not None:
        return compare_hypotheses(case, entry, found, np.asarray(scores.data).T)
    found = merged(found)
    what = _compare_kind(case, template, found)
    if what:
        return what
    orders = list(_orders(case, template, found))
    if not orders:
        return f"dims {list(found.dims)} {found.shape}, not {_shown(case, template, entry)}"
    longest = max((int(np.max(case.lengths(s), initial=0)) for s in case.data["sizes"]), default=0)
    rtol, atol = tolerance(case.data.get("classes", [entry["class"]]), longest)
    tried = [_compare_array(case, entry, found, order, rtol, atol) for order in orders]
    return "" if "" in tried else tried[0]


def compare_hypotheses(case: Case, entry: Mapping[str, Any], found: Tensor, scores: np.ndarray) -> str:
    """The same for hypotheses of a search, without those of which scores do not say which comes first."""
    what = compare_output(case, entry, merged(found))
    ties = tied(scores)
    if not what or not ties.any():
        return what
    keep = ~ties.reshape(-1)
    whole = merged(found)
    batch, recorded = whole.batch_axis, entry["output"]["batch_dim_axis"]
    ref, lengths = entry["value"], dict(whole.lengths)
    if batch is None or recorded is None or "array" not in ref:
        return what
    expected = np.take(case.array(ref), np.flatnonzero(keep), axis=recorded)
    kept = np.take(np.asarray(whole.data), np.flatnonzero(keep), axis=batch)
    order = next(iter(_orders(case, {**entry["output"], "dims": _without_lengths(entry)}, whole)), None)
    if order is None:
        return what
    value = _cut(kept.transpose(order), expected.shape)
    if value is None:
        return what
    length = next((n for d, n in lengths.items() if not d.is_batch), None)
    mask = np.ones(expected.shape, bool)
    if length is not None and expected.ndim > 1:
        time = next(i for i, o in enumerate(order) if o != batch and whole.dims[o].is_dynamic)
        places = np.arange(expected.shape[time]).reshape([-1 if i == time else 1 for i in range(expected.ndim)])
        ends = np.asarray(length.data)[keep].reshape([-1 if i == recorded else 1 for i in range(expected.ndim)])
        mask = np.broadcast_to(places < ends, expected.shape)
    return same_values(value[mask], expected[mask], *STRICT)


def _without_lengths(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in d.items() if k not in ("seq_lens", "size")} for d in entry["output"]["dims"]]


def tied(scores: np.ndarray, apart: float = 1e-4) -> np.ndarray:
    """Which hypotheses [B, beam] have a score that another one nearly has, or may have that was dropped.

    >>> tied(np.array([[-1.0, -2.0, -2.00001, -3.0, -4.0]]))
    array([[False,  True,  True, False, False]])
    """
    near = np.abs(scores[:, :, None] - scores[:, None, :]) < apart
    return near.sum(-1) > 1


def _shown(case: Case, template: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    names = [case.data["out_dims"].get(d["dim"], {}).get("name", d["dim"]) for d in template["dims"]]
    return f"{names} {tuple(entry['value']['shape'])}"


_SAME_DTYPE = {"int64": "int32", "float64": "float32", "string": "int32"}


def _compare_kind(case: Case, template: Mapping[str, Any], found: Tensor) -> str:
    dtype = _SAME_DTYPE.get(template["dtype"], template["dtype"])
    if _SAME_DTYPE.get(str(found.dtype), str(found.dtype)) != dtype:
        return f"dtype {found.dtype}, not {template['dtype']}"
    if bool(template["sparse"]) != found.sparse:
        return f"{'sparse' if found.sparse else 'dense'}, not {'sparse' if template['sparse'] else 'dense'}"
    sparse = template.get("sparse_dim")
    if sparse and found.sparse_dim is not None and sparse.get("size") != found.sparse_dim.root.size:
        return f"indices into {found.sparse_dim.root.size}, not {sparse.get('size')}"
    if len(template["dims"]) != found.ndim:
        return f"{found.ndim} axes {list(found.dims)}, not {len(template['dims'])}: {[d['kind'] for d in template['dims']]}"
    return ""


def _orders(case: Case, template: Mapping[str, Any], found: Tensor) -> Any:
    """Orders of the found axes that put the recorded dims into their places; the order as it is first."""
    fits = [[i for i in range(found.ndim) if _fits(case, axis, found, i)] for axis in template["dims"]]
    for count, order in enumerate(itertools.product(*fits)):
        if len(set(order)) == found.ndim:
            yield order
        if count > 500:
            return


def _fits(case: Case, axis: Mapping[str, Any], found: Tensor, i: int) -> bool:
    dim = found.dims[i]
    if (axis["kind"] == "batch") != dim.is_batch:
        return False
    if axis.get("size") is not None:
        return found.shape[i] == axis["size"]
    linked = case.data["out_dims"].get(axis["dim"], {}).get("user_dims") or []
    if any(case.dims[d] == dim for d in linked if d in case.dims):
        return True
    return _same_lengths(case, axis, found, dim)


def _same_lengths(case: Case, axis: Mapping[str, Any], found: Tensor, dim: Dim) -> bool:
    recorded = axis.get("seq_lens")
    if recorded is None or recorded not in case.data["sizes"]:
        return True
    lengths = found.lengths.get(dim)
    if lengths is None:
        lengths = next((n for d, n in found.lengths.items() if d == dim), None)
    if lengths is None:
        return dim.is_batch or bool(np.all(case.lengths(recorded) == found.shape[found.dims.index(dim)]))
    values, expected = np.asarray(lengths.data), case.lengths(recorded)
    return values.size == expected.size and bool(np.all(np.sort(values.ravel()) == np.sort(expected.ravel())))


def _compare_array(
    case: Case, entry: Mapping[str, Any], found: Tensor, order: Sequence[int], rtol: float, atol: float
) -> str:
    ref = entry["value"]
    value = np.asarray(found.data).transpose(order)
    if list(value.shape) != list(ref["shape"]):
        cut = _cut(value, ref["shape"])
        if cut is None:
            return f"shape {tuple(found.shape[i] for i in order)}, not {tuple(ref['shape'])}"
        value = cut
    mask = valid(case, entry["output"], value.shape)
    if "sample" in ref:
        value, mask = value.reshape(-1)[:: ref["stride"]], mask.reshape(-1)[:: ref["stride"]]
    expected = case.array(ref)
    if expected.dtype == object:
        return ""
    return same_values(value[mask], expected[mask], rtol, atol)


def _cut(value: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    """Padding beyond the longest sequence is nobody's business."""
    if any(have < want for have, want in zip(value.shape, shape, strict=True)):
        return None
    return value[tuple(slice(0, n) for n in shape)]


def valid(case: Case, template: Mapping[str, Any], shape: Sequence[int]) -> np.ndarray:
    """Which entries of a recorded value are defined: those before the lengths of their axes."""
    mask = np.ones(tuple(shape), bool)
    dims = template["dims"]
    names = ["batch" if i == template["batch_dim_axis"] else d.get("dim") for i, d in enumerate(dims)]
    for axis, dim in enumerate(dims):
        if dim.get("seq_lens") not in case.data["sizes"]:
            continue
        lengths = case.lengths(dim["seq_lens"])
        over = (dim.get("size_dims") or ["batch"])[: lengths.ndim]
        places = [names.index(n) if n in names else None for n in over]
        if None in places or any(lengths.shape[i] != shape[p] for i, p in enumerate(places)):  # type: ignore[index]
            continue
        order = np.argsort(places)  # type: ignore[arg-type]
        full = [1] * len(dims)
        for i in order:
            full[places[i]] = lengths.shape[i]
        positions = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(dims))])
        mask &= positions < lengths.transpose(order).reshape(full)
    return mask
