"""The command: check that the maths agrees, measure, print, write."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

from benchmarks import depth, report
from benchmarks.bars import bars_table
from benchmarks.check import check_peers
from benchmarks.memory import measure_memory
from benchmarks.models import PEERS, REFERENCE, Config, distribution
from benchmarks.report import Table
from benchmarks.stages import measure_cold, measure_python, measure_steps, measure_wide
from benchmarks.timing import Samples

QUICK = {"layers": 4, "d_model": 64, "vocab": 512, "batch": 4, "length": 32}
QUICK_DEPTHS = (2, 12, 48)
SIZES = ("layers", "d_model", "heads", "vocab", "batch", "length")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; the first is always handwritten")
    for size in SIZES:
        parser.add_argument(f"--{size.replace('_', '-')}", type=int)
    parser.add_argument("--rounds", type=int, default=7, help="of initialising, tracing, lowering")
    parser.add_argument("--cold-rounds", type=int, default=3)
    parser.add_argument("--step-rounds", type=int, default=20)
    parser.add_argument("--depth-rounds", type=int, default=5)
    parser.add_argument("--depths", default=",".join(map(str, depth.DEPTHS)), help="of the layer stack; '' for none")
    parser.add_argument("--no-memory", action="store_true", help="don't start a process per peer")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: does it run?")
    parser.add_argument("--out", type=Path, help="Markdown file to put the tables into")
    parser.add_argument("--json", type=Path, help="file for the raw numbers")
    return settle(parser.parse_args(argv))


def settle(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in what the flags leave open."""
    args.peers = [REFERENCE, *(p for p in args.peers.split(",") if p and p != REFERENCE)]
    if unknown := set(args.peers) - set(PEERS):
        raise SystemExit(f"unknown peers {sorted(unknown)}; there are {', '.join(PEERS)}")
    args.depths = tuple(int(d) for d in args.depths.split(",") if d)
    defaults = QUICK if args.quick else {}
    given = {size: getattr(args, size) for size in SIZES if getattr(args, size) is not None}
    args.config = replace(Config(), **(defaults | given))
    if args.quick:
        args.rounds, args.cold_rounds, args.step_rounds, args.depth_rounds = 2, 1, 5, 1
        args.depths = tuple(d for d in args.depths if d in QUICK_DEPTHS)
    return args


def note(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def measure(args: argparse.Namespace, facts: dict[str, str]) -> Samples:
    """All stages; the raw numbers are written after each, as the whole takes a while."""
    samples = Samples()
    for text, stage in stages(args, samples):
        note(text)
        stage()
        if args.json:
            raw = {"facts": facts, "config": asdict(args.config), "seconds_bytes_counts": samples.to_json()}
            args.json.write_text(json.dumps(raw, indent=1))
    return samples


def stages(args: argparse.Namespace, samples: Samples) -> Iterator[tuple[str, Callable[[], object]]]:
    """What to say, and what to do then."""
    names, config, cold = args.peers, args.config, args.cold_rounds
    steps: dict[str, Any] = {}
    yield "checking that all models compute the same", lambda: check_peers(names, config)
    python = f"initialise, trace, lower: {args.rounds} rounds"
    yield python, lambda: measure_python(names, config, args.rounds, samples)
    yield f"initialise a wide model: {cold} rounds", lambda: measure_wide(names, config, cold, samples)
    first = f"everything for the first time, and compile: {cold} rounds"
    yield first, lambda: steps.update(measure_cold(names, config, cold, samples))
    yield f"steps: {args.step_rounds} rounds", lambda: measure_steps(steps, config, args.step_rounds, samples)
    if not args.no_memory:
        yield "memory: a process per model", lambda: measure_memory(names, config, samples)
    if args.depths:
        stacks = f"stacks of {args.depths} layers: {args.depth_rounds} rounds"
        yield stacks, lambda: depth.measure_depths(names, args.depths, args.depth_rounds, samples)
    if loops := loop_depths(args):
        yield f"for contrast, loops of {loops} layers", lambda: depth.measure_loops(names, loops, 1, samples)


def loop_depths(args: argparse.Namespace) -> tuple[int, ...]:
    return () if args.quick else tuple(d for d in depth.LOOP_DEPTHS if d in args.depths)


def tables(args: argparse.Namespace, samples: Samples) -> list[Table]:
    c = args.config
    sizes = f"{c.layers} layers, d_model {c.d_model}, {c.heads} heads, vocabulary {c.vocab}, batch {c.batch}×{c.length}"
    out = [report.main_table(samples, args.peers, f"A tied Transformer: {sizes}")]
    for what in ("init, shapes only", "trace", "lower", "compile") if args.depths else ():
        title = f"The layer stack: {what}"
        out.append(report.depth_table(samples, f"stack: {what}", args.peers, args.depths, title))
    for what in ("trace", "compile") if loop_depths(args) else ():
        title = f"For contrast, a Python loop over the layers: {what}"
        out.append(report.depth_table(samples, f"loop: {what}", args.peers, loop_depths(args), title))
    bars = bars_table(samples, args.depths)
    return [bars, *out] if bars.rows else out


def versions(peers: list[str]) -> dict[str, str]:
    names = dict.fromkeys(["jax", "jaxlib", *map(distribution, peers)])
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "from source"
    return found


def provenance(args: argparse.Namespace) -> dict[str, str]:
    """What was run, when, and on what; no paths."""
    quick = " --quick" if args.quick else ""
    sizes = "".join(f" --{s.replace('_', '-')} {v}" for s in SIZES if (v := getattr(args, s)) is not None)
    peers = "" if args.peers == list(PEERS) else f" --peers {','.join(args.peers)}"
    rounds = ("rounds", "cold_rounds", "step_rounds", "depth_rounds")
    counts = "" if args.quick else "".join(f" --{r.replace('_', '-')} {getattr(args, r)}" for r in rounds)
    depths = "" if args.quick or args.depths == depth.DEPTHS else f" --depths '{','.join(map(str, args.depths))}'"
    memory = " --no-memory" if args.no_memory else ""
    return {
        "command": f"python -m benchmarks{quick}{sizes}{peers}{counts}{depths}{memory}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, JAX on {jax.default_backend()}",
        "load": f"{os.getloadavg()[0]:.1f} when it started" if hasattr(os, "getloadavg") else "unknown",
        "versions": ", ".join(
            f"{k} {v}" for k, v in ({"Python": platform.python_version()} | versions(args.peers)).items()
        ),
    }


def to_markdown(facts: dict[str, str], shown: list[Table]) -> str:
    listed = "\n".join(f"- {k}: `{v}`" if k == "command" else f"- {k}: {v}" for k, v in facts.items())
    return "\n\n".join([listed, *(t.to_markdown() for t in shown)])


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    facts = provenance(args)
    samples = measure(args, facts)
    shown = tables(args, samples)
    report.show(shown)
    if args.out:
        report.write_between_marks(args.out, to_markdown(facts, shown))
