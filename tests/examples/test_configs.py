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

import numpy as np
import pytest

from examples.configs import baselines, prepare
from tenure.cli.commands import new

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
    words = ["</s>", "<unk>", "to", "be", "or", "not", *(f"w{i}" for i in range(8712))]
    (made / "shakespeare" / "data" / "words.pkl").write_bytes(pickle.dumps({w: i for i, w in enumerate(words)}))
    prepare.frames(made / "asr" / "data", made / "frames" / "data")
    return made


def test_baselines(folder):
    assert baselines.g2p(folder / "g2p" / "data") == "each letter's most frequent phoneme: phoneme error rate 0.0%"
    assert baselines.asr(folder / "asr" / "data").endswith("character error rate 0.0%")
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


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_check_finds_nothing_wrong(config, folder):
    environment = {**os.environ, "TENURE_CONFIGS": str(folder), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "tenure", "check", str(ROOT / "examples" / "configs" / config)]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing wrong was found" in run.stdout
