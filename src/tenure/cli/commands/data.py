"""`tenure data hdf OUT …`: an HDF file of text, audio, arrays, or of any data set."""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

HELP = "write data as an HDF file, which RETURNN reads too"
EXAMPLES = """\
examples:
  tenure data hdf train.hdf --text data=train.en --vocab data=words --text classes=train.de --vocab classes=words
  tenure data hdf dev.hdf --text data=dev.en --vocab data=train.hdf:data --text classes=dev.de --vocab classes=train.hdf:classes
  tenure data hdf asr.hdf --audio data=wav/ --features "{'features': 'mfcc'}" --text classes=trans.txt --tagged --vocab classes=characters
  tenure data hdf a.hdf --arrays data=features.npz --arrays classes=labels.npz
  tenure data hdf b.hdf --dataset "{'class': 'OggZipDataset', 'path': 'a.zip', 'targets': …}"

vocabularies: bytes, words, characters (those of the text), bpe:CODES:VOCAB, sentencepiece:MODEL, FILE.hdf:STREAM, or a file of labels"""
_EVERY = 0.2  # seconds between two looks of the progress bar


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("kind", choices=["hdf"], help="what is written")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file")
    named = {"action": "append", "default": [], "metavar": "STREAM=PATH"}
    parser.add_argument("--text", help="a sequence of labels in each line", **named)  # type: ignore[arg-type]
    parser.add_argument("--audio", help="a folder of audio files, or a list of names and files", **named)  # type: ignore[arg-type]
    parser.add_argument("--arrays", help="an npz file with an array for each sequence", **named)  # type: ignore[arg-type]
    parser.add_argument("--vocab", action="append", default=[], metavar="STREAM=VOCAB", help="of a text; else bytes")
    parser.add_argument("--features", metavar="OPTIONS", default="{}", help="of audio: a dictionary as in configs")
    parser.add_argument("--tagged", action="store_true", help="the first word of each line of text names the sequence")
    parser.add_argument("--dataset", metavar="OPTIONS", help="any data set: a dictionary as in configs")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def run(given: argparse.Namespace) -> int:
    """Writes the file, and says what is in it."""
    from tenure.training.data import gathering
    from tenure.training.data.classes import dataset
    from tenure.training.data.writing import HdfWriter
    from tenure.training.engine.signals import Signals
    from tenure.training.errors import DataSetError

    if given.dataset is not None:
        if given.text or given.audio or given.arrays:
            raise DataSetError("--dataset is all that is written", ways=["leave out --text, --audio and --arrays"])
        data = dataset(_literal("--dataset", given.dataset))
        streams, sequences = gathering.of_data_set(data)
        count: float = data.count()
    else:
        found = _gathered(given)
        streams, sequences = {key: g.stream for key, g in found.items()}, gathering.joined(found)
        count = next(iter(found.values())).count
    with Signals(says="") as signals, HdfWriter(given.out, streams, force=given.force) as writer:
        for tag, arrays in _told(sequences, count):
            signals.again()
            writer.add(tag, arrays)
    shown = ", ".join(f"{key} ({'labels' if s.sparse else 'features'} {s.dim or '?'})" for key, s in streams.items())
    print(f"{given.out}: {writer.sequences:,} sequences, {writer.frames:,} frames of 'data'; {shown}")
    return 0


def _gathered(given: argparse.Namespace) -> dict[str, Any]:
    from tenure.training.data import gathering
    from tenure.training.errors import DataSetError

    vocabs = dict(_pair("--vocab", text) for text in given.vocab)
    found: dict[str, Any] = {}
    for kind in ("text", "audio", "arrays"):
        for text in getattr(given, kind):
            key, path = _pair(f"--{kind}", text)
            if key in found:
                raise DataSetError(f"the stream {key!r} is given twice")
            if kind == "text":
                found[key] = gathering.text_stream(path, vocabs.pop(key, None), tagged=given.tagged)
            elif kind == "audio":
                found[key] = gathering.audio_stream(path, _literal("--features", given.features))
            else:
                found[key] = gathering.array_stream(path)
    names = [stream.tags for stream in found.values() if stream.tags]
    for text in given.text if names and not given.tagged else ():
        gathering.check_untagged(_pair("--text", text)[1], names[0])
    if not found:
        raise DataSetError("there is nothing to write", ways=["--text data=FILE", "--audio data=FOLDER", "--dataset …"])
    if vocabs:
        raise DataSetError(f"--vocab names the stream {next(iter(vocabs))!r}, which is no text", ways=list(given.text))
    return dict(sorted(found.items(), key=lambda pair: pair[0] != "data"))


def _pair(option: str, text: str) -> tuple[str, str]:
    from tenure.training.errors import DataSetError

    key, equal, value = text.partition("=")
    if not (key and equal and value):
        raise DataSetError(f"{option} {text}: a stream and what it is made of are needed", ways=[f"{option} data=FILE"])
    return key, value


def _literal(option: str, text: str) -> Mapping[str, Any]:
    from tenure.training.errors import DataSetError

    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError):
        value = None
    if not isinstance(value, Mapping):
        example = "{'features': 'mfcc'}" if option == "--features" else "{'class': 'OggZipDataset', 'path': 'a.zip'}"
        raise DataSetError(f"{option} {text}: a dictionary is needed", ways=[f'{option} "{example}"'])
    return value


def _told(sequences: Iterable[Any], count: float) -> Iterator[Any]:
    """The sequences, with a bar on the error stream where that is a terminal."""
    last, number, live = 0.0, 0, sys.stderr.isatty()
    for number, sequence in enumerate(sequences, 1):
        if live and time.monotonic() - last > _EVERY:
            last = time.monotonic()
            done = number / count
            print(f"\r[{'#' * int(30 * done):30}] {number:,} of {count:,}", end="", file=sys.stderr, flush=True)
        yield sequence
    if live and number:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
