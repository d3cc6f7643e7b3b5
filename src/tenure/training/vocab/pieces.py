"""SentencePiece models (Kudo and Richardson, 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tenure.training.errors import DataSetError
from tenure.training.literals import read_bytes
from tenure.training.vocab.words import Vocabulary

_MOST = 64  # segmentations that one is drawn of


class SentencePieces(Vocabulary):
    """Pieces of a SentencePiece model.

    Args:
      model_file: the model.
      add_bos, add_eos: whether sequences start and end with these labels.
      reverse: whether pieces come in reverse order.
      enable_sampling, alpha, nbest_size: draws one of several segmentations, as `sentencepiece` does; in data sets by a seed of the epoch and
        the sequence, from the 64 best ones if `nbest_size` is -1.
    """

    def __init__(
        self,
        model_file: str,
        *,
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
        enable_sampling: bool = False,
        alpha: float = 0.1,
        nbest_size: int = -1,
        **options: Any,
    ):
        try:
            import sentencepiece
        except ImportError:
            raise DataSetError(
                f"'{model_file}' needs the package sentencepiece", ways=["pip install 'tenure[translate]'"]
            ) from None
        self.model = sentencepiece.SentencePieceProcessor()
        try:
            self.model.LoadFromSerializedProto(read_bytes(model_file, "model_file"))
        except RuntimeError as error:
            raise DataSetError(f"model_file '{model_file}' is no SentencePiece model: {error}") from None
        labels = [self.model.IdToPiece(i) for i in range(self.model.GetPieceSize())]
        ids = {"unknown_label": self.model.unk_id(), "bos_label": self.model.bos_id(), "eos_label": self.model.eos_id()}
        ids["pad_label"] = self.model.pad_id()
        special: dict[str, Any] = {k: v for k, v in ids.items() if v >= 0}
        super().__init__(labels=labels, **special, **options)
        self.name = model_file
        self.add_bos, self.add_eos, self.reverse = add_bos, add_eos, reverse
        self.sampling: dict[str, Any] = {"enable_sampling": enable_sampling, "alpha": alpha, "nbest_size": nbest_size}

    def get_seq(self, text: str, seed: int | None = None) -> list[int]:
        found: list[Any] = self._pieces(text, seed)
        if self.reverse:
            found = found[::-1]
        start = [self._end("add_bos", self.bos_label_id)] if self.add_bos else []
        end = [self._end("add_eos", self.eos_label_id)] if self.add_eos else []
        return [*start, *found, *end, *self.seq_postfix]

    def _end(self, option: str, label: int | None) -> int:
        if label is None:
            raise DataSetError(f"{option}: the SentencePiece model '{self.name}' has no such label")
        return label

    def _pieces(self, text: str, seed: int | None) -> list[int]:
        """The pieces of a text; with sampling and a seed, one of the best segmentations, drawn by their probability to the power of alpha."""
        if seed is None or not self.sampling["enable_sampling"] or self.sampling["nbest_size"] in (0, 1):
            return self.model.encode(text, out_type=int, **self.sampling)
        count = self.sampling["nbest_size"] if self.sampling["nbest_size"] > 0 else _MOST
        try:
            found: list[list[int]] = self.model.nbest_encode(text, nbest_size=count, out_type=int) or [[]]
        except RuntimeError as error:
            raise DataSetError(
                f"the SentencePiece model '{self.name}' has no several segmentations to draw from: {error}",
                ways=["enable_sampling = False", "train the model with model_type=unigram"],
            ) from None
        scores = np.array([sum(map(self.model.GetScore, pieces)) for pieces in found]) * self.sampling["alpha"]
        weights = np.exp(scores - scores.max())
        chosen = np.random.RandomState(seed).choice(len(found), p=weights / weights.sum())
        return found[int(chosen)]

    def id_to_label(self, index: int) -> str:
        return self.labels[index] if index >= 0 else super().id_to_label(index)

    def get_seq_labels(self, indices: Iterable[int]) -> str:
        return " ".join(self.labels[int(index)] for index in indices)
