"""The report of a training: one page that needs nothing else. It escapes all that data files say."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from string import Template
from typing import Any

from tenure._version import __version__
from tenure.training.engine.log_lines import seconds
from tenure.training.rates.scores import EpochScores
from tenure.training.watching.charts import chart, number
from tenure.training.watching.history import Curve, as_number, curves, seconds_of


@dataclass(frozen=True)
class Report:
    """What a page says of a training.

    Attributes:
      title: its heading.
      state: in a few words: "training", "stopped", "finished".
      epochs: what is known of each.
      last: the number of epochs that are wanted.
      key: the score that learning-rate control looks at.
      facts: name → value, shown at the top.
      pages: whole pages of their own (ledger, network), by name.
      examples: of search: each has "tag", "found" and, where it is known, "wanted".
      found_in: the epoch of the examples.
      checkpoints: epochs whose checkpoints are there.
      when: the time at which the page is written.
    """

    title: str
    state: str
    epochs: Mapping[int, EpochScores]
    last: int
    key: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()
    found_in: int | None = None
    checkpoints: Sequence[int] = ()
    when: str = ""


def html(report: Report) -> str:
    """The page as text."""
    found = curves(report.epochs)
    trained = [e for e, of in report.epochs.items() if of.measured()]
    sections = [*_charts(report, found), *_best(report, found), *_examples(report), *_pages(report)]
    hashes = sorted({_hash(script) for page in report.pages.values() for script in _SCRIPT.findall(page)})
    return Template(_file("page.html")).substitute(
        title=shown(report.title),
        style=_file("page.css"),
        hashes=" ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'",
        state=f"<b>{shown(report.state)}</b>, epoch {max(trained, default=0)} of {report.last}, {shown(report.when)}",
        tiles=_tiles(report, found),
        sections="\n".join(sections),
        footer=f"Written by Tenure {shown(__version__)} after each epoch.",
    )


_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _file(name: str) -> str:
    return resources.files("tenure.training.watching").joinpath(name).read_text("utf-8")


def shown(text: Any) -> str:
    """A text of anybody as HTML: escaped, and without characters that change how others are shown.

    >>> shown("<b>a\\u202eb")
    '&lt;b&gt;a�b'
    """
    plain = "".join(
        "�" if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in str(text)
    )
    return escape(plain)


def _tiles(report: Report, found: Sequence[Curve]) -> str:
    tiles: dict[str, str] = {}
    main = next((c for c in found if c.key == report.key), None)
    if main is not None and main.best is not None:
        epoch, value = main.best
        tiles[f"best {main.key}, epoch {epoch}"] = number(value)
        last = max(main.values)
        if last != epoch:
            tiles[f"{main.key} of epoch {last}"] = number(main.values[last])
    rates = {e: of.learning_rate for e, of in report.epochs.items() if of.learning_rate is not None}
    if rates:
        tiles[f"learning rate of epoch {max(rates)}"] = number(rates[max(rates)])
    took = [t for of in report.epochs.values() if (t := seconds_of(of)) is not None]
    if took:
        tiles["training, without evaluation"] = seconds(sum(took))
    tiles |= report.facts
    cells = "".join(f"<div><dt>{shown(name)}</dt><dd>{shown(value)}</dd></div>" for name, value in tiles.items())
    return f'<dl class="tiles">{cells}</dl>'


def _charts(report: Report, found: Sequence[Curve]) -> Iterator[str]:
    topics: dict[str, list[Curve]] = {}
    for curve in found:
        if curve.values:
            topics.setdefault(curve.topic, []).append(curve)
    figures = [_figure(topic, lines) for topic, lines in topics.items()]
    rates = {e: of.learning_rate for e, of in report.epochs.items() if of.learning_rate}
    if rates:
        figures.append(
            f"<figure><figcaption><h3>learning rate</h3></figcaption>{chart({'learning rate': rates})}</figure>"
        )
    if figures:
        yield f'<section><h2>Curves</h2><div class="charts">{"".join(figures)}</div></section>'
    else:
        yield '<p class="quiet">No epoch has been trained yet.</p>'


def _figure(topic: str, lines: Sequence[Curve]) -> str:
    named = {line.dataset or line.key: line for line in lines}
    legend = "".join(
        f'<li class="s{i % 8}">{shown(name)} <b>{number(line.values[max(line.values)])}</b></li>'
        for i, (name, line) in enumerate(named.items())
    )
    best = {name: line.best[0] for name, line in named.items() if line.best and line.dataset != "train"}
    drawn = chart({name: line.values for name, line in named.items()}, best)
    return f'<figure><figcaption><h3>{shown(topic)}</h3><ul class="legend">{legend}</ul></figcaption>{drawn}</figure>'


def _best(report: Report, found: Sequence[Curve]) -> Iterator[str]:
    measured = [c for c in found if c.best is not None]
    if not measured:
        return
    rows = ""
    for curve in measured:
        assert curve.best is not None
        epoch, value = curve.best
        last = max(curve.values)
        there = "yes" if epoch in report.checkpoints else "no"
        rows += (
            f'<tr><td>{shown(curve.key)}</td><td class="n">{epoch}</td><td class="n">{number(value)}</td>'
            f'<td class="n">{number(curve.values[last])}</td><td>{there}</td></tr>'
        )
    head = '<tr><th>score</th><th class="n">epoch</th><th class="n">best</th><th class="n">last</th><th>checkpoint kept</th></tr>'
    yield f'<section><h2>Best epochs</h2><div class="wide"><table>{head}{rows}</table></div>{_epochs(report, measured)}</section>'


def _epochs(report: Report, found: Sequence[Curve]) -> str:
    head = "".join(f'<th class="n">{shown(c.key)}</th>' for c in found)
    rows = ""
    for epoch, of in sorted(report.epochs.items()):
        if not of.measured():
            continue
        cells = ""
        for curve in found:
            value = of.scores.get(curve.key)
            text = "" if value is None else number(as_number(value) or 0.0) if epoch in curve.values else shown(value)
            top = " top" if curve.best is not None and curve.best[0] == epoch else ""
            cells += f'<td class="n{top}">{text}</td>'
        rate = "" if of.learning_rate is None else number(of.learning_rate)
        took = seconds_of(of)
        time = "" if took is None else seconds(took)
        rows += f'<tr><td class="n">{epoch}</td><td class="n">{rate}</td>{cells}<td class="n">{time}</td></tr>'
    heads = f'<tr><th class="n">epoch</th><th class="n">learning rate</th>{head}<th class="n">time</th></tr>'
    return f'<details><summary>All epochs</summary><div class="wide"><table>{heads}{rows}</table></div></details>'


def _examples(report: Report) -> Iterator[str]:
    if not report.examples:
        return
    cards = ""
    for example in report.examples:
        lines = [("found", example.get("found")), ("reference", example.get("wanted"))]
        text = "".join(f"<p><span>{name}</span>{shown(value)}</p>" for name, value in lines if value is not None)
        cards += f'<div class="example"><h3>{shown(example.get("tag", ""))}</h3>{text}</div>'
    of = f" of epoch {report.found_in}" if report.found_in else ""
    yield f'<section><h2>Examples of search{of}</h2><div class="examples">{cards}</div></section>'


def _pages(report: Report) -> Iterator[str]:
    if not report.pages:
        return
    parts = "".join(
        f"<details><summary>{shown(name)}</summary>"
        f'<iframe title="{shown(name)}" sandbox="allow-scripts" loading="lazy" srcdoc="{escape(page)}"></iframe></details>'
        for name, page in report.pages.items()
    )
    yield f"<section><h2>Network</h2>{parts}</section>"
