"""Texts to model, and texts to translate."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Item, Stream, seed_of
from tenure.training.errors import DataSetError
from tenure.training.literals import read_bytes, read_lines, read_text, read_value
from tenure.training.text import cleaner, parse_orthography, symbols_of
from tenure.training.vocab import Vocabulary, vocabulary


def read_corpus(path: str, *, skip_empty: bool = True) -> list[str]:
    """The sentences of a text file, one a line, or of a corpus in XML, one a segment.

    Args:
      path: of the file.
      skip_empty: empty lines are left out, as are empty segments in any case.

    Raises:
      DataSetError: the file is missing or cannot be read.
    """
    text = read_text(path, "corpus_file")
    if not text.lstrip().startswith("<?xml"):
        return [line for line in text.splitlines() if line.strip() or not skip_empty]
    try:
        root = ElementTree.fromstring(read_bytes(path, "corpus_file"))
    except ElementTree.ParseError as error:
        raise DataSetError(f"corpus_file '{path}' is no XML: {error}") from None
    found = [" ".join((orth.text or "").split()) for orth in root.iter("orth")]
    return [line for line in found if line]


def smallest_dtype(labels: int) -> str:
    """The type of arrays of label indices that RETURNN's data set of texts has.

    >>> smallest_dtype(100), smallest_dtype(256), smallest_dtype(5000)
    ('int8', 'uint8', 'int16')
    """
    for dtype in ("int8", "uint8", "int16", "uint16"):
        if labels <= np.iinfo(dtype).max + 1:
            return dtype
    return "int32"


@dataclass
class LmDataset(DataSet):
    """Sentences as symbols: words or characters by a list of them, or what a vocabulary makes of them.

    Args:
      corpus_file: of sentences, or several files; a function that gives the name, too.
      orth_symbols_file: one symbol a line.
      orth_symbols_map_file: {symbol: index}.
      orth_vocab: options of a vocabulary, instead of symbols.
      word_based: symbols are words, not characters.
      orth_replace_map_file: {symbol: text} in JSON; the text's symbols are put in the symbol's place.
      orth_post_process: cleaning of sentences.
      auto_replace_unknown_symbol: unknown symbols become `unknown_symbol`; else they are an error.
      seq_end_symbol: is added; None adds nothing.
      parse_orth_opts: options of `parse_orthography`.
      word_end_symbol: a character symbol after each word, instead of spaces.
      add_delayed_seq_data: adds the stream "delayed", which begins with `delayed_seq_data_start_symbol`.
      dtype: of the arrays.
    """

    corpus_file: Any = None
    orth_symbols_file: Any = None
    orth_symbols_map_file: Any = None
    orth_vocab: Any = None
    word_based: bool = False
    orth_replace_map_file: Any = None
    orth_post_process: Any = None
    auto_replace_unknown_symbol: bool = False
    unknown_symbol: str = "[UNKNOWN]"
    seq_end_symbol: str | None = "[END]"
    parse_orth_opts: Mapping[str, Any] | None = None
    word_end_symbol: str | None = None
    add_delayed_seq_data: bool = False
    delayed_seq_data_start_symbol: str = "[START]"
    error_on_invalid_seq: bool = True
    dtype: str | None = None
    skip_empty_lines: bool = True
    log_skipped_seqs: Any = None
    log_auto_replace_unknown_symbols: Any = None
    log_invalid_seqs: Any = None

    def __post_init__(self) -> None:
        files = _called(self.corpus_file)
        self._files = [_called(f) for f in ([files] if isinstance(files, str) else files or ())]
        self.lines = [line for f in self._files for line in read_corpus(f, skip_empty=self.skip_empty_lines)]
        if not self.lines:
            raise DataSetError(f"LmDataset: corpus_file {brief(files)} has no sentences")
        self.vocab: Vocabulary | None = None if self.orth_vocab is None else vocabulary(_called(self.orth_vocab))
        self.symbols = self._symbols()
        replaced = read_value(_called(self.orth_replace_map_file)) if self.orth_replace_map_file else {}
        self._replace = {old: symbols_of(new, self.word_based) for old, new in replaced.items()}
        if self._space is not None:
            self._replace[" "] = [self._space]
        self._clean = cleaner(self.orth_post_process)
        for name in self.parse_orth_opts or ():
            if name not in (parse_orthography.__kwdefaults__ or {}):
                raise DataSetError(
                    f"LmDataset: parse_orth_opts has no option {name!r}",
                    near=nearest(name, parse_orthography.__kwdefaults__ or {}),
                )
        if self.vocab is None and self.auto_replace_unknown_symbol:
            self._index(self.unknown_symbol)

    def _symbols(self) -> dict[str, int]:
        if self.vocab is not None:
            return self.vocab.ids
        if self.orth_symbols_file is not None:
            names = [line for line in read_lines(_called(self.orth_symbols_file), "orth_symbols_file") if line]
            return {name: index for index, name in reversed(list(enumerate(names)))}
        if self.orth_symbols_map_file is not None:
            return _numbered_symbols(_called(self.orth_symbols_map_file))
        raise DataSetError(
            "LmDataset needs symbols", ways=["orth_symbols_file", "orth_symbols_map_file", "orth_vocab = {'class': …}"]
        )

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        labels = self.vocab.labels if self.vocab else sorted(self.symbols, key=self.symbols.__getitem__)
        count = len(labels) if self.vocab else max(self.symbols.values()) + 1
        stream = Stream(count, True, self.dtype or smallest_dtype(count), (None,), labels)
        return {"delayed": stream, "data": stream} if self.add_delayed_seq_data else {"data": stream}

    @property
    def target_streams(self) -> list[str]:
        return ["data"]

    def count(self) -> int:
        return len(self.lines)

    def tag(self, index: int) -> str:
        return f"line-{index}"

    @property
    def knows_lengths(self) -> bool:
        return self.vocab is None  # a vocabulary may draw one of several ways to cut a sentence into pieces

    @property
    def guesses_lengths(self) -> bool:
        return True

    @property
    def files_read(self) -> Sequence[str]:
        return self._files

    def measure(self, index: int, epoch: int) -> Frames:
        if self.vocab is not None:
            return super().measure(index, epoch)
        return Frames(dict.fromkeys(self.streams, len(self._sequence(self.lines[index], 0))))

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return np.array([len(line.encode("utf-8")) for line in self.lines])

    def load(self, index: int, epoch: int) -> Item:
        stream = self.streams["data"]
        seq = self._sequence(self.lines[index], seed_of(epoch, index))
        data = {"data": np.array(seq, stream.dtype)}
        if self.add_delayed_seq_data:
            start = self._index(self.delayed_seq_data_start_symbol)
            data["delayed"] = np.array([start, *seq[:-1]], stream.dtype)
        return Item(self.tag(index), data, index)

    def _sequence(self, line: str, seed: int) -> list[int]:
        line = self._clean(line.strip())
        if self.vocab is not None:
            return self.vocab.get_seq(line, seed)
        symbols = parse_orthography(line, **self._parsing)
        space = self._space or " "
        symbols = [s for symbol in symbols for s in self._replace.get(symbol, [symbol])]
        symbols = [s for i, s in enumerate(symbols) if not (s == space and symbols[i - 1 : i] == [space])]
        return [self._index(symbol) for symbol in symbols]

    @property
    def _space(self) -> str | None:
        """The symbol that ends words, where symbols are characters."""
        return None if self.word_based else self.word_end_symbol or None

    @cached_property
    def _parsing(self) -> dict[str, Any]:
        ends = [symbol for symbol in (self._space, self.seq_end_symbol) if symbol is not None]
        return {"word_based": self.word_based, "postfix": ends, **(self.parse_orth_opts or {})}

    def _index(self, symbol: str) -> int:
        found = self.symbols.get(symbol)
        if found is None and self.auto_replace_unknown_symbol and symbol != self.unknown_symbol:
            found = self.symbols.get(self.unknown_symbol)
        if found is None:
            raise DataSetError(
                f"LmDataset: {symbol!r} is no symbol",
                near=nearest(symbol, list(self.symbols)[:5000]),
                ways=["auto_replace_unknown_symbol = True", "add it to the symbols"],
            )
        return found


def _numbered_symbols(path: str) -> dict[str, int]:
    """Symbols of a dictionary, or of lines "symbol index"."""
    lines = [] if path.endswith((".pkl", ".pickle")) else read_text(path, "orth_symbols_map_file").splitlines()
    pairs = [line.split(None, 1) for line in lines]
    if pairs and all(len(pair) == 2 and pair[1].strip().isdigit() for pair in pairs):
        return {symbol: int(index) for symbol, index in pairs}
    return dict(read_value(path, "orth_symbols_map_file"))


def _called(value: Any) -> Any:
    return value() if isinstance(value, Callable) else value  # type: ignore[arg-type]


@dataclass
class TranslationDataset(DataSet):
    """Sentences in two languages: the files `source.POSTFIX`, `target.POSTFIX` and `source.vocab.pkl`, `target.vocab.pkl` of a folder,
    each perhaps with `.gz`.

    Args:
      path: of the folder.
      file_postfix: of the files.
      source_postfix, target_postfix: text that is added to each sentence.
      unknown_label: stands for unknown words; by side as a dictionary; None refuses them.
      source_only, search_without_reference: leaves the targets out.
    """

    path: str = ""
    file_postfix: str = ""
    source_postfix: str = ""
    target_postfix: str = ""
    unknown_label: Any = None
    source_only: bool = False
    search_without_reference: bool = False

    def __post_init__(self) -> None:
        sides = ("source",) if self.source_only or self.search_without_reference else ("source", "target")
        self._postfix = {"source": self.source_postfix, "target": self.target_postfix}
        self.lines = {side: read_text(self._file(f"{side}.{self.file_postfix}"), side).splitlines() for side in sides}
        self.ids: dict[str, dict[str, int]] = {
            side: self._vocabulary(side) for side in ("source", "target")[: 1 if self.source_only else 2]
        }
        counts = {side: len(lines) for side, lines in self.lines.items()}
        if len(set(counts.values())) > 1:
            raise DataSetError(
                f"TranslationDataset '{self.path}': source and target do not have equally many lines: {counts}"
            )

    def _file(self, name: str) -> str:
        for candidate in (name, f"{name}.gz"):
            if Path(self.path, candidate).exists():
                return str(Path(self.path, candidate))
        names = [p.name for p in Path(self.path).iterdir()] if Path(self.path).is_dir() else []
        raise DataSetError(
            f"TranslationDataset: '{self.path}' has no file '{name}' or '{name}.gz'", near=nearest(name, names)
        )

    def _vocabulary(self, side: str) -> dict[str, int]:
        found = read_value(self._file(f"{side}.vocab.pkl"), f"{side} vocabulary")
        if not isinstance(found, Mapping):
            raise DataSetError(f"TranslationDataset: the {side} vocabulary is no dictionary of labels")
        label = self._unknown(side)
        if label is not None and label not in found:
            raise DataSetError(
                f"TranslationDataset: the {side} vocabulary has no unknown_label {label!r}", near=nearest(label, found)
            )
        return dict(found)

    def _unknown(self, side: str) -> str | None:
        return self.unknown_label.get(side) if isinstance(self.unknown_label, Mapping) else self.unknown_label

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        keys = {"classes": "target", "data": "source"}
        return {key: self._stream(side) for key, side in keys.items() if side in self.lines}

    def _stream(self, side: str) -> Stream:
        ids = self.ids[side]
        return Stream(len(ids), True, "int32", (None,), sorted(ids, key=ids.__getitem__))

    def count(self) -> int:
        return len(self.lines["source"])

    def tag(self, index: int) -> str:
        return f"line-{index}"

    @property
    def knows_lengths(self) -> bool:
        return True

    @property
    def files_read(self) -> Sequence[str]:
        return [self._file(f"{side}.{end}") for side in self.lines for end in (self.file_postfix, "vocab.pkl")]

    def measure(self, index: int, epoch: int) -> Frames:
        return Frames({key: len(self._words(side, index)) for key, side in self._given()})

    def _given(self) -> list[tuple[str, str]]:
        return [(key, side) for key, side in (("data", "source"), ("classes", "target")) if side in self.lines]

    def _words(self, side: str, index: int) -> list[str]:
        return (self.lines[side][index] + self._postfix[side]).split()

    def load(self, index: int, epoch: int) -> Item:
        data = {}
        for key, side in self._given():
            data[key] = np.array([self._index(side, word, index) for word in self._words(side, index)], "int32")
        return Item(self.tag(index), data, index)

    def _index(self, side: str, word: str, index: int) -> int:
        ids, unknown = self.ids[side], self._unknown(side)
        found = ids.get(word, None if unknown is None else ids[unknown])
        if found is None:
            raise DataSetError(
                f"TranslationDataset: line {index} of the {side} has {word!r}, which is not in its vocabulary",
                ways=["unknown_label = '<UNK>'"],
            )
        return found
