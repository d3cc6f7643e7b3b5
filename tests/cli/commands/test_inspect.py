"""`tenure inspect`: what a file holds."""

import json

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nn
from tenure.cli import main


def test_inspect(folder, capsys):
    assert main(["inspect", "m.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "wte" in said and "(7, 4)" in said and "↳ lm_head" in said
    assert "safetensors: 28 values (112 B) in 1 tensors, 1 tied" in said
    assert main(["inspect", "m.safetensors", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["tensors"]["wte"]["shape"] == [7, 4] and data["ties"] == {"lm_head": "wte"}
    assert main(["inspect", "m.safetensors", "--ledger"]) == 0
    assert "28 parameters" in capsys.readouterr().out
    main(["convert", "m.safetensors", "checkpoint", "--map", "rules.toml"])
    assert main(["inspect", "checkpoint"]) == 0
    assert "tied | transpose" in capsys.readouterr().out


def test_data_are_not_called_weights(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("b a\nb\n")
    assert main(["data", "hdf", str(tmp_path / "a.hdf"), "--text", f"data={tmp_path}/a.txt"]) == 0
    assert main(["inspect", str(tmp_path / "a.hdf")]) == 0
    assert "an HDF data set: " in capsys.readouterr().out


def test_groups_of_a_checkpoint(folder, capsys):
    def counted(x):
        count = tn.get_state("count", (), init=jnp.zeros)
        tn.set_state("count", count + 1)
        return nn.Linear(2, name="linear")(x)

    model, x = tn.transform_with_state(counted), jnp.ones(3)
    params, state = model.init(jax.random.key(0), x)
    tn.save("run", model.plan(x), params, state=state, step=7)
    assert main(["inspect", "run"]) == 0
    said = capsys.readouterr().out
    assert "linear/w" in said and "step: 7" in said and "other groups: {'state': 1" in said
    assert main(["inspect", "run", "--group", "state"]) == 0
    assert "~/count" in capsys.readouterr().out
