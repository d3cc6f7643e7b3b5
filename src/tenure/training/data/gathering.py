"""Streams from files: lines of text, audio, arrays; to be written as one data set."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.audio.features import Features
from tenure.training.audio.reading import read_audio
from tenure.training.data.base import DataSet, Stream
from tenure.training.data.hdf import HdfFile
from tenure.training.errors import DataSetError
from tenure.training.literals import read_bytes, read_lines, read_text
from tenure.training.vocab import Vocabulary, vocabulary

_VOCABULARIES = ("bytes", "words", "characters", "bpe:CODES:VOCAB", "sentencepiece:MODEL")
_AUDIO = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Gathered:
    """One stream of sequences.

    Attributes:
      stream: what it is.
      tags: the names of its sequences; None if they have none but their place.
      count: how many there are.
      load: gives the array of a sequence by its place.
      where: the file, for messages.
    """

    stream: Stream
    tags: list[str] | None
    count: int
    load: Callable[[int], np.ndarray]
    where: str


def text_stream(path: str, vocab: str | None, *, tagged: bool = False) -> Gathered:
    """The lines of a text file, each a sequence of labels.

    Args:
      path: of the file.
      vocab: see `vocabulary_of`; None for bytes.
      tagged: whether the first word of each line is the sequence's name.

    Raises:
      DataSetError: a file cannot be read, or a word is no label.
    """
    lines = _lines(path)
    tags = None
    if tagged:
        pairs = [line.split(None, 1) for line in lines]
        if not all(pairs):
            raise DataSetError(f"line {pairs.index([]) + 1} of '{path}' has no name of a sequence")
        tags, lines = [pair[0] for pair in pairs], [pair[1] if len(pair) > 1 else "" for pair in pairs]
        _check_different(tags, path)
    known = vocabulary_of(vocab or "bytes", lines)

    def load(index: int) -> np.ndarray:
        try:
            return np.array(known.get_seq(lines[index]), "int32")
        except DataSetError as error:
            raise DataSetError(f"line {index + 1} of '{path}': {error}") from None

    labels = [str(label) for label in known.labels]
    return Gathered(Stream(known.num_labels, True, "int32", (None,), labels), tags, len(lines), load, path)


def _lines(path: str) -> list[str]:
    """The lines of a text, of which only line feeds are ends: a file is as long as `wc -l` says."""
    lines = read_text(path, "text").removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def check_untagged(path: str, names: Sequence[str]) -> None:
    """Refuses a text whose lines begin with the names of other streams' sequences, and which would be joined by their places.

    Raises:
      DataSetError: all lines begin with a name, and some go on after it.
    """
    lines, known = [line.split(None, 1) for line in _lines(path)], set(names)
    if any(len(line) > 1 for line in lines) and all(line and line[0] in known for line in lines):
        raise DataSetError(
            f"each line of '{path}' begins with the name of a sequence, such as {brief(lines[0][0])}, which would be taken as text",
            ways=["--tagged: the first word of each line names the sequence"],
        )


def _check_different(tags: Sequence[str], path: str | Path) -> None:
    """Refuses two lines that name the same sequence."""
    if len(set(tags)) < len(tags):
        seen: dict[str, int] = {}
        for number, tag in enumerate(tags, 1):
            if seen.setdefault(tag, number) != number:
                raise DataSetError(f"line {number} of '{path}' names the sequence {tag!r}, as line {seen[tag]} does")


def vocabulary_of(name: str, lines: Sequence[str]) -> Vocabulary:
    """A vocabulary.

    Args:
      name: "bytes"; "words" or "characters": those of the text, the most frequent first; "bpe:CODES:VOCAB"; "sentencepiece:MODEL"; an HDF file,
        whose labels are taken ("FILE.hdf", or "FILE.hdf:STREAM"); or a file of labels.
      lines: of the text.

    Raises:
      DataSetError: a file cannot be read.

    >>> vocabulary_of("words", ["b a", "b"]).labels
    ['b', 'a', '<unk>']
    """
    kind, _, rest = name.partition(":")
    if name == "bytes":
        return vocabulary({"class": "Utf8ByteTargets"})
    if name == "words":
        words = Counter(word for line in lines for word in line.split())
        return vocabulary({"class": "Vocabulary", "labels": [*_ranked(words), "<unk>"], "unknown_label": "<unk>"})
    if name == "characters":
        characters = Counter(character for line in lines for character in line)
        return vocabulary({"class": "CharacterTargets", "labels": _ranked(characters), "unknown_label": None})
    if kind == "bpe" and rest:
        codes, _, labels = rest.partition(":")
        return vocabulary({"class": "BytePairEncoding", "bpe_file": codes, "vocab_file": labels, "unknown_label": None})
    if kind == "sentencepiece" and rest:
        return vocabulary({"class": "SentencePieces", "model_file": rest})
    file, _, key = name.partition(".hdf:")
    if key or name.endswith(".hdf"):
        return _of_hdf(f"{file}.hdf" if key else name, key)
    if not Path(name).exists():
        raise DataSetError(
            f"there is no vocabulary {name!r}, and no file of that name",
            near=nearest(name, _VOCABULARIES),
            ways=[f"{', '.join(_VOCABULARIES)}, FILE.hdf:STREAM, or a file of labels"],
        )
    return vocabulary({"class": "Vocabulary", "vocab_file": name, "unknown_label": None})


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda item: (-counts[item], item))


def _of_hdf(path: str, key: str) -> Vocabulary:
    streams = HdfFile(path).streams
    with_labels = [name for name, stream in streams.items() if stream.labels]
    name = key or (with_labels[-1] if with_labels else "")
    if name not in with_labels:
        raise DataSetError(f"HDF file '{path}' has no labels of a stream {name!r}", ways=with_labels)
    labels = list(streams[name].labels or ())
    kind = "CharacterTargets" if all(len(label) == 1 for label in labels) else "Vocabulary"
    unknown = "<unk>" if "<unk>" in labels else None
    return vocabulary({"class": kind, "labels": labels, "unknown_label": unknown})


def audio_stream(path: str, options: Mapping[str, Any]) -> Gathered:
    """Audio files as features.

    Args:
      path: of a folder, whose files are sequences with their names without the ending; or of a text file with a name and a file in each line.
      options: of features (`Features`).

    Raises:
      DataSetError: there are none.
    """
    features = Features.from_options(options)
    listed = list(_audio_files(Path(path)))
    if Path(path).is_file():
        _check_different([name for name, _ in listed], path)
    files: dict[str, Path] = {}
    for name, file in listed:
        if files.setdefault(name, file) != file:
            raise DataSetError(
                f"'{files[name]}' and '{file}' are both the sequence {name!r}", ways=["a list of names and files"]
            )
    if not files:
        raise DataSetError(f"'{path}' has no audio files", ways=[f"files that end in {', '.join(_AUDIO)}"])
    names = list(files)

    def load(index: int) -> np.ndarray:
        file = files[names[index]]
        samples, rate = read_audio(read_bytes(file, "audio file"), str(file))
        return features.make(samples, rate, index, str(file))

    return Gathered(Stream(features.dim, shape=(None, features.dim)), names, len(names), load, path)


def _audio_files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in _AUDIO:
                yield file.relative_to(path).with_suffix("").as_posix(), file
        return
    for number, line in enumerate(read_lines(path, "list of audio files"), 1):
        parts = line.split(None, 1)
        if len(parts) == 2:
            file = Path(parts[1].strip())
            yield parts[0], file if file.is_absolute() else path.parent / file
        elif parts:
            raise DataSetError(f"line {number} of '{path}' is {brief(line)}", ways=["a line is a name and a file"])


def array_stream(path: str) -> Gathered:
    """The arrays of an npz file, each a sequence, in natural order of their names.

    Raises:
      DataSetError: it cannot be read, or holds objects.
    """
    try:
        with Path(path).open("rb") as content:  # numpy would leave what is damaged open
            if content.read(4) == b"PK\3\4" and not zipfile.is_zipfile(content):
                raise DataSetError(f"'{path}' is a damaged npz file, or was cut off")
        file = np.load(path, allow_pickle=False)
    except DataSetError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataSetError(f"'{path}' is no npz file: {error}") from None
    if not hasattr(file, "files"):
        raise DataSetError(f"'{path}' holds a single array", ways=["np.savez(file, name1=array1, name2=array2)"])
    names = sorted(file.files, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])
    if not names:
        raise DataSetError(f"'{path}' has no arrays")

    def load(index: int) -> np.ndarray:
        try:
            return file[names[index]]
        except (ValueError, OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile) as error:
            raise DataSetError(f"the array {names[index]!r} of '{path}' cannot be read: {error}") from None

    first = load(0)
    stream = Stream.like(first, 0 if first.ndim <= 1 and first.dtype.kind in "iu" else None)
    return Gathered(stream, names, len(names), load, path)


def of_data_set(
    data: DataSet, epoch: int = 1
) -> tuple[dict[str, Stream], Iterator[tuple[str, Mapping[str, np.ndarray]]]]:
    """The streams of numbers of a data set, and its sequences."""
    streams = {key: s for key, s in data.streams.items() if s.dtype not in ("string", "object")}
    return streams, ((item.tag, item.data) for item in data.epoch(epoch))


def joined(streams: Mapping[str, Gathered]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The sequences of several streams: joined by their names where both have names, else by their places.

    Raises:
      DataSetError: a stream lacks a sequence, or they are not equally many.
    """
    leading = next(iter(streams.values()))
    named = next((g for g in streams.values() if g.tags is not None), None)
    tags = named.tags if named is not None and named.tags is not None else [f"seq-{i}" for i in range(leading.count)]
    places: dict[str, Mapping[str, int] | None] = {}
    for key, found in streams.items():
        places[key] = None if found.tags is None else {tag: place for place, tag in enumerate(found.tags)}
        if found.tags is None and found.count != len(tags):
            raise DataSetError(
                f"the stream {key!r} ('{found.where}') has {found.count} sequences, and the others have {len(tags)}"
            )
    for number, tag in enumerate(tags):
        data = {}
        for key, found in streams.items():
            known = places[key]
            if known is not None and tag not in known:
                raise DataSetError(
                    f"the stream {key!r} ('{found.where}') has no sequence {tag!r}",
                    near=nearest(tag, list(known)[:2000]),
                )
            data[key] = found.load(number if known is None else known[tag])
        yield tag, data
