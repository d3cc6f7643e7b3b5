"""Words that are separated by white space."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.errors import DataSetError
from tenure.training.literals import read_lines, read_text, read_value

_SPECIAL = ("unknown_label", "bos_label", "eos_label", "pad_label")
_NAMED = ("control_symbols", "user_defined_symbols")
Label = str | int | None


class Vocabulary:
    """Labels with indices.

    Args:
      vocab_file: a dictionary {label: index} or a list as a literal or a pickle, or one label a line.
      labels: the labels instead, or a function that gives them.
      unknown_label: stands for every word that is no label; None refuses such words.
      bos_label, eos_label, pad_label: labels with a meaning, by name or index; -1 is none.
      control_symbols, user_defined_symbols: more such labels, by names of their own.
      seq_postfix: indices that are added at the end of every sequence.
      num_labels: how many there must be.
      special_symbols_via_file: a file with a dictionary of these options.
      single_whitespace_split: words are labels with one space between them; labels may have spaces too.

    >>> Vocabulary(labels=["a", "b", "UNK"]).get_seq("b x a")
    [1, 2, 0]
    """

    default_unknown: Label = "UNK"
    joint = " "

    @classmethod
    def create_vocab(cls, **options: Any) -> Vocabulary:
        """A vocabulary from its options, of any class; functions of configs call it by RETURNN's name.

        Args:
          **options: as of `tenure.training.vocab.vocabulary`.

        Raises:
          DataSetError: the class is not known, an option is none of it, or a file cannot be read.
        """
        kinds: list[type[Vocabulary]] = [Vocabulary, *Vocabulary.__subclasses__()]
        known = {kind.__name__: kind for kind in kinds}
        name = options.pop("class", "BytePairEncoding" if "bpe_file" in options else cls.__name__)
        if name not in known:
            raise DataSetError(
                f"vocabulary class {brief(name)} is not known", near=nearest(str(name), known), ways=[", ".join(known)]
            )
        try:
            return known[name](**options)
        except TypeError as error:
            raise DataSetError(f"{name}: {error}") from None

    def __init__(
        self,
        vocab_file: str | None = None,
        *,
        labels: Sequence[str] | Callable[[], Sequence[str]] | None = None,
        unknown_label: Any = ...,
        bos_label: Label = None,
        eos_label: Label = None,
        pad_label: Label = None,
        seq_postfix: Sequence[int] | None = None,
        num_labels: int | None = None,
        special_symbols_via_file: str | None = None,
        single_whitespace_split: bool = False,
        control_symbols: Mapping[str, Label] | None = None,
        user_defined_symbols: Mapping[str, Label] | None = None,
    ):
        self.name = vocab_file or "labels"
        self.ids, self.labels = _numbered(vocab_file, labels, self.name)
        self.num_labels = len(self.labels)
        if num_labels is not None and num_labels != self.num_labels:
            raise DataSetError(f"vocabulary '{self.name}' has {self.num_labels} labels, and num_labels is {num_labels}")
        given: dict[str, Any] = {}
        if special_symbols_via_file:
            given = dict(read_value(special_symbols_via_file, "special_symbols_via_file"))
        for key in given:
            if key not in (*_SPECIAL, *_NAMED):
                raise DataSetError(
                    f"special_symbols_via_file '{special_symbols_via_file}' has an unknown key {key!r}",
                    near=nearest(str(key), (*_SPECIAL, *_NAMED)),
                )
        said = {"bos_label": bos_label, "eos_label": eos_label, "pad_label": pad_label}
        given |= {key: value for key, value in said.items() if value is not None}
        given |= {} if unknown_label is ... else {"unknown_label": unknown_label}
        self.unknown_label_id = self._special("unknown_label", given.get("unknown_label", self.default_unknown))
        self.bos_label_id, self.eos_label_id, self.pad_label_id = (
            self._special(key, given.get(key)) for key in _SPECIAL[1:]
        )
        for key, more in zip(_NAMED, (control_symbols, user_defined_symbols), strict=True):
            for name, label in {**given.get(key, {}), **(more or {})}.items():
                self._special(f"{key} {name!r}", label)
        self.seq_postfix = list(seq_postfix or [])
        self._words = _labels_and_spaces(self.labels) if single_whitespace_split else None

    @property
    def unknown_label(self) -> str | None:
        """The label for words that are none."""
        return None if self.unknown_label_id is None else self.labels[self.unknown_label_id]

    def _special(self, key: str, label: Label) -> int | None:
        if label is None or label == -1:
            return None
        if isinstance(label, int):
            if not 0 <= label < self.num_labels:
                raise DataSetError(
                    f"vocabulary '{self.name}': {key} is {label}, and there are {self.num_labels} labels"
                )
            return label
        if label not in self.ids:
            raise DataSetError(
                f"vocabulary '{self.name}' has no label {label!r}, its {key}",
                near=nearest(label, self.labels[:5000]),
                ways=[f"{key}=None", f"name another {key}"],
            )
        return self.ids[label]

    def set_random_seed(self, seed: int) -> None:
        """Starts the random numbers anew, for vocabularies that sample."""

    def is_id_valid(self, index: int) -> bool:
        """Whether there is a label with this index."""
        return 0 <= index < self.num_labels

    def label_to_id(self, label: str, default: Any = ...) -> Any:
        """The index of a label.

        Raises:
          KeyError: there is none, and no default either.
        """
        if label in self.ids or default is ...:
            return self.ids[label]
        return default

    def id_to_label(self, index: int) -> str:
        """The label of an index.

        Raises:
          KeyError: there is none.
        """
        if not self.is_id_valid(index):
            raise KeyError(index)
        return self.labels[index]

    def get_seq(self, text: str, seed: int | None = None) -> list[int]:
        """The indices of a text.

        Args:
          text: to be made labels of.
          seed: of random numbers, for vocabularies that sample; None goes on with those since `set_random_seed`.

        Raises:
          DataSetError: a word is no label, and nothing stands for such words.
        """
        return [self._id(token) for token in self.tokens(text)] + self.seq_postfix

    def tokens(self, text: str) -> Iterable[str]:
        """The parts of a text that are to be labels."""
        return text.split() if self._words is None else self._words.findall(text)

    def _id(self, token: str) -> int:
        found = self.ids.get(token, self.unknown_label_id)
        if found is None:
            raise DataSetError(
                f"vocabulary '{self.name}' has no label {token!r}, and no unknown_label",
                near=nearest(token, self.labels[:5000]),
                ways=["name a label as unknown_label"],
            )
        return found

    def get_seq_labels(self, indices: Iterable[int]) -> str:
        """The text of indices."""
        return self.joint.join(self.labels[int(index)] for index in indices)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({brief(self.name)}, {self.num_labels} labels)"


def _labels_and_spaces(labels: Sequence[str]) -> re.Pattern[str]:
    """Finds a label, or else a word, with a space or the end behind it."""
    either = "|".join([*map(re.escape, labels), r"\S+"])
    return re.compile(f"({either})(?: |$)")


def _numbered(vocab_file: str | None, labels: Any, name: str) -> tuple[dict[str, int], list[str]]:
    """The index of each label, the last one of a label that is there more than once; and the labels by index."""
    if labels is None and not vocab_file:
        raise DataSetError("a vocabulary needs 'vocab_file' or 'labels'")
    found = _read(vocab_file) if labels is None else labels() if callable(labels) else labels  # type: ignore[arg-type]
    if not isinstance(found, Mapping):
        names = list(found)
        return {label: index for index, label in enumerate(names)}, names
    by_index = {found[label]: label for label in sorted(found, key=str)}
    if sorted(by_index) != list(range(len(by_index))):
        raise DataSetError(f"vocabulary '{name}': its indices are not 0 to {len(by_index) - 1}")
    return dict(found), [by_index[index] for index in range(len(by_index))]


def _read(vocab_file: str) -> Any:
    if vocab_file.removesuffix(".gz").endswith((".pkl", ".pickle")):
        return read_value(vocab_file, "vocab_file")
    text = read_text(vocab_file, "vocab_file")
    if text.lstrip().startswith(("{", "[")):
        try:
            return read_value(vocab_file, "vocab_file")
        except DataSetError:
            if text.lstrip().startswith("{"):
                raise
    return read_lines(vocab_file, "vocab_file")
