"""The whole job: the trained translator, the other language, training, test, merge."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.translate import report
from examples.translate.batches import LENGTHS, Batches, encode
from examples.translate.budget import Budget, Clock
from examples.translate.corpus import Pair, load_pairs, read_table
from examples.translate.job import remember_programs
from examples.translate.model import Config, Params, Translator, build, shared_part
from examples.translate.split import split_pairs
from examples.translate.train import Progress, Recipe, make_evaluate, make_optimizer, make_step, perplexity, train
from examples.translate.translate import make_search, translate
from examples.translate.vocabulary import Vocabulary
from tenure.checkpoints import peek

OWNER = "translator/source_embed/embeddings"
OUTPUT = "translator/output/w"


def stages_for(where: str, rank: int) -> dict[str, Any]:
    """The adapter on the owner, for all users; or on the output's use of it."""
    adapter = tn.stages.LoRA(rank)
    return {OWNER: [adapter]} if where == "owner" else {OUTPUT: [tn.on_use(adapter)]}


def run(options: argparse.Namespace) -> int:
    """Does what `options` say; returns the exit code."""
    clock = Clock(options.minutes, min(30.0, 0.25 * 60 * options.minutes))
    remember_programs(options.cache / "xla")
    config, base, vocabulary = trained(options.start)
    model = build(config, stages_for(options.where, options.rank))
    first = model.init(jax.random.key(0))  # the adapter's first values
    params = tn.transfer(model.plan, base, old_plan=build(config).plan, params=first).params
    pairs = read_table(options.pairs) if options.pairs else load_pairs(options.cache / "translate", options.language)
    parts = split_pairs(pairs, options.held_out)
    train, valid = (encoded(part, vocabulary) for part in (parts.train, parts.valid))
    test = [p for p in parts.test if all(len(vocabulary.encode(t)) < LENGTHS[-1] for t in p[1:])]
    mask = model.ledger.mask("@lora")
    free, frozen = tn.partition(params, mask)
    count = sum(leaf.size for leaf in jax.tree.leaves(free))
    print(f"{parts}\n\n{shared_part(model.ledger)}\n")
    print(f"trainable: {count:,} of {model.count:,} parameters ({count / model.count:.1%})\n")

    before = score(model, params, vocabulary, test, "before")
    free = adapt(model, free, frozen, train, valid, clock, options)
    params = tn.combine(frozen, free)
    after = score(model, params, vocabulary, test, "after")
    merged = merge(model, config, params, options.where)
    same = check(model, params, *merged, valid)
    results = {"where": options.where, "language": options.language, "trainable": count, "parameters": model.count}
    results |= {"before": before, "after": after, "merged": same, "seconds": clock.elapsed}
    keep(options.out, model, free, results)
    print(f"{clock.elapsed:.0f} s in all")
    return 0


def trained(folder: Path) -> tuple[Config, Params, Vocabulary]:
    """The translator that `make demo` has trained.

    Raises:
      FileNotFoundError: there is none.
    """
    path = folder / "checkpoint"
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: train the translator first, with  make demo")
    config = Config(**peek(path).metadata["model"])
    base = tn.restore(path, build(config).plan).params
    return config, base, Vocabulary((folder / "vocabulary.model").read_bytes())


def encoded(pairs: list[Pair], vocabulary: Vocabulary) -> Batches:
    """Batches of the pairs that are not too long."""
    return Batches([e for e in encode(pairs, vocabulary) if e.length <= LENGTHS[-1]], 512)


def adapt(
    model: Translator,
    free: Params,
    frozen: Params,
    pairs: Batches,
    valid: Batches,
    clock: Clock,
    options: argparse.Namespace,
) -> Params:
    """Trains the adapter alone: gradients and optimizer state are of its leaves only."""

    def logits(free: Params, *args: Any) -> jax.Array:
        return model.logits(tn.combine(frozen, free), *args)

    recipe = Recipe(peak=options.rate, warmup=50, decay=0.0)
    optimizer = make_optimizer(recipe, jax.tree.map(lambda _: True, free))
    step, evaluate = make_step(logits, optimizer, recipe), make_evaluate(logits)
    compiled = [0.0]

    def after(progress: Progress, done: Any) -> bool:
        compiled[0] += done.compiling
        if progress.step % 100 == 0:
            print(f"step {progress.step:5d}   loss {float(done.loss):.3f}", flush=True)
        return False

    start = perplexity(evaluate, free, valid.epoch())
    progress = Progress(jax.tree.map(jnp.copy, free), optimizer.init(free), 0)
    progress = train(progress, step, pairs, Budget(clock, steps=options.steps), recipe, after=after)
    end = perplexity(evaluate, progress.params, valid.epoch())
    print(f"{progress.step} steps; validation perplexity of a piece {start:.1f} → {end:.1f}\n")
    trained: dict[str, dict[str, jax.Array]] = progress.params
    return trained


def score(model: Translator, params: Params, vocabulary: Vocabulary, test: list[Pair], when: str) -> dict[str, Any]:
    """BLEU and chrF on the held-out components."""
    english, other = [p.english for p in test], [p.german for p in test]
    found = translate(make_search(model, 4), params, vocabulary, english)
    scores = report.scores(found, other)
    print(f"{when:6}  BLEU {scores['bleu']:5.2f}   chrF {scores['chrf']:5.2f}   on {len(test)} held-out sentences")
    if when == "after":
        print(f"\n{report.examples(english, other, found, 4).replace('  de  ', '  ref ')}")
    return {k: scores[k] for k in ("bleu", "chrf")}


def merge(model: Translator, config: Config, params: Params, where: str) -> tuple[Translator, Params]:
    """The model without its adapter, which the weights contain from now on."""
    if where == "owner":
        merged = tn.merge(model.plan, params, OWNER)
        return build(config, merged.stages), merged.params
    try:
        tn.merge(model.plan, params, OUTPUT)
    except tn.errors.MergeError as error:
        print(f"merging is refused, as it should be:\n{error}\n")
    untied = tn.untie(model.plan, params, OUTPUT)
    loose = build(config, untied.stages, untied.ties)
    merged = tn.merge(loose.plan, untied.params, OUTPUT)
    return build(config, merged.stages, untied.ties), merged.params


def check(model: Translator, params: Params, plain: Translator, merged: Params, batches: Batches) -> dict[str, Any]:
    """How far the merged model's outputs are from the adapted one's."""
    print(f"{shared_part(plain.ledger)}\n")
    batch = batches[0]
    one = model.logits(params, None, batch.source, batch.inputs)
    two = plain.logits(merged, None, batch.source, batch.inputs)
    distance = float(jnp.max(jnp.abs(one - two)))
    agree = float(jnp.mean(jnp.argmax(one, -1) == jnp.argmax(two, -1)))
    print(
        f"merged: the logits differ by at most {distance:.1g}; the best piece is the same in {agree:.2%} of the places"
    )
    return {"parameters": plain.count, "largest difference of a logit": distance, "same best piece": agree}


def keep(out: Path, model: Translator, free: Params, results: dict[str, Any]) -> None:
    """Writes the adapter alone, the ledger's page and the scores."""
    report.write_text(out / "ledger.html", model.ledger.to_html("The translator with its adapter"))
    report.write_text(out / "results.json", json.dumps(results, indent=2) + "\n")
    tn.save(out / "adapter", model.plan, free, only="@lora", overwrite=True)
    print(f"wrote {out}/: {', '.join(sorted(p.name for p in out.iterdir()))}")
