"""`tenure convert`, `inspect`, `diff`, and what `--help` costs."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import convert, nn
from tenure.cli import main
from tenure.cli.main import names, parser
from tenure.convert import Weights, held

RULES = '[rules]\n"wte" = "embed/embeddings"\n"lm_head | transpose" = "head/w"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = np.arange(28, dtype="float32").reshape(7, 4)
    convert.write("m.safetensors", Weights("", "", {"wte": held(table)}, {"lm_head": "wte"}))
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def test_convert_writes_a_checkpoint_that_a_model_restores(folder, capsys):
    assert main(["convert", "m.safetensors", "checkpoint", "--map", "rules.toml"]) == 0
    assert "head/w = embed/embeddings | transpose" in capsys.readouterr().out

    def lm(tokens):
        embed = nn.Embed(7, 4, name="embed")
        return nn.Linear(7, with_bias=False, name="head", share={"w": embed.ref("embeddings").T})(embed(tokens))

    model = tn.transform(lm)
    restored = tn.restore("checkpoint", model.plan(jnp.zeros((1, 2), int)))
    assert jax.tree.map(jnp.shape, restored.params) == {"embed": {"embeddings": (7, 4)}}


def test_convert_there_and_back(folder, capsys):
    assert main(["convert", "m.safetensors", "w.npz", "--map", "rules.toml"]) == 0
    assert sorted(np.load("w.npz")) == ["embed/embeddings", "head/w"]  # .npz has no ties: copies
    assert main(["convert", "w.npz", "back.pt", "--map", "rules.toml", "--reverse"]) == 0
    assert main(["diff", "m.safetensors", "back.pt"]) == 1
    assert "≠ lm_head  tied to wte in the first, no tie in the second" in capsys.readouterr().out


def test_an_existing_output_is_refused_without_force(folder, capsys):
    arguments = ["convert", "m.safetensors", "w.npz"]
    assert main(arguments) == 0
    before = (folder / "w.npz").read_bytes()
    assert main(arguments) == 1
    assert "error: 'w.npz' exists already" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    assert (folder / "w.npz").read_bytes() == before
    (folder / "other").mkdir()
    (folder / "other" / "notes.txt").write_text("mine")
    assert main(["convert", "m.safetensors", "other", "--force"]) == 1
    assert (folder / "other" / "notes.txt").read_text() == "mine"


def test_errors_are_sentences_not_tracebacks(folder, capsys):
    (folder / "rules.toml").write_text('[rules]\n"wtf" = "x/w"\n')
    assert main(["convert", "m.safetensors", "out.npz", "--map", "rules.toml"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: rules.toml: the rule for 'wtf' is for nothing in 'm.safetensors'") and "wte" in said
    assert not (folder / "out.npz").exists()
    assert main(["inspect", "none.npz"]) == 1
    assert "'none.npz' is not there" in capsys.readouterr().err


def test_an_output_that_cannot_be_is_a_sentence(folder, capsys):
    for output, said in {
        "m.safetensors/w.npz": "'m.safetensors/w.npz' cannot be written: Not a directory",
        "none/w.npz": "'none/w.npz' cannot be written: No such file or directory",
        "w.safetensor": "the ending '.safetensor' of 'w.safetensor' says no format that is known",
    }.items():
        assert main(["convert", "m.safetensors", output]) == 1
        assert f"error: {said}" in capsys.readouterr().err
    assert not (folder / "w.safetensor").exists()
    assert (
        main(["convert", "m.safetensors", "v1.2"]) == main(["convert", "m.safetensors", "a.bin", "--to", "tenure"]) == 0
    )
    assert (folder / "v1.2" / "tenure.json").exists() and (folder / "a.bin" / "tenure.json").exists()


def test_a_tolerance_is_a_distance(folder, capsys):
    for tolerance in ("nan", "-1", "much"):
        with pytest.raises(SystemExit) as leave:
            main(["diff", "m.safetensors", "m.safetensors", f"--tolerance={tolerance}"])
        assert leave.value.code == 2 and "invalid distance value" in capsys.readouterr().err


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


def test_what_a_checkpoint_holds_besides_is_told_and_never_lost_in_place(folder, capsys):
    model = tn.transform(lambda x: nn.Linear(2, name="l")(x))
    plan, params = model.plan(jnp.ones(3)), model.init(jax.random.key(0), jnp.ones(3))
    tn.save("run", plan, params, opt_state={"m": params}, step=3)
    tn.save("bare", plan, params)
    assert main(["convert", "run", "w.npz"]) == 0
    assert (
        "not written: training (2 tensors, --group training), the step of the checkpoint run" in capsys.readouterr().out
    )
    assert main(["convert", "run", "run", "--force"]) == 1
    assert "would lose training" in capsys.readouterr().err
    assert tn.restore("run", plan, opt_state={"m": params}).step == 3
    assert main(["convert", "bare", "bare", "--force"]) == 0
    assert "not written" not in capsys.readouterr().out


def test_diff(folder, capsys):
    a = {"x": np.arange(4.0), "same": np.ones(2), "shape": np.ones(2), "gone": np.ones(1), "nan": np.array([np.nan])}
    b = {**a, "x": np.array([0, 1, 2, 3.5]), "shape": np.ones(3), "new": np.ones(1), "same": np.ones(2, "float32")}
    del b["gone"]
    for name, values in (("a.npz", a), ("b.npz", b)):
        convert.write(name, Weights("", "", {k: held(v) for k, v in values.items()}))
    assert main(["diff", "a.npz", "a.npz"]) == 0
    assert capsys.readouterr().out == "no difference in 5 names\n"
    assert main(["diff", "a.npz", "b.npz"]) == 1
    said = capsys.readouterr().out
    assert "≠ x  (4,)  max|Δ| 0.5 (values up to 3.5), 1 of 4 values" in said
    assert "≠ shape  (2,) and (3,)" in said and "- gone  (1,)" in said and "+ new  (1,)" in said
    assert "≠ same  (2,)  float64 and float32, equal values" in said and "nan" not in said
    assert main(["diff", "a.npz", "b.npz", "--tolerance", "1"]) == 1
    assert "≠ x" not in capsys.readouterr().out


def test_integers_are_compared_as_integers(folder, capsys):
    for name, value in {"a.npz": 2**62 + 1, "b.npz": 2**62, "c.npz": -(2**63)}.items():
        convert.write(name, Weights("", "", {"x": held(np.array([value, 1]))}))
    assert main(["diff", "a.npz", "a.npz"]) == 0
    assert main(["diff", "a.npz", "b.npz", "--tolerance", "1"]) == 0
    capsys.readouterr()
    assert main(["diff", "a.npz", "b.npz"]) == 1
    assert "max|Δ| 1 (" in capsys.readouterr().out
    assert main(["diff", "c.npz", "a.npz"]) == 1
    assert "max|Δ| 1.38e+19 (" in capsys.readouterr().out


def test_what_would_do_nothing_is_told(folder, capsys):
    for arguments in (
        ["convert", "m.safetensors", "w.npz", "--reverse"],
        ["diff", *["m.safetensors"] * 2, "--reverse"],
    ):
        assert main(arguments) == 1
        assert "--reverse turns rules round, and there are none" in capsys.readouterr().err
    assert main(["convert", "m.safetensors", "checkpoint", "--map", "rules.toml"]) == 0
    for arguments in (["convert", "checkpoint", "w.npz"], ["inspect", "checkpoint"]):
        assert main([*arguments, "--group", "training"]) == 1
        assert "'checkpoint' has no group 'training'" in capsys.readouterr().err
    assert not (folder / "w.npz").exists()


def test_ties_that_became_copies_are_told(folder, capsys):
    assert main(["convert", "m.safetensors", "w.npz"]) == 0
    assert "lm_head = wte  (written as a copy)" in capsys.readouterr().out
    assert main(["convert", "m.safetensors", "w.pt"]) == 0
    assert "written as a copy" not in capsys.readouterr().out


def test_every_command_has_help():
    for name in names():
        with pytest.raises(SystemExit) as leave:
            main([name, "--help"])
        assert leave.value.code == 0
    assert {"convert", "diff", "inspect"} <= set(names())
    parser().parse_args(["convert", "a", "b"])


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env={**os.environ})


def test_the_module_runs_and_tells_its_version():
    assert run("-m", "tenure", "--version").stdout == f"tenure {tn.__version__}\n"
    assert run("-m", "tenure").returncode == 2


def test_help_imports_neither_jax_nor_numpy():
    code = """
import sys
from tenure.cli.main import parser
parser().format_help()
print(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""
    said = run("-c", code).stdout
    assert "tenure" in said and not {"jax", "jaxlib", "numpy", "h5py", "safetensors"} & set(eval(said))
