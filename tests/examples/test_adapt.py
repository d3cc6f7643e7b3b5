"""R24: an adapter on the owner of the translator's three-way tied matrix, and one on a single use of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

import tenure as tn
from examples.adapt.job import OUTPUT, OWNER, merge, stages_for
from examples.translate.model import Config, build

ROOT = Path(__file__).parents[2]
CONFIG = Config(pieces=50, width=16, layers=1, heads=2)
SOURCE = jnp.arange(12).reshape(2, 6) % 50
SMALL = ["--held-out", "20", "--width", "16", "--layers", "1", "--heads", "2", "--vocabulary", "400"]


def adapted(where):
    """A model with an adapter that is not zero."""
    model = build(CONFIG, stages_for(where, 4))
    params = jax.jit(model.init)(jax.random.key(0))
    chosen, rest = tn.partition(params, model.ledger.mask("@lora"))
    return model, tn.combine(rest, jax.tree.map(lambda a: a + 0.3, chosen))


@pytest.mark.parametrize("where", ["owner", "output"])
def test_the_adapter_s_leaves_are_all_that_is_trained(where):
    model, params = adapted(where)
    grads = jax.jit(jax.grad(lambda p: jnp.sum(model.logits(p, None, SOURCE, SOURCE) ** 2)))(params)
    chosen, rest = tn.partition(grads, model.ledger.mask("@lora"))
    assert all(jnp.any(leaf) for leaf in jax.tree.leaves(chosen)) and len(jax.tree.leaves(chosen)) == 2
    assert rest.keys() >= {"translator/source_embed"}
    kept = model.ledger[OWNER]
    assert (kept.frozen, kept.stages) == ((True, ("lora(4)",)) if where == "owner" else (False, ()))
    assert model.ledger[OUTPUT].stages == (() if where == "owner" else ("on_use(lora(4))",))


@pytest.mark.parametrize("where, owners", [("owner", 1), ("output", 2)])
def test_merging_leaves_every_output_as_it_was(where, owners, capsys):
    model, params = adapted(where)
    plain, merged = merge(model, CONFIG, params, where)
    assert not any(row.stages or row.part_of for row in plain.ledger.rows)
    assert len(plain.ledger.owners_of(OWNER) + plain.ledger.owners_of(OUTPUT)) == 2
    assert plain.count == model.count - 50 * 4 - 4 * 16 + (owners - 1) * 50 * 16
    np.testing.assert_allclose(
        plain.logits(merged, None, SOURCE, SOURCE), model.logits(params, None, SOURCE, SOURCE), rtol=1e-5, atol=1e-5
    )
    for a, b in ((model, params), (plain, merged)):
        cache = a.start(b, SOURCE, 4)
        assert jnp.all(jnp.isfinite(a.step(b, jnp.zeros(2, int), jnp.int32(0), cache)[0]))
    said = capsys.readouterr().out
    assert ("tn.untie(plan, params, 'translator/output/w')" in said) == (where == "output")


def program(module, *options):
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, options)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("where", ["owner", "output"])
def test_the_program(where, pairs_file, tmp_path):
    files = ["--pairs", pairs_file, "--cache", tmp_path / "cache"]
    code, said = program("examples.translate", *SMALL, *files, "--out", tmp_path / "start", "--steps", 30)
    assert code == 0, said
    options = ["--start", tmp_path / "start", "--out", tmp_path / "out", "--steps", 30, "--held-out", 20, "--rank", 4]
    code, said = program("examples.adapt", "--where", where, *files, *options)
    assert code == 0, said
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["merged"]["same best piece"] > 0.99
    assert sorted(
        name.partition(".")[2] for name in load_file(tmp_path / "out" / "adapter" / "params.safetensors")
    ) == [
        "lora.down",
        "lora.up",
    ]
    assert "30 steps; validation perplexity" in said and (tmp_path / "out" / "ledger.html").exists()


def test_without_a_trained_translator_it_says_what_to_do(tmp_path):
    code, said = program("examples.adapt", "--start", tmp_path, "--pairs", tmp_path / "none")
    assert code == 1 and "make demo" in said and "Traceback" not in said
