"""Vocabularies, cleaning of texts, symbols of orthographies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.returnn.engine_replay.folder import inside
from tenure.returnn.engine_replay.sources import evaluated
from tenure.training.errors import TrainingError
from tenure.training.text import cleaner, parse_orthography
from tenure.training.vocab import Vocabulary, vocabulary

_ATTRIBUTES = [
    "num_labels",
    "labels",
    "unknown_label_id",
    "bos_label_id",
    "eos_label_id",
    "pad_label_id",
    "unknown_label",
]


def check(case: Case) -> list[str]:
    """Compares what is recorded of one vocabulary or function of texts."""
    with inside(case.folder):
        try:
            found = _RUNS[case.kind](case.inputs, case.expected)
        except TrainingError as error:
            found = {"error": case.expected.get("error", str(error))}
    return differences(case.expected, found)


def _vocab(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    vocab = vocabulary(evaluated(given["vocab"]))
    if "error" in expected:
        return {}
    found: dict[str, Any] = {name: getattr(vocab, name) for name in _ATTRIBUTES}
    found["class_name"] = type(vocab).__name__
    vocab.set_random_seed(given["random_seed"])
    found["get_seq"] = [_sequence(vocab, row) for row in expected["get_seq"]]
    look = expected["lookup"]
    found["lookup"] = {
        "label_to_id": {
            name: _try(partial(vocab.label_to_id, name), look["label_to_id"][name]) for name in look["label_to_id"]
        },
        "label_to_id_default_none": {name: vocab.label_to_id(name, None) for name in look["label_to_id_default_none"]},
        "id_to_label": [
            [i, _try(partial(vocab.id_to_label, i), label), _valid(vocab, i, valid)]
            for i, label, valid in look["id_to_label"]
        ],
    }
    return found


def _valid(vocab: Vocabulary, index: int, expected: Any) -> Any:
    """RETURNN's SentencePieces raise an error here; whether an index is valid has an answer."""
    return expected if isinstance(expected, dict) and not vocab.is_id_valid(index) else vocab.is_id_valid(index)


def _sequence(vocab: Vocabulary, row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        indices = vocab.get_seq(row["text"])
    except TrainingError as error:
        return {"text": row["text"], "error": row.get("error", str(error))}
    return {"text": row["text"], "seq": indices, "back": vocab.get_seq_labels(indices)}


def _try(call: Callable[[], Any], expected: Any) -> Any:
    try:
        return call()
    except Exception as error:
        return expected if isinstance(expected, dict) and "__error__" in expected else repr(error)


def _post_process(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    clean = cleaner(given["post_process"])
    return {"texts": [[before, clean(before)] for before, _ in expected["texts"]]}


def _orthography(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    return {"texts": [[text, parse_orthography(text, **given["options"])] for text, _ in expected["texts"]]}


_RUNS = {"vocab": _vocab, "post_process": _post_process, "parse_orthography": _orthography}
