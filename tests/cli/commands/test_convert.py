"""`tenure convert`: from format to format, by rules, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn
from tenure.cli import main


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
