"""Compiled programs: known shapes ahead of time, others when they come."""

import re

from tenure.training.config.config import Config
from tenure.training.engine.checking import findings
from tests.training.data.test_ogg_zip import archive
from tests.training.engine.padded import config, lines, run, sequences


def test_known_shapes_are_compiled_ahead_the_largest_first(tmp_path):
    data = {"class": "StaticDataset", "data": sequences(40)}
    _, log = run(tmp_path / "run", batching="default", train=data, recurrent_net=True)
    known = [tuple(map(int, found)) for found in lines(log, "training of")]
    cells = [rows * (a + b) for rows, a, b in known]
    assert 1 < len(known) <= 8 and cells == sorted(cells, reverse=True)
    assert lines(log, "evaluation of") and not lines(log, "a new shape")
    assert re.search(r"compiled training of .*: [\d.]+ s, memory [\d.]+ .*B: .* arguments and results, .* working", log)


def test_a_shape_that_nobody_knew_is_named(tmp_path):
    rows = [{"data": [0] * n, "classes": [1] * n} for n in (3, 5, 20)]
    net = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data", "n_out": 2}}
    given = {"extern_data": {"data": {"dim": 2, "sparse": True}}, "network": net, "dev": None}
    given |= {"batching": "default", "max_seqs": 2, "recurrent_net": True}
    data = {"class": "SourceDataset", "source": rows, "dims": {"data": 2}}
    _, log = run(tmp_path / "run", **given, train=data)
    assert re.findall(r"compiled a new shape, (.*?):", log) == ["2 x (data 8)", "2 x (data 24)"]


def test_pieces_of_words_have_known_shapes(tmp_path):
    text = tmp_path / "text"
    text.write_text("".join("a" * n + "\n" for n in (3, 5, 20)))
    letters = {"class": "CharacterTargets", "labels": ["a", "[END]"], "seq_postfix": [1], "unknown_label": None}
    data = {"class": "LmDataset", "corpus_file": str(text), "dtype": "int32", "orth_vocab": letters}
    net = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data", "n_out": 2}}
    given = {"extern_data": {"data": {"dim": 2, "sparse": True}}, "network": net, "dev": None, "recurrent_net": True}
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
