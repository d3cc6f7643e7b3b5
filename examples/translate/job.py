"""The whole job: data, model, training, test, files."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import jax

from . import report
from .budget import Clock
from .data import load_data
from .interrupt import EXIT_CODE, Interruptible
from .model import Config, Translator, build, other_count, shared_part
from .options import Options
from .session import Session
from .train import Recipe
from .translate import make_search, translate

RESERVE = 35.0
"""Seconds for what follows training: two searches to compile, 500 sentences, a plot."""


def run(options: Options) -> int:
    """Does what `options` say; returns the exit code."""
    clock = Clock(options.minutes, min(RESERVE, 0.25 * 60 * options.minutes))
    remember_programs(options.cache / "xla")
    path = options.out / "checkpoint"
    if options.fresh:
        shutil.rmtree(path, ignore_errors=True)
        (options.out / "vocabulary.model").unlink(missing_ok=True)
    data = load_data(options)
    model = build(_config(options, len(data.vocabulary)))
    session = Session.open(model, data, _recipe(options), path)
    if options.translate:
        return _translate_only(session, options)
    print(data.about)
    print(_sizes(model))
    report.write_text(options.out / "ledger.html", model.ledger.to_html())
    return _train_and_test(session, options, clock)


def _train_and_test(session: Session, options: Options, clock: Clock) -> int:
    if session.progress.step:
        print(
            f"continuing {session.path} from step {session.progress.step} "
            f"({session.seconds / 60:.1f} minutes of training)"
        )
    with Interruptible() as interrupt:
        session.run(clock, options.steps, interrupt)
    if interrupt.asked:
        print(f"saved {session.path} at step {session.progress.step}\nthe same command continues from there")
        return EXIT_CODE
    results = test(session, options)
    results["minutes"] = {"program": clock.elapsed / 60, "training": session.seconds / 60}
    results["peak_memory_gib"] = _peak_memory()
    report.write_text(options.out / "results.json", report.as_json(results))
    print(f"wrote {options.out}/: {', '.join(sorted(p.name for p in options.out.iterdir()))}")
    print(
        f"{clock.elapsed:.0f} s in all, {session.compiling:.0f} s of it compiling the training "
        f"step; {results['peak_memory_gib']:.2f} GiB of memory at most"
    )
    return 0


def test(session: Session, options: Options) -> dict[str, Any]:
    """Translates the test set; prints and returns the scores."""
    start, data, curve = time.monotonic(), session.data, session.curve
    english = [pair.english for pair in data.test]
    german = [pair.german for pair in data.test]
    search = make_search(session.model, options.beam)
    found = translate(search, session.progress.params, data.vocabulary, english)
    scores = report.scores(found, german)
    seconds = time.monotonic() - start
    print(f"\n{report.examples(english, german, found)}")
    print(f"validation perplexity of a piece   {curve[-1]['perplexity']:6.2f}")
    print(
        f"BLEU {scores['bleu']:5.2f}   chrF {scores['chrf']:5.2f}   on {len(german)} held-out "
        f"sentences, beam {options.beam}, {seconds:.0f} s with compilation"
    )
    report.plot_curve(options.out / "learning_curve.png", curve, _title(session))
    lines = ["\t".join(line) for line in zip(english, german, found, strict=True)]
    report.write_text(options.out / "translations.tsv", "\n".join(lines) + "\n")
    return {
        **scores,
        "perplexity": curve[-1]["perplexity"],
        "step": session.progress.step,
        "parameters": session.model.count,
        "untied": not session.model.config.tied,
    }


def _translate_only(session: Session, options: Options) -> int:
    if not session.progress.step:
        print(f"error: nothing is trained yet: no {session.path}", file=sys.stderr)
        return 1
    search = make_search(session.model, options.beam)
    params, vocabulary = session.progress.params, session.data.vocabulary
    print("\n".join(translate(search, params, vocabulary, options.translate)))
    return 0


def remember_programs(cache: Path) -> None:
    """Lets JAX keep compiled programs in `cache`, for the next run."""
    cache.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(cache.absolute()))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)  # type: ignore[no-untyped-call]


def _config(options: Options, pieces: int) -> Config:
    return Config(
        pieces=pieces,
        width=options.width,
        layers=options.layers,
        heads=options.heads,
        dropout=options.dropout,
        tied=not options.untied,
    )


def _recipe(options: Options) -> Recipe:
    return Recipe(peak=options.rate, seed=options.seed, tokens=options.tokens)


def _sizes(model: Translator) -> str:
    mine, other = model.count, other_count(model.config)
    tied, untied = (mine, other) if model.config.tied else (other, mine)
    return (
        f"\n{shared_part(model.ledger)}\n\n"
        f"parameters: {tied:,} with one matrix, {untied:,} with three "
        f"({'one' if model.config.tied else 'three'} here); all of them are in ledger.html\n"
    )


def _title(session: Session) -> str:
    kind = "one matrix" if session.model.config.tied else "three matrices"
    return f"English to German, {kind}, {session.model.count / 1e6:.2f} M parameters"


def _peak_memory() -> float:
    """GiB; Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
