"""Batches padded to few shapes: what training computes stays the same, and what is compiled is told."""

import io
import re

import numpy as np
import pytest

from tenure.training.config.config import Config
from tenure.training.engine import tasks
from tenure.training.engine.checking import findings
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read
from tenure.training.errors import BatchError
from tests.training.data.test_ogg_zip import archive

h5py = pytest.importorskip("h5py")
NET = {
    "h": {"class": "linear", "activation": "tanh", "n_out": 3, "from": "data"},
    "output": {"class": "softmax", "loss": "ce", "from": "h"},
}


def sequences(count, seed=0):
    random = np.random.RandomState(seed)
    lengths = random.choice([9, 25, 38], count)
    return [
        {"data": random.randn(n, 4).astype("float32"), "classes": random.randint(0, 3, n).astype("int32")}
        for n in lengths
    ]


def config(folder, **more):
    return {
        "model": f"{folder}/net/model",
        "learning_rate_file": f"{folder}/rates",
        "train": {"class": "StaticDataset", "data": sequences(10)},
        "dev": {"class": "StaticDataset", "data": sequences(9, 1)},
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
        "network": NET,
        "batch_size": 100,
        "max_seqs": 5,
        "batching": "random",
        "learning_rate": 0.01,
        "num_epochs": 2,
        **more,
    }


def run(folder, **more):
    log = io.StringIO()
    tasks.run(config(folder, **more), Log(3, out=log))
    return read(Models(folder / "net" / "model").path(2)), log.getvalue()


def lines(log, what):
    return re.findall(rf"compiled {what}.* (\d+) x \(classes (\d+), data (\d+)\)", log)


def test_padding_changes_no_number(tmp_path):
    exact, log = run(tmp_path / "exact", buckets="exact")
    few, told = run(tmp_path / "few", buckets=4)
    for name in exact:
        np.testing.assert_allclose(few[name], exact[name], rtol=2e-4, atol=1e-6, err_msg=name)
    scores = [
        [
            float(v)
            for v in re.findall(
                r"'(?:dev|train)_score': (?:np\.float32\()?([\d.]+)", (tmp_path / n / "rates").read_text()
            )
        ]
        for n in ("exact", "few")
    ]
    assert len(scores[0]) == 4
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5)
    assert len(lines(told, "a new shape")) < len(lines(log, "a new shape"))


def test_known_shapes_are_compiled_ahead_the_largest_first(tmp_path):
    data = {"class": "StaticDataset", "data": sequences(40)}
    _, log = run(tmp_path / "run", batching="default", train=data)
    known = [tuple(map(int, found)) for found in lines(log, "training of")]
    cells = [rows * (a + b) for rows, a, b in known]
    assert 1 < len(known) <= 8 and cells == sorted(cells, reverse=True)
    assert lines(log, "evaluation of") and not lines(log, "a new shape")
    assert re.search(r"compiled training of .*: [\d.]+ s, memory [\d.]+ .*B: .* arguments and results, .* working", log)


def test_a_shape_that_nobody_knew_is_named(tmp_path):
    rows = [{"data": [0] * n, "classes": [1] * n} for n in (3, 5, 20)]
    net = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data", "n_out": 2}}
    given = {"extern_data": {"data": {"dim": 2, "sparse": True}}, "network": net, "dev": None}
    given |= {"batching": "default", "max_seqs": 2}
    data = {"class": "SourceDataset", "source": rows, "dims": {"data": 2}}
    _, log = run(tmp_path / "run", **given, train=data)
    assert re.findall(r"compiled a new shape, (.*?):", log) == ["2 x (data 8)", "2 x (data 24)"]


def test_pieces_of_words_have_known_shapes(tmp_path):
    text = tmp_path / "text"
    text.write_text("".join("a" * n + "\n" for n in (3, 5, 20)))
    letters = {"class": "CharacterTargets", "labels": ["a", "[END]"], "seq_postfix": [1], "unknown_label": None}
    data = {"class": "LmDataset", "corpus_file": str(text), "dtype": "int32", "orth_vocab": letters}
    net = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data", "n_out": 2}}
    given = {"extern_data": {"data": {"dim": 2, "sparse": True}}, "network": net, "dev": None}
    _, log = run(tmp_path / "run", **given, train=data, batching="sorted", max_seqs=2, buckets=2)
    assert re.findall(r"compiled training of (.*?):", log) == ["1 x (data 24)", "2 x (data 8)"]
    assert not lines(log, "a new shape")


def test_shapes_of_audio_are_made_from_the_durations_that_an_archive_lists(tmp_path):
    train = {**archive(tmp_path, count=30), "audio": {"features": "log_mel_filterbank", "num_feature_filters": 4}}
    given = {
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 256, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ctc", "from": "data", "n_out": 257}},
        "batching": "laplace:.10",
        "batch_size": 700,
        "dev": None,
        "num_epochs": 2,
    }
    _, log = run(tmp_path / "run", **given, train=train)
    assert len(lines(log, "training of")) > 1 and not lines(log, "a new shape")
    told = findings(Config({**config(tmp_path, **given), "train": train}))
    largest = next(finding for finding in told if finding.about.startswith("memory of "))
    assert sorted(re.findall(r"\d+", largest.about)) == sorted(lines(log, "training of")[0])


def test_declared_buckets_refuse_a_batch_by_its_sequences(tmp_path):
    good = {"buckets": [{"data": 20, "classes": 20, "rows": 5}, {"data": 40, "classes": 40, "rows": 4}]}
    _, log = run(tmp_path / "good", **good)
    assert {found[1] for found in lines(log, "training of")} == {"20", "40"} and not lines(log, "a new shape")
    with pytest.raises(BatchError, match=r"(?s)fits in none of the 1 declared buckets.*'seq-\d+'"):
        run(tmp_path / "small", buckets=[{"data": 20, "classes": 20}])
    with pytest.raises(BatchError, match="says nothing of the stream 'classes'"):
        run(tmp_path / "wrong", buckets=[{"data": 20}])
    with pytest.raises(BatchError, match="no list of shapes"):
        run(tmp_path / "words", buckets="many")


def test_rows_that_fill_up_are_in_no_output(tmp_path):
    run(tmp_path / "run")
    for name, buckets in (("few", None), ("exact", "exact")):
        out = {"forward_data": sequences_of(7), "output_file": str(tmp_path / name), "buckets": buckets}
        tasks.run(config(tmp_path / "run", task="forward", **out), Log(0))
    with h5py.File(tmp_path / "few") as few, h5py.File(tmp_path / "exact") as exact:
        assert len(few["seqTags"]) == 7
        np.testing.assert_allclose(few["inputs"][()], exact["inputs"][()], rtol=1e-5, atol=1e-6)


def sequences_of(count):
    return {"class": "StaticDataset", "data": sequences(count, 2)}
