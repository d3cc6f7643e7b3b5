"""What a run leaves behind to look at: the learning curve, the ledger's page, the scores."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Point = dict[str, float]
"""``{"step", "seconds", "loss"}``, and ``"perplexity"`` where it was measured."""


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path`, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def plot_curve(path: Path, curve: Sequence[Point], title: str) -> None:
    """Loss and validation perplexity over training time, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    measured = [point for point in curve if "perplexity" in point]
    figure, left = plt.subplots(figsize=(7, 4), layout="constrained")

    def minutes(points: Sequence[dict[str, float]]) -> list[float]:
        return [point["seconds"] / 60 for point in points]

    left.plot(minutes(curve), [point["loss"] for point in curve], color="tab:blue")
    left.set(xlabel="minutes of training", title=title)
    left.set_ylabel("training loss (smoothed labels)", color="tab:blue")
    right = left.twinx()
    perplexities = [point["perplexity"] for point in measured]
    right.plot(minutes(measured), perplexities, "o-", color="tab:orange")
    right.set(yscale="log")
    right.set_ylabel("validation perplexity of a piece", color="tab:orange")
    temporary = path.with_name(path.name + ".tmp")
    figure.savefig(temporary, dpi=120, format="png")
    plt.close(figure)
    os.replace(temporary, path)


def scores(translations: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Corpus BLEU and chrF by sacrebleu, with the signatures that make them comparable."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": bleu.corpus_score(list(translations), [list(references)]).score,
        "chrf": chrf.corpus_score(list(translations), [list(references)]).score,
        "signatures": [str(bleu.get_signature()), str(chrf.get_signature())],
    }


def spread(count: int, of: int) -> list[int]:
    """`count` numbers below `of`, evenly spread.

    >>> spread(3, of=9)
    [1, 4, 7]
    """
    count = min(count, of)
    return [(2 * number + 1) * of // (2 * count) for number in range(count)]


def examples(english: Sequence[str], german: Sequence[str], translations: Sequence[str], count: int = 10) -> str:
    """`count` sentences, what people wrote and what the model did."""
    lines = []
    for row in spread(count, of=len(english)):
        lines += [f"  en  {english[row]}", f"  de  {german[row]}", f"  >>  {translations[row]}", ""]
    return "\n".join(lines)


def as_json(results: dict[str, Any]) -> str:
    """The numbers of a run as text."""
    return json.dumps(results, indent=2, ensure_ascii=False) + "\n"
