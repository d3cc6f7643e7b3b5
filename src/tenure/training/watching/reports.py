"""After each epoch: the scores as JSON, the curves as a picture, and the report, each written whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure.core.errors import TenureError
from tenure.training.engine.log import Log
from tenure.training.files import write_bytes, write_text
from tenure.training.rates.scores import key_of
from tenure.training.watching import examples
from tenure.training.watching.compiling import compiled
from tenure.training.watching.history import as_json, curves
from tenure.training.watching.page import Report, html
from tenure.training.watching.pictures import picture

_SHARE = 0.05  # of the time may be spent on pictures


class Reports:
    """Writes the files of a training beside its checkpoints; see `names`.

    A file that cannot be written is told once, and stops no training. Pictures take long to draw: where epochs are short, not each
    of them gets one, but the last one does.

    Args:
      prefix: of the checkpoints.
      log: is told what cannot be written.
    """

    def __init__(self, prefix: Path, log: Log) -> None:
        self._prefix, self._log = prefix, log
        self._pages: tuple[Any, dict[str, str], dict[str, str]] = (None, {}, {})
        self._began, self._drawing, self._told = time.monotonic(), 0.0, False

    def __call__(self, what: str, told: Mapping[str, Any]) -> None:
        """Hears of an event."""
        try:
            if what in ("evaluated", "end"):
                self.write(told["training"], last=what == "end")
            elif what == "searched":
                self._searched(told)
        except (OSError, TenureError, ValueError, TypeError) as error:
            if not self._told:
                self._log.say(f"no report is written: {error}", 1)
            self._told = True

    def _searched(self, told: Mapping[str, Any]) -> None:
        """Keeps some of what a search has found: (tag, hypothesis, reference or None) for each sequence."""
        found = {tag: _best(text) for tag, text, _ in told["found"]}
        wanted = {tag: right for tag, _, right in told["found"] if right is not None}
        examples.keep(names(self._prefix)["examples"], told["epoch"], found, wanted)
        if told.get("training") is not None:
            self.write(told["training"], last=True)

    def write(self, training: Any, last: bool = False) -> None:
        """Writes all files.

        Args:
          training: whose they are.
          last: whether nothing more will come.
        """
        epochs = training.rates.epochs
        measured = {e: of for e, of in epochs.items() if of.measured()}
        if not measured:
            return
        final = int(training.config.get("num_epochs") or 5)
        state = "training"
        if last:
            state = "finished" if max(measured) >= final else "stopped"
        at = names(self._prefix)
        write_text(at["scores"], json.dumps(self._json(training, measured, state, final), indent=1) + "\n")
        write_text(at["report"], html(self._report(training, measured, state, final)))
        spent = time.monotonic() - self._began
        if last or not self._drawing or self._drawing < _SHARE * spent:
            self._draw(training, measured, at["picture"])

    def _draw(self, training: Any, measured: Mapping[int, Any], path: Path) -> None:
        began = time.monotonic()
        rates = {e: of.learning_rate for e, of in measured.items() if of.learning_rate is not None}
        drawn = picture(curves(measured), rates, self._prefix.name)
        if drawn is not None:
            write_bytes(path, drawn)
        self._drawing += time.monotonic() - began

    def _json(self, training: Any, measured: Mapping[int, Any], state: str, final: int) -> dict[str, Any]:
        best = {c.key: {"epoch": c.best[0], "value": c.best[1]} for c in curves(measured) if c.best is not None}
        return {
            "model": self._prefix.name,
            "state": state,
            "epoch": max(measured),
            "num_epochs": final,
            "best": best,
            "epochs": as_json(measured),
        }

    def _report(self, training: Any, measured: Mapping[int, Any], state: str, final: int) -> Report:
        pages, facts = self._network(training)
        kept = examples.read(names(self._prefix)["examples"])
        return Report(
            title=f"Training of {training.models.prefix}",
            state=state,
            epochs=measured,
            last=final,
            key=key_of(measured[max(measured)].scores, training.rates.rule.measure),
            facts={**facts, "compilation in this run": f"{compiled():.1f} s"},
            pages=pages,
            examples=kept.get("examples", ()),
            found_in=kept.get("epoch"),
            checkpoints=list(training.models.existing()),
            when=time.strftime("%Y-%m-%d %H:%M:%S"),
        )

    def _network(self, training: Any) -> tuple[dict[str, str], dict[str, str]]:
        """The pages of the network, which are made once for each network."""
        network = getattr(training, "network", None)
        if network is None:
            return {}, {}
        if self._pages[0] is not network:
            ledger = training.plan.ledger
            pages = {
                "Ledger: who owns and who borrows parameters": ledger.to_html(title="Ledger"),
            }
            if network.net:  # a model of get_model has no layers to draw
                pages["Drawing of the network"] = network.show().html(title="Network")
            self._pages = (network, pages, {"parameters": f"{ledger.count():,}"})
        return self._pages[1], self._pages[2]


def _best(found: Any) -> str:
    """The text of a hypothesis, or the best one of several with their scores."""
    return found if isinstance(found, str) else max(found)[1]


def names(prefix: Path) -> dict[str, Path]:
    """Where the files of a model are: in its folder; where that has those of another model, with the model's name.

    >>> [str(path) for path in names(Path("net/model")).values()]
    ['net/scores.json', 'net/curves.png', 'net/report.html', 'net/search-examples.json']
    """
    ends = {
        "scores": "scores.json",
        "picture": "curves.png",
        "report": "report.html",
        "examples": "search-examples.json",
    }
    start = "" if _owner(prefix.with_name("scores.json")) in (None, prefix.name) else f"{prefix.name}."
    return {what: prefix.with_name(start + end) for what, end in ends.items()}


def _owner(path: Path) -> str | None:
    """The model whose scores are in a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("model") if isinstance(found, dict) else None
