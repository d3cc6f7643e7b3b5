"""The setups of `examples/configs` fit their data: `tenure check` finds nothing wrong, on small data made here."""

import inspect
import json
import os
import pickle
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import tenure as tn
from examples.configs import baselines, prepare
from tenure.cli.commands import new
from tenure.training.config import from_command_line

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(p.name for p in (ROOT / "examples" / "configs").glob("*.py") if p.read_text().startswith("#!tenure"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few sequences of each kind of data, laid out as `prepare` leaves them."""
    soundfile = pytest.importorskip("soundfile")
    made, rng = tmp_path_factory.mktemp("configs"), np.random.default_rng(0)
    for name in ("g2p", "shakespeare", "asr", "frames", "translate"):
        (made / name / "data").mkdir(parents=True)
    letters = list(" 'abcdefghijklmnopqrstuvwxyz")
    (made / "asr" / "data" / "letters.json").write_text(json.dumps(letters))
    for part in ("train", "dev", "test"):
        wave = made / "a.wav"
        soundfile.write(wave, rng.normal(size=12000).astype("float32") * 0.1, 8000)
        with zipfile.ZipFile(made / "asr" / "data" / f"{part}.zip", "w") as archive:
            entries = [{"file": f"{i}.wav", "seq_name": str(i), "text": "press one", "duration": 1.5} for i in range(4)]
            for entry in entries:
                archive.write(wave, f"{part}/{entry['file']}")
            archive.writestr(f"{part}.txt", repr(entries))
        (made / "g2p" / "data" / f"source.{part}").write_text("c a t\nt a c\n")
        (made / "g2p" / "data" / f"target.{part}").write_text("K AE T\nT AE K\n")
        (made / "translate" / "data" / f"source.{part}").write_text("▁a ▁house\n▁a\n")
        (made / "translate" / "data" / f"target.{part}").write_text("▁ein ▁ house\n▁ein\n")
        (made / "shakespeare" / "data" / f"{part}.txt").write_text("to be or not to be\nthat is it ,\n")
    for side, labels in (("source", "act"), ("target", ("K", "AE", "T"))):
        ids = {label: i for i, label in enumerate(["</s>", "<unk>", *labels])}
        (made / "g2p" / "data" / f"{side}.vocab.pkl").write_bytes(pickle.dumps(ids))
        pieces = ["</s>", "<unk>", "▁a", "▁ein", "▁", "▁house", "house"]
        ids = {piece: i for i, piece in enumerate(pieces)}
        (made / "translate" / "data" / f"{side}.vocab.pkl").write_bytes(pickle.dumps(ids))
    (made / "g2p" / "data" / "sizes.json").write_text(json.dumps({"source": 5, "target": 5}))
    (made / "translate" / "data" / "sizes.json").write_text(json.dumps({"pieces": 7}))
    words = ["</s>", "<unk>", "to", "be", "or", "not", *(f"w{i}" for i in range(20))]
    (made / "shakespeare" / "data" / "sizes.json").write_text(json.dumps({"words": len(words)}))
    (made / "shakespeare" / "data" / "words.pkl").write_bytes(pickle.dumps({w: i for i, w in enumerate(words)}))
    prepare.frames(made / "asr" / "data", made / "frames" / "data")
    return made


def test_baselines(folder):
    assert baselines.g2p(folder / "g2p" / "data") == "each letter's most frequent phoneme: phoneme error rate 0.0%"
    assert baselines.asr(folder / "asr" / "data").endswith("character error rate 0.0%")
    assert baselines.translate(folder / "translate" / "data").startswith("copying the source: BLEU ")
    assert "frame error rate" in baselines.frames(folder / "frames" / "data")
    assert 1 < float(baselines.shakespeare(folder / "shakespeare" / "data").split()[3].rstrip(";")) < 15


def test_letters_are_divided_evenly_among_what_is_loud():
    features = np.full((10, 40), -1.0)
    features[2:8] = 1.0
    assert prepare.aligned(features, np.array([5, 6, 7]), silence=28).tolist() == [28, 28, 5, 5, 6, 6, 7, 7, 28, 28]


def test_the_project_of_tenure_new_is_the_setup_of_the_same_name(folder, monkeypatch):
    monkeypatch.setenv("TENURE_CONFIGS", str(folder))
    made = folder / "g2p" / "config.py"
    made.write_text(dict(new.files("g2p"))["config.py"])
    setup, project = (runpy.run_path(str(path)) for path in (ROOT / "examples" / "configs" / "g2p.py", made))
    places = {"model", "learning_rate_file", "search_output_file", "folder"}
    keys = [k for k, v in setup.items() if not (k in places or k.startswith("_") or callable(v) or inspect.ismodule(v))]
    assert "network" in keys and {k: project.get(k) for k in keys} == {k: setup[k] for k in keys}


def test_spec_augment_masks_stretches_within_a_sequence_while_training(folder, monkeypatch):
    monkeypatch.setenv("TENURE_CONFIGS", str(folder))
    config = from_command_line([str(ROOT / "examples" / "configs" / "asr_attention.py")])
    layers = {"source": config.typed["network"]["source"], "output": {"class": "copy", "from": "source"}}
    net = tn.network(layers, {"data": {"dim": 40}}, behavior_version=0, config=config.typed)
    batch = {"data": (np.ones((3, 90, 40), "float32"), [90, 90, 40])}
    params, state = net.init(jax.random.key(0), batch)

    @jax.jit
    def masked(key, step):
        result, _ = net.apply(params, state, key, batch, train=True, step=step)
        return result.outputs["output"].batch_first().data == 0

    for step, most in ((0, 1), (1000, 2)):
        found = np.stack([masked(jax.random.key(i), step) for i in range(20)]).reshape(60, 90, 40)
        frames = np.where(np.arange(60) % 3 == 2, 40, 90)
        for number, (mask, length) in enumerate(zip(found, frames, strict=True)):
            in_time, in_features = mask[:length].all(1), mask[:length].all(0)
            assert (mask[:length] == in_time[:, None] | in_features).all(), number
            assert 1 <= in_time.sum() <= 20 * most and 1 <= in_features.sum() <= 6 * most
            starts = [int(m[0]) + (np.diff(m.astype(int)) == 1).sum() for m in (in_time, in_features)]
            assert max(starts) <= most
        assert len({mask.tobytes() for mask in found}) > 50
    plain, _ = net.apply(params, state, None, batch)
    assert (plain.outputs["output"].batch_first().data[:2] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("config", ["asr_ctc.py", "asr_attention.py", "asr_transducer.py"])
def test_recognisers_train_and_search(config, folder, tmp_path):
    environment = {**os.environ, "TENURE_CONFIGS": str(folder), "PYTHONPATH": str(ROOT / "src")}
    for task in ("train", "search"):
        options = ["++num_epochs", "1", "++buckets", "'exact'"]
        command = [sys.executable, "-m", "tenure", task, str(ROOT / "examples" / "configs" / config), *options]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    assert "Search scores: WER" in run.stdout and "of 4 sequences" in run.stdout
    (found,) = tmp_path.glob("runs/configs/*/found.txt")
    assert len(found.read_text().splitlines()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_check_finds_nothing_wrong(config, folder):
    environment = {**os.environ, "TENURE_CONFIGS": str(folder), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "tenure", "check", str(ROOT / "examples" / "configs" / config)]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing wrong was found" in run.stdout
