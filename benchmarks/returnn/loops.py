"""Recurrent networks and searches next to RETURNN on its TensorFlow, and to searches written by hand in JAX.

    python -m benchmarks.returnn.loops --python PYTHON --out docs/benchmarks-loops.md

Processes with the same dictionaries, batches and values take turns; first their losses, or the labels that they found,
must be the same. The memory of a long loop is XLA's own count. With `--rows FILE`, tasks are measured in parts (`--only`): each
run puts its rows into the file, and the page is made of all that are there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.returnn import loop_networks as sizes
from benchmarks.returnn.processes import Worker

TASKS = [
    ("BLSTM", "training", 2.5),
    ("attention decoder", "training", 2.0),
    ("Transformer decoder", "training", 1.5),
    ("attention decoder", "search", 3.0),
    ("Transformer decoder", "search", 3.0),
    ("attention decoder", "search of one", 3.0),
    ("Transformer decoder", "search of one", 3.0),
]


TRIED = """\
Rows and all that is said of two at once are of one day and one machine (two processors with AVX-512). On an earlier one, of about twice its speed, the ratios of the rows
above were 2.69, 3.36, 1.09, 2.75, 2.24, 3.33 and 4.38, and Tenure's searches took 1.01, 1.01, 0.84 and 1.02 of the time of those by hand; sections below are of that one where nothing else is said.

## What training with a Transformer takes

By XLA's profile of a step of 24 ms, milliseconds that operations took, of which some ran at the same time: products with parameters 19.6, attention's
products 1.5, Adam's update 2.5, sums, layer norms and softmax 2.1, turning arrays for products and heads 1.9, copies of parameters 0.7, all else 1. The
products have 192 rows, as many as there are labels; there XLA is about as fast as TensorFlow (192 x 256 x 1024: 0.43 and 0.48 ms), so that the bar of
1.5 would ask for a step with almost nothing else. What was gained, of 45 ms of processor time: gradients of matrices with their input turned
first, cross entropy without a scatter, and the best label by two reductions in place of `argmax`, 37 ms. XLA's flags (vector width, schedulers) gave nothing.

On another machine, whose two processors have no AVX-512, training takes 43.5 ms next to 62.4 of RETURNN (1.40 times as fast, the median of four rounds), a search
of eight 255 next to 679 (2.63), a search of one 63 next to 139 (2.20). There, on one processor, products take 72 of a training step's 88 ms and 361 of a search's
402 ms, at the rate of its largest products (85 of 86 GFLOP/s for 96 x 256 x 1024). Without XLA's YNNPACK a step takes 1.2 times as long, with XNNPACK or oneDNN as
long as that. Huge pages for the C library's memory: training 43.8 next to 44.6, a search of eight 279 next to 290, of one 73 next to 71.

## Two processors

With one batch at a time, the second processor idles. Two at once fill it: the whole of `tenure search`, its data and texts included, took these milliseconds for a
batch after the first four, with `batches_in_flight = 1` and with the default, 2, in turns, the less of two runs:

| network | task | one | two |
|---|---|---:|---:|
| Transformer decoder | search of eight; of one | 252; 40.8 | 179; 27.1 |
| attention decoder | search of eight | 252 | 221 |
| Transformer decoder; attention decoder; BLSTM | `tenure eval`, batches of eight | 14.5; 32.3; 23.0 | 11.3; 29.0; 19.9 |

Three at once are no faster than two, and without XLA's threads within an operation (`--xla_cpu_multi_thread_eigen=false`) nothing is gained. With batches in flight, what follows is not
needed: it is about the second processor within one search.

Of a training step of 46.7 ms on the machine without AVX-512 the second processor idles for a fifth, of a search of eight for a half. Within an operation, XLA (jaxlib 0.10.2) spreads large
products over processors, not those of many small matrices, nor 12 rows by 256 x 256. Between operations, it gives work to another thread only where more than eight
are ready at once, and no flag changes that: independent halves of a batch run one after the other. By hand, a search of eight, each row of variants measured in turns:

| variant | ms |
|---|---:|
| the whole; attention in 2, in 4 parts; the step on two halves of the sentences, on four quarters | 265; 267, 273; 306, 339 |
| the whole; attention in 8 parts; in 16 (compiles in 19 s, not in 4) | 283; 302; 297 |
| two CPU devices, a half of the sentences on each (`jax.shard_map`), next to one; other work ran too | 252 next to 325 |

Tenure's own search on two CPU devices took 272 ms by `jax.shard_map` and 308 as a batch that is spread over them, next to 330 on one (other work ran too); training so
took 109 next to 58: gradients are summed over devices, and each device updates all parameters. Against copies of parameters, an optimization barrier ahead of Adam and
buffers that are not donated gave nothing (61 and 59 next to 58).

Search of one: on one processor Tenure's program takes no longer than the one by hand, operation by operation. On two it took 1.07 times as long, a search of eight 1.03
(medians of four rounds). Attention to the encoder with its factors in the other order, as by hand, gave nothing. Products of 12 rows with 256 x 1024 take 0.29 ms
on two processors and 0.21 on one.

## What a search with the attention decoder takes

It keeps both processors busy with one batch (447 of 2 x 237 ms), so that two at once gain little. By XLA's profile on one processor, of 443 ms for eight sentences: products
with parameters 364, `tanh` of the attention's energy 40, its product with a vector 21, the sum over the encoder 4, all else 14; by hand 370, 36, 21, 4 and 14. The products run at 88
GFLOP/s, where the largest one (1024 x 1024 x 1024) runs at 106. So there is nothing to save but the products themselves.

Large pages for the C library's memory (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`), on this virtual machine, medians of six rounds: training 1.02 (both Transformer and BLSTM) and 1.08 (attention) times as
fast, searches 1.05 (attention) and 1.06 (Transformer), of one 1.12; two searches at once 0.99, 1.06 and 1.06.

## What was tried for searches with a Transformer

Eight sentences, beam 12, 30 steps. First, hypotheses' keys and values were moved after each step; with the search of `by_hand.py` of that time
(181 ms), each change measured next to it on the same machine, once:

| change | ms |
|---|---:|
| keys and values stay where they are, and a table of ancestors says which of them a hypothesis sees (another form than today's) | 279 |
| hypotheses' keys and values gathered with indices that are promised to be valid | 183 |
| followed in place in blocks of eight steps, only those in use | 178 |
| what the encoder gave turned once, before the loop (Tenure does) | 170 |
| room for 120 steps, of which 30 are made | 421 |
| the same in blocks of eight steps | 209 |

Now keys and values stay where they are, each hypothesis is compared with the keys of all by one product, and takes those of its ancestors. The core
of self-attention alone, three layers, 30 steps, processor time (the machine was busy with other work):

| core | ms |
|---|---:|
| keys and values follow their hypotheses | 49 |
| compared with all, in one block | 35 |
| compared with all, in blocks of which those in use are looked at, a condition for each | 30 |
| the same, one condition for all (Tenure and `by_hand.py` do) | 26 |
| room for 120 steps: follow their hypotheses; one block; blocks | 343; 175; 56 |
| one sentence: follow; blocks | 9.1; 2.9 |
| beam 4: follow; blocks | 15.7; 3.8 |
| beam 32: follow; blocks | 229; 152 |
| beam 64: follow; blocks (Tenure does, up to here) | 504; 555 |

There blocks were each as large as all before, from 16 steps on. On the machine without AVX-512 a step of the search of eight waits for memory: it reads 13 MB of
parameters and up to 18 MB of keys and values, of which its cache keeps 12 to 18 MB. The product of 32 x 12 x 64 x 192 takes 0.12 ms if its keys are in the cache, and 0.28 in
the search. Smaller blocks, of which less is read in vain, by hand and in turns: 16 and 14 steps 283 ms; 8, 8 and 14 269; 8, 8, 8 and 6 252. Tenure's search
went from 266 to 246 ms with four blocks of 8 and then blocks each as large as all before; compiling went from 4.4 to 6.3 s of processor time.

The best 12 of 24,000 scores for eight sentences, 30 times, with the logarithm of the softmax: 11.4 ms with `jax.lax.top_k`, 4.2 with `functional.top_k`,
2.5 without a choice. Blocks that do not fill a row took 6 to 7.

What is left, by XLA's own profile of the search with a Transformer: products with parameters 83 ms, self-attention's products 24 (XLA computes products of
many small matrices on one core), what is around them 9, attention to the encoder 12, the choice 3, all else 8.

## Finished sentences

With `compact` of the `rec` layer, a search goes on with half of the batch when half of its sequences are over. 16 sentences, beam 12, the last one
over after 30 steps; milliseconds of processor time, as the machine was busy with other work. Labels are the same in all.

| searches | all go on | halved once | twice | three times |
|---|---:|---:|---:|---:|
| attention decoder, over after 9 to 30 steps | 423 | 366 | 357 | 350 |
| Transformer decoder, likewise | 352 | | 279 | |
| attention decoder, 15 over after 9 steps, one after 30 | 440 | | 259 | |
| Transformer decoder, likewise | 348 | | 193 | |
| Transformer decoder, none is over early | 350 | | 349 | |

Compiling took 3.4 s of processor time without `compact` (Transformer decoder), 7.0 s with one halving and 10.6 s with three. So it is off unless it is asked for.
""".splitlines()


@dataclasses.dataclass(frozen=True)
class Row:
    """What a task took.

    Attributes:
      name: of the network.
      task: what was done with it.
      bar: how many times as fast as RETURNN it is to be.
      rates: who → for each round, steps a second by the quickest step, and by the least processor time; of searches also "who, two" → the
        same by two threads.
    """

    name: str
    task: str
    bar: float
    rates: dict[str, list[tuple[float, float]]]

    def best(self, who: str, clock: int) -> float:
        """Steps a second."""
        return max(r[clock] for r in self.rates[who])

    def ratio(self, other: str, clock: int, own: str = "tenure") -> float:
        """How many times as fast as another Tenure is: the median over the rounds."""
        pairs = zip(self.rates[own], self.rates[other], strict=True)
        return statistics.median(a[clock] / b[clock] for a, b in pairs)


def measured(name: str, task: str, bar: float, python: str, rounds: int, seconds: float) -> Row:
    """One task, by all who can do it, in turns."""
    ways = {"tenure": ("tenure_worker", sys.executable), "returnn": ("returnn_worker", python)}
    if task != "training":
        ways["hand"] = ("by_hand", sys.executable)
    if task != "training" or name == "Transformer decoder":
        ways["products"] = ("products", sys.executable)
    workers = {who: Worker(*way) for who, way in ways.items()}
    results = {who: w.ask(prepare=name, kind=task)["results"] for who, w in workers.items()}
    for who in {*workers} - {"products"}:
        agree(task, results["tenure"], results[who], who)
    rates: dict[str, list[tuple[float, float]]] = {who: [] for who in workers}
    for i in range(rounds):
        for who in list(workers)[:: 1 if i % 2 else -1]:
            for at_once in (1, 2) if task != "training" and who != "products" else (1,):
                found = workers[who].ask(run=seconds, at_once=at_once)
                name_of = who if at_once == 1 else f"{who}, two"
                rates.setdefault(name_of, []).append((found["best"], found["processor"]))
    for worker in workers.values():
        worker.close()
    return Row(name, task, bar, rates)


def agree(task: str, ours: Any, theirs: Any, who: str) -> None:
    """Raises if the results are others.

    Hypotheses whose scores differ by rounding alone may change places, which changes all that follows.
    """
    if task == "training":
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, err_msg=who)
    elif np.mean(np.all(np.asarray(ours[0]) == np.asarray(theirs[0]), axis=-1)) < 0.75:
        raise SystemExit(f"{who} finds other labels")


def memory(units: int = 512, steps: int = 2000, batch: int = 16) -> dict[str, float]:
    """MiB that the gradient of a loop over a dictionary with an LSTM needs, with and without rematerialisation."""
    import tenure as tn

    def needed(remat: bool) -> float:
        unit = {
            "s": {"class": "rec", "unit": "nativelstm2", "n_out": units, "from": ["data:source", "prev:output"]},
            "output": {"class": "copy", "from": "s"},
        }
        net = {"output": {"class": "rec", "unit": unit, "from": "data", "remat": remat}}
        model = tn.network(net, {"data": {"dim": units}})
        x = jax.ShapeDtypeStruct((batch, steps, units), jnp.float32)
        params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), {"data": jnp.zeros((batch, 3, units))}))

        def loss(params: Any, x: Any) -> Any:
            result, _ = model.apply(params, state, None, {"data": x}, train=True)
            return jnp.sum(jnp.square(result.outputs["output"].data))

        compiled = jax.jit(jax.grad(loss)).lower(params, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes / 2**20

    return {"rematerialised": needed(True), "kept": needed(False)}


def carries(number: int = 12, steps: int = 200, batch: int = 8, units: int = 256, rounds: int = 15) -> dict[str, float]:
    """Milliseconds of processor time of a loop's gradient, with arrays carried as they are and packed into one."""
    xs, scales = jnp.ones((steps, batch, units)), jnp.ones((number, units))

    def gradient(packed: bool) -> Any:
        def body(carry: Any, x: Any) -> Any:
            parts = jnp.split(carry, number, axis=1) if packed else carry
            before = [parts[-1], *parts[:-1]]
            new = [jnp.tanh(p * w + x + q) for p, w, q in zip(parts, scales, before, strict=True)]
            return (jnp.concatenate(new, 1) if packed else new), new[0]

        start = jnp.zeros((batch, number * units)) if packed else [jnp.zeros((batch, units))] * number
        return jax.jit(jax.grad(lambda xs: jax.lax.scan(body, start, xs)[1].sum()))

    compiled = {"as they are": gradient(False), "packed into one": gradient(True)}
    best = dict.fromkeys(compiled, float("inf"))
    for _ in range(rounds):
        for how, run in compiled.items():
            start = time.process_time()
            jax.block_until_ready(run(xs))
            best[how] = min(best[how], 1e3 * (time.process_time() - start))
    return best


def two_at_once(rows: list[Row]) -> list[str]:
    """The table of searches of two batches at the same time."""
    lines = [
        "Two batches at once, by two threads of a process with one compiled program or session, in the same turns: `tenure search` keeps two in flight",
        "([batches_in_flight](training.md#what-is-done)), RETURNN's tool searches one batch after the other. Milliseconds for each batch.",
        "",
        "| network | task | Tenure, two, ms | RETURNN, two, ms | ratio | to RETURNN, one | Tenure, two to one | by hand, two to one | against JAX by hand |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in (r for r in rows if "tenure, two" in r.rates):
        times = [f"{1e3 / r.best(who, 0):.1f}" for who in ("tenure, two", "returnn, two")]
        pairs = [
            ("returnn, two", "tenure, two"),
            ("returnn", "tenure, two"),
            ("tenure", "tenure, two"),
            ("hand", "hand, two"),
        ]
        ratios = [f"{r.ratio(other, 0, own):.2f}" for other, own in pairs]
        hand = f"{1 / r.ratio('hand, two', 0, 'tenure, two'):.2f} ({1 / r.ratio('hand, two', 1, 'tenure, two'):.2f})"
        lines.append("| " + " | ".join([r.name, r.task, *times, *ratios, hand]) + " |")
    return [*lines, ""] if len(lines) > 5 else []


def report(rows: list[Row], needed: dict[str, float], carried: dict[str, float]) -> str:
    """The page."""
    lines = [
        "# Recurrence and search against RETURNN on TensorFlow",
        "",
        "The same dictionary, batch and values, by `tn.network` under `jax.jit` and by RETURNN's own network and session, in processes that",
        "take turns; losses, or the labels found, must agree first. Training is losses, errors, gradients and Adam's update; a search is",
        f"with beam {sizes.BEAM} and {sizes.STEPS} steps, none of which ends early, for {sizes.BATCH} sentences or for one. Made by",
        "`python -m benchmarks.returnn.loops --python PYTHON --out docs/benchmarks-loops.md`, in parts (`--only`, `--rows`) while nothing else ran;",
        "`benchmarks/returnn/loop_networks.py` has the networks, `by_hand.py` next to it the same searches written by hand in JAX.",
        "",
        "Milliseconds are those of the quickest step; ratios are medians over rounds. Wall time is what a user waits for; processor",
        "time, summed over threads, is what other processes on the machine disturb less.",
        "",
        "| network | task | Tenure, ms | RETURNN, ms | ratio | bar | by processor time | against JAX by hand | products alone, ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        times = [f"{1e3 / r.best(who, 0):.1f}" for who in ("tenure", "returnn")]
        hand = f"{1 / r.ratio('hand', 0):.2f} ({1 / r.ratio('hand', 1):.2f})" if "hand" in r.rates else ""
        cells = [r.name, r.task, *times, f"{r.ratio('returnn', 0):.2f}", f"{r.bar:.1f}", f"{r.ratio('returnn', 1):.2f}"]
        alone = ""
        if "products" in r.rates:
            best = r.ratio("returnn", 0) / r.ratio("products", 0)
            alone = f"{1e3 / r.best('products', 0):.1f} ({best:.1f})"
        lines.append("| " + " | ".join([*cells, hand, alone]) + " |")
    lines += [
        "",
        "Against JAX by hand: our time as a multiple of its time, by wall time and, in brackets, by processor time; the bar is 1.1.",
        "Products alone (`products.py`): the task's products of matrices (in training with Adam's update), one after the other, and nothing",
        "else: what a program that saves all the rest would take, and in brackets its ratio to RETURNN.",
        "",
        "Tenure keeps freed memory (`keep_freed_memory`), as `tenure train` does.",
        "",
        *two_at_once(rows),
        "A loop over a dictionary with an LSTM of 512 units, batch 16, 2,000 steps, forward and backward: "
        + ", ".join(f"{n:,.0f} MiB {how}" for how, n in needed.items())
        + " (`remat` of the `rec` layer; the bar is 2,048).",
        "",
        "Twelve arrays of 8 x 256 that a loop carries over 200 steps, forward and backward, processor time: "
        + ", ".join(f"{n:.1f} ms {how}" for how, n in carried.items())
        + ". They are carried as they are.",
        "",
        *TRIED,
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, and prints the page or writes it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.returnn.loops", description=__doc__.partition("\n")[0])
    parser.add_argument("--python", required=True, help="of an environment with RETURNN and TensorFlow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each turn")
    parser.add_argument(
        "--only", default="", help="tasks whose 'network, task.' has this in it; 'nothing' for the page alone"
    )
    parser.add_argument("--rows", type=Path, help="a JSON file of rows that were measured; new ones are put into it")
    parser.add_argument("--out", type=Path, help="the Markdown file to write; the terminal if left out")
    given = parser.parse_args()
    known = json.loads(given.rows.read_text()) if given.rows is not None and given.rows.exists() else []
    rows = {(r["name"], r["task"]): Row(**r) for r in known}
    for name, task, bar in TASKS:
        if given.only in f"{name}, {task}.":
            row = rows[name, task] = measured(name, task, bar, given.python, given.rounds, given.seconds)
            clocks = [f"{row.ratio(who, clock):.2f}" for who in row.rates if who != "tenure" for clock in (0, 1)]
            print(f"{name}, {task}: {', '.join(clocks)}", file=sys.stderr, flush=True)
        ordered = [rows[name, task] for name, task, _ in TASKS if (name, task) in rows]
        if given.rows is not None:
            written(given.rows, json.dumps([dataclasses.asdict(r) for r in ordered], indent=1))
    if given.out is not None:
        written(given.out, report(ordered, memory(), carries()))
    elif given.rows is None:
        print(report(ordered, memory(), carries()))


def written(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
