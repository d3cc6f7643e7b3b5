"""SentencePiece models (Kudo and Richardson, 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tenure.training.errors import DataSetError
from tenure.training.literals import read_bytes
from tenure.training.vocab.words import Vocabulary


class SentencePieces(Vocabulary):
    """Pieces of a SentencePiece model.

    Args:
      model_file: the model.
      add_bos, add_eos: whether sequences start and end with these labels.
      reverse: whether pieces come in reverse order.
      enable_sampling, alpha, nbest_size: draws one of several segmentations, as `sentencepiece` does.
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

    def get_seq(self, text: str) -> list[int]:
        found = self.model.encode(text, out_type=int, **self.sampling)
        if self.reverse:
            found = found[::-1]
        start = [self.bos_label_id] if self.add_bos else []
        end = [self.eos_label_id] if self.add_eos else []
        return [*start, *found, *end, *self.seq_postfix]

    def id_to_label(self, index: int) -> str:
        return self.labels[index] if index >= 0 else super().id_to_label(index)

    def get_seq_labels(self, indices: Iterable[int]) -> str:
        return " ".join(self.labels[int(index)] for index in indices)
