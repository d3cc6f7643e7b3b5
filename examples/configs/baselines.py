"""What the setups have to beat: `python -m examples.configs.baselines [translate asr g2p shakespeare frames]`, on the test data."""

from __future__ import annotations

import ast
import itertools
import math
import pickle
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.configs.prepare import data


def translate(folder: Path) -> str:
    """BLEU and chrF of the source as its own translation."""
    import sacrebleu

    texts = [
        ["".join(line.split()).replace("▁", " ").strip() for line in (folder / f"{side}.test").read_text().splitlines()]
        for side in ("source", "target")
    ]
    bleu, chrf = (score(texts[0], [texts[1]]).score for score in (sacrebleu.corpus_bleu, sacrebleu.corpus_chrf))
    return f"copying the source: BLEU {bleu:.1f}, chrF {chrf:.1f}"


def asr(folder: Path) -> str:
    """The character error rate of the text of the training that is most like those of the test, for every recording."""
    train, test = (
        [entry["text"] for entry in ast.literal_eval(zipfile.ZipFile(folder / f"{n}.zip").read(f"{n}.txt").decode())]
        for n in ("train", "test")
    )
    rates = (sum(distance(a, b) for b in test) / sum(map(len, test)) for a in train)
    return f"one text of the training for all: character error rate {min(rates):.1%}"


def g2p(folder: Path) -> str:
    """The phoneme error rate of each letter as its most frequent phoneme, in words with as many of both."""

    def read(name: str) -> list[list[str]]:
        return [line.split() for line in (folder / name).read_text().splitlines()]

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, phonemes in zip(read("source.train"), read("target.train"), strict=True):
        if len(word) == len(phonemes):
            for letter, phoneme in zip(word, phonemes, strict=True):
                counts[letter][phoneme] += 1
    best = {letter: found.most_common(1)[0][0] for letter, found in counts.items()}
    pairs = [*zip(read("source.test"), read("target.test"), strict=True)]
    wrong = sum(distance([best[x] for x in word if x in best], phonemes) for word, phonemes in pairs)
    return f"each letter's most frequent phoneme: phoneme error rate {wrong / sum(len(p) for _, p in pairs):.1%}"


def shakespeare(folder: Path) -> str:
    """The perplexity of a bigram model, interpolated with a unigram model and the uniform one; weights chosen on dev."""
    words = pickle.loads((folder / "words.pkl").read_bytes())

    def read(name: str) -> list[list[str]]:
        lines = (folder / f"{name}.txt").read_text().splitlines()
        return [["</s>", *(w if w in words else "<unk>" for w in line.split()), "</s>"] for line in lines]

    train, dev, test = map(read, ("train", "dev", "test"))
    single = Counter(word for line in train for word in line[1:])
    pairs = Counter(pair for line in train for pair in itertools.pairwise(line))
    before = Counter(word for line in train for word in line[:-1])
    total = single.total()

    def perplexity(lines: list[list[str]], weight: float) -> float:
        found = [
            math.log(
                weight * pairs[a, b] / max(1, before[a])
                + (1 - weight) * (0.999 * single[b] / total + 0.001 / len(words))
            )
            for line in lines
            for a, b in itertools.pairwise(line)
        ]
        return math.exp(-sum(found) / len(found))

    weight = min((i / 20 for i in range(1, 20)), key=lambda w: perplexity(dev, w))
    return f"interpolated bigrams: perplexity {perplexity(test, weight):.1f}; unigrams: {perplexity(test, 0.0):.1f}"


def frames(folder: Path) -> str:
    """The frame error rate of the most frequent label."""
    from tenure.training.data import classes

    found = classes.dataset({"class": "HDFDataset", "files": [str(folder / "test.hdf")]}).epoch(1)
    labels = Counter(label for item in found for label in item.data["classes"].tolist())
    return f"the most frequent label: frame error rate {1 - labels.most_common(1)[0][1] / labels.total():.1%}"


def distance(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Levenshtein's edit distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


ALL = {f.__name__: f for f in (translate, asr, g2p, shakespeare, frames)}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        print(f"{name}: {ALL[name](data(name))}")
