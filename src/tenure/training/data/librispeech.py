"""LibriSpeech as it is published: folders PART/SPEAKER/CHAPTER with audio and a file of transcriptions, or a zip file of each part.

Source: Panayotov et al. 2015, "Librispeech: an ASR corpus based on public domain audio books", https://www.openslr.org/12.
"""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.audio.features import Features
from tenure.training.audio.reading import read_audio
from tenure.training.data.base import DataSet, Item, Stream, seed_of
from tenure.training.data.filters import EpochFilter, random_subset
from tenure.training.data.order import Indices
from tenure.training.errors import DataSetError
from tenure.training.literals import read_member
from tenure.training.text import cleaner
from tenure.training.vocab import Vocabulary, vocabulary

_TRANSCRIPTIONS = re.compile(r"(?:.*/)?([^/]+)/(\d+)/(\d+)/\2-\3\.trans\.txt")
_LINE = re.compile(r"(\d+)-(\d+)-(\d+)(?:\s+(.*))?")


class Utterance(NamedTuple):
    """One sequence; they are in the order of these fields.

    Attributes:
      part: "train-clean-100", …
      speaker, chapter, number: as in its name.
      text: its transcription.
      folder: where its audio is, in `files`.
      files: a zip file or a folder.
    """

    part: str
    speaker: int
    chapter: int
    number: int
    text: str
    folder: str
    files: Any


class _Files:
    """A folder or a zip file: names, and the content of each."""

    def __init__(self, path: Path, prefix: str = ""):
        self.path, self._prefix, self._lock = path, prefix, threading.Lock()
        try:
            self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise DataSetError(f"LibriSpeechCorpus: '{path}' is no zip file, or a damaged one") from None

    def names(self) -> list[str]:
        """The names of files of transcriptions."""
        if self._zip is not None:
            return self._zip.namelist()
        return [p.relative_to(self.path).as_posix() for p in self.path.glob(f"{self._prefix}*/*/*/*.trans.txt")]

    def read(self, *names: str) -> tuple[bytes, str]:
        """The content of the first of these files that is there, and its name."""
        for name in names:
            try:
                if self._zip is None:
                    return (self.path / name).read_bytes(), name
                with self._lock:
                    return read_member(self._zip, name, f"'{self.path}'"), name
            except (KeyError, FileNotFoundError):
                continue
            except (OSError, RuntimeError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
                raise DataSetError(f"LibriSpeechCorpus: '{name}' of '{self.path}' cannot be read: {error}") from None
        raise DataSetError(f"LibriSpeechCorpus: '{self.path}' has no '{names[0]}'", ways=["use_ogg = True or False"])


@dataclass
class LibriSpeechCorpus(DataSet):
    """LibriSpeech: audio, and transcriptions as labels.

    Args:
      path: the folder with the parts, or with their zip files.
      prefix: which parts: all whose name begins so, such as "train" or "dev-clean".
      audio: options of features (`Features`); None leaves the audio out.
      orth_post_process: cleaning of the transcriptions.
      targets: options of a vocabulary; or of BPE as `bpe`, or of characters as `chars`. Without one there are no labels.
      use_zip: whether `path` has zip files.
      use_ogg: whether audio files are called "….flac.ogg".
      fixed_random_subset: so many sequences, or such a share of them, drawn once.
      epoch_wise_filter: {(first epoch, last epoch): {"max_mean_len": of transcriptions, "subdirs": parts}}.
      seq_tag_format: how tags are made of subdir, speaker, chapter and seq.
    """

    path: str = ""
    prefix: str = ""
    audio: Mapping[str, Any] | None = None
    orth_post_process: Any = None
    targets: Mapping[str, Any] | None = None
    chars: Mapping[str, Any] | None = None
    bpe: Mapping[str, Any] | None = None
    use_zip: bool = False
    use_ogg: bool = False
    fixed_random_subset: float | None = None
    epoch_wise_filter: Mapping[Any, Any] | None = None
    seq_tag_format: str = "%(subdir)s-%(speaker)i-%(chapter)i-%(seq)04i"

    def __post_init__(self) -> None:
        self.features = None if self.audio is None else Features.from_options(self.audio)
        self.vocab = self._vocabulary()
        self._clean = cleaner(self.orth_post_process)
        self._filter = EpochFilter.parse(self.epoch_wise_filter, more=("subdirs",))
        self.entries: list[Utterance] = sorted(
            (entry for files in self._files() for entry in _utterances(files, self.prefix)), key=lambda entry: entry[:4]
        )
        if not self.entries:
            raise DataSetError(
                f"LibriSpeechCorpus: '{self.path}' has no transcriptions of parts that begin with {self.prefix!r}",
                ways=["they are called PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt", "use_zip = True for zip files"],
            )
        if self.fixed_random_subset:
            self.entries = [self.entries[i] for i in random_subset(len(self.entries), self.fixed_random_subset, 42)]

    def _vocabulary(self) -> Vocabulary | None:
        given = [("targets", self.targets, {}), ("bpe", self.bpe, {"class": "BytePairEncoding"})]
        given.append(("chars", self.chars, {"class": "CharacterTargets"}))
        used = [(name, {**kind, **options}) for name, options, kind in given if options]
        if len(used) > 1:
            raise DataSetError(f"LibriSpeechCorpus: {' and '.join(name for name, _ in used)} are both given")
        return vocabulary(used[0][1]) if used else None

    def _files(self) -> list[_Files]:
        path = Path(self.path)
        if not path.is_dir():
            names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DataSetError(f"LibriSpeechCorpus: there is no folder '{self.path}'", near=nearest(path.name, names))
        if not self.use_zip:
            return [_Files(path, self.prefix)]
        found = sorted(path.glob(f"{self.prefix}*.zip"))
        if not found:
            raise DataSetError(
                f"LibriSpeechCorpus: '{self.path}' has no zip file '{self.prefix}*.zip'",
                near=[p.name for p in sorted(path.glob("*.zip"))],
                ways=["use_zip = False for folders"],
            )
        return [_Files(file) for file in found]

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        found: dict[str, Stream] = {}
        if self.features is not None:
            channels = (self.features.num_channels,) if self.features.num_channels else ()
            found["data"] = Stream(self.features.dim, shape=(None, *channels, self.features.dim))
        if self.vocab is not None:
            found["classes"] = Stream(self.vocab.num_labels, True, "int32", (None,), self.vocab.labels)
        found["raw"] = Stream(0, False, "string")
        return found

    def count(self) -> int:
        return len(self.entries)

    def tag(self, index: int) -> str:
        entry = self.entries[index]
        values = {"subdir": entry.part, "speaker": entry.speaker, "chapter": entry.chapter, "seq": entry.number}
        return self.seq_tag_format % values

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return np.array([len(entry.text) for entry in self.entries])

    def indices(self, epoch: int) -> Indices:
        found = super().indices(epoch)
        parts = self._filter.limits_of(epoch).get("subdirs")
        if parts:
            found = [index for index in found if self.entries[int(index)].part in parts]
            if not found:
                raise DataSetError(
                    f"LibriSpeechCorpus: epoch_wise_filter leaves no sequence in epoch {epoch}",
                    ways=[f"subdirs: {brief(list(parts))}"],
                )
        return self._filter.kept(epoch, found, lambda index: len(self.entries[index].text), halving=True)

    def load(self, index: int, epoch: int) -> Item:
        entry = self.entries[index]
        text = self._clean(entry.text)
        data: dict[str, np.ndarray] = {}
        if self.features is not None:
            data["data"] = self._audio(index, epoch)
        if self.vocab is not None:
            data["classes"] = np.array(self.vocab.get_seq(text, seed_of(epoch, index)), "int32")
        data["raw"] = np.array(text, dtype=object)
        return Item(self.tag(index), data, index)

    def _audio(self, index: int, epoch: int) -> np.ndarray:
        assert self.features is not None
        entry = self.entries[index]
        flac = f"{entry.folder}/{entry.speaker}-{entry.chapter}-{entry.number:04}.flac"
        content, name = entry.files.read(*((f"{flac}.ogg", flac) if self.use_ogg else (flac, f"{flac}.ogg")))
        where = f"{entry.files.path}:{name}"
        samples, rate = read_audio(content, where)
        return self.features.make(samples, rate, seed_of(epoch, index), where)


def _utterances(files: _Files, prefix: str) -> Iterator[Utterance]:
    for name in sorted(files.names()):
        found = _TRANSCRIPTIONS.fullmatch(name)
        if found is None or not found[1].startswith(prefix):
            continue
        try:
            text = files.read(name)[0].decode("utf-8")
        except UnicodeDecodeError:
            raise DataSetError(f"LibriSpeechCorpus: '{name}' of '{files.path}' is no text in UTF-8") from None
        for number, line in enumerate(text.splitlines(), 1):
            parts = _LINE.fullmatch(line.strip())
            if parts is None or parts.group(1, 2) != found.group(2, 3):
                raise DataSetError(
                    f"LibriSpeechCorpus: line {number} of '{name}' of '{files.path}' is {brief(line)}",
                    ways=["a line is SPEAKER-CHAPTER-NUMBER and the transcription"],
                )
            speaker, chapter, sequence = map(int, parts.group(1, 2, 3))
            folder = name.rpartition("/")[0]
            yield Utterance(found[1], speaker, chapter, sequence, parts[4] or "", folder, files)


__all__: Sequence[str] = ["LibriSpeechCorpus"]
