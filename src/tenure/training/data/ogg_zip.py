"""Archives of audio and texts: a zip file with a list of sequences and the audio of each."""

from __future__ import annotations

import ast
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.audio.features import Features
from tenure.training.audio.reading import read_audio
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Item, Stream, seed_of
from tenure.training.data.filters import EpochFilter, random_subset
from tenure.training.data.order import Indices
from tenure.training.errors import DataSetError
from tenure.training.literals import NO_LITERAL, read_lines, read_member
from tenure.training.text import cleaner
from tenure.training.vocab import Vocabulary, vocabulary


class Archive:
    """One zip file, or a folder: `NAME.txt` with a list of {"text", "file", "duration", "seq_name"}, and the audio under `NAME/`."""

    def __init__(self, path: str, content: str | None):
        self.path = Path(path)
        self.name = content or self.path.name.removesuffix(".zip")
        self._lock = threading.Lock()
        if not self.path.exists():
            names = [p.name for p in self.path.parent.iterdir()] if self.path.parent.is_dir() else []
            raise DataSetError(f"OggZipDataset: there is no '{path}'", near=nearest(self.path.name, names))
        try:
            self.zip = None if self.path.is_dir() else zipfile.ZipFile(self.path)
        except zipfile.BadZipFile:
            raise DataSetError(f"OggZipDataset: '{path}' is no zip file, or a damaged one") from None

    def read(self, name: str) -> bytes:
        """The content of a file."""
        try:
            if self.zip is None:
                return (self.path / name).read_bytes()
            with self._lock:
                return read_member(self.zip, name, f"'{self.path}'")
        except (KeyError, FileNotFoundError):
            known = self.zip.namelist() if self.zip else []
            raise DataSetError(
                f"OggZipDataset: '{self.path}' has no '{name}'", near=nearest(name, known[:2000])
            ) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise DataSetError(f"OggZipDataset: '{name}' of '{self.path}' cannot be read: {error}") from None

    def entries(self) -> list[dict[str, Any]]:
        """The sequences."""
        content = self.read(f"{self.name}.txt")
        try:
            found = ast.literal_eval(content.decode("utf-8").strip())
        except NO_LITERAL as error:
            raise DataSetError(
                f"OggZipDataset: '{self.name}.txt' of '{self.path}' is no list as a Python literal: {error}"
            ) from None
        if not isinstance(found, list) or not all(isinstance(entry, dict) and _tag(entry) for entry in found):
            raise DataSetError(
                f"OggZipDataset: '{self.name}.txt' of '{self.path}' is {brief(found)}, no list of dictionaries with 'file'",
                ways=["[{'text': 'hello', 'duration': 1.5, 'file': 'a.wav'}, …]"],
            )
        return found


@dataclass
class OggZipDataset(DataSet):
    """Audio and texts.

    Args:
      path: of a zip file, or of several.
      audio: options of features (`Features`); None leaves the audio out.
      targets: options of a vocabulary; None leaves the texts' labels out.
      targets_post_process: cleaning of the texts.
      segment_file: a file with the tags of the sequences that are used.
      fixed_random_subset: so many sequences, or such a share of them, drawn once …
      fixed_random_subset_seed: … with this seed.
      epoch_wise_filter: {(first epoch, last epoch): limits of lengths}.
      content_name: what is called NAME inside of the zip file.
    """

    path: str | Sequence[str] = ()
    audio: Mapping[str, Any] | None = field(default_factory=dict)
    targets: Mapping[str, Any] | None = None
    targets_post_process: Any = None
    segment_file: str | None = None
    fixed_random_subset: float | None = None
    fixed_random_subset_seed: int = 42
    epoch_wise_filter: Mapping[Any, Any] | None = None
    content_name: str | None = None
    zip_audio_files_have_name_as_prefix: bool = True

    def __post_init__(self) -> None:
        self.features = None if self.audio is None else Features.from_options(self.audio)
        self.vocab: Vocabulary | None = None if self.targets is None else vocabulary(self.targets)
        self._clean = cleaner(self.targets_post_process)
        self._filter = EpochFilter.parse(self.epoch_wise_filter)
        self.entries: list[tuple[Archive, dict[str, Any]]] = self._listed()

    def _listed(self) -> list[tuple[Archive, dict[str, Any]]]:
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        found = [
            (archive, entry)
            for archive in (Archive(p, self.content_name) for p in paths)
            for entry in archive.entries()
        ]
        if self.segment_file is not None:
            wanted = set(read_lines(self.segment_file, "segment_file"))
            found = [pair for pair in found if _tag(pair[1]) in wanted]
        if self.fixed_random_subset:
            chosen = random_subset(len(found), self.fixed_random_subset, self.fixed_random_subset_seed)
            found = [found[i] for i in chosen]
        return found

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        found: dict[str, Stream] = {}
        if self.features is not None:
            shape: tuple[int | None, ...] = (None, self.features.dim)
            if self.features.num_channels:
                shape = (None, self.features.num_channels, self.features.dim)
            found["data"] = Stream(self.features.dim, shape=shape)
        if self.vocab is not None:
            found["classes"] = Stream(self.vocab.num_labels, True, "int32", (None,), self.vocab.labels)
        found["orth"] = Stream(256, True, "uint8", (None,))
        found["raw"] = Stream(0, False, "string")
        return found

    def count(self) -> int:
        return len(self.entries)

    def tag(self, index: int) -> str:
        return _tag(self.entries[index][1])

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return np.array([self._duration(i) for i in range(len(self.entries))], np.float64)

    def _duration(self, index: int) -> float:
        archive, entry = self.entries[index]
        if not _lasts(entry):
            raise DataSetError(
                f"OggZipDataset: the sequence {_tag(entry)!r} of '{archive.path}' has no duration, by which sequences are sorted",
                ways=[f"'duration': seconds, in '{archive.name}.txt'", "another seq_ordering, such as 'random'"],
            )
        return entry["duration"]

    @cached_property
    def guesses_lengths(self) -> bool:
        return bool(self.entries) and all(_lasts(entry) and entry["duration"] > 0 for _, entry in self.entries)

    def guess(self, index: int, epoch: int) -> Frames:
        text, found = self.text(index), {"raw": 1}
        if self.features is not None:
            found["data"] = 1 + int(self._frames_a_second * self.entries[index][1]["duration"])
        if self.vocab is not None:
            found["classes"] = len(self.vocab.get_seq(text, seed_of(epoch, index)))
        return Frames({**found, "orth": len(self._raw(index).encode("utf-8"))})

    @cached_property
    def _frames_a_second(self) -> float:
        """Of the longest audio, as rates, features and functions of the config make it."""
        longest = int(np.argmax(self.sort_lengths(1)))
        return max(len(self._audio(longest, 1)) - 1, 0) / self.entries[longest][1]["duration"]

    def text(self, index: int) -> str:
        """The text of a sequence, as it is labelled."""
        return self._clean(self._raw(index))

    def _raw(self, index: int) -> str:
        return str(self.entries[index][1].get("text", ""))

    def indices(self, epoch: int) -> Indices:
        found = super().indices(epoch)
        return self._filter.kept(epoch, found, lambda index: int(self._duration(index) * 100))

    def load(self, index: int, epoch: int) -> Item:
        text = self.text(index)
        data: dict[str, np.ndarray] = {}
        if self.features is not None:
            data["data"] = self._audio(index, epoch)
        if self.vocab is not None:
            data["classes"] = np.array(self.vocab.get_seq(text, seed_of(epoch, index)), "int32")
        raw = self._raw(index)
        data["orth"] = np.frombuffer(raw.encode("utf-8"), np.uint8)
        data["raw"] = np.array(raw, dtype=object)
        return Item(self.tag(index), data, index)

    def _audio(self, index: int, epoch: int) -> np.ndarray:
        assert self.features is not None
        archive, entry = self.entries[index]
        prefix = f"{archive.name}/" if self.zip_audio_files_have_name_as_prefix else ""
        if not isinstance(entry.get("file"), str):
            raise DataSetError(f"OggZipDataset: the sequence {self.tag(index)!r} of '{archive.path}' names no 'file'")
        name = f"{prefix}{entry['file']}"
        where = f"{archive.path}:{name}"
        samples, rate = read_audio(archive.read(name), where)
        return self.features.make(samples, rate, seed_of(epoch, index), where)


def _tag(entry: Mapping[str, Any]) -> str:
    return str(entry.get("seq_name") or entry.get("file") or "")


def _lasts(entry: Mapping[str, Any]) -> bool:
    """Whether an entry says how long its audio is."""
    value = entry.get("duration")
    return isinstance(value, int | float) and 0 <= value < float("inf")
