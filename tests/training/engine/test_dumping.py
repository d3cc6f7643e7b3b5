"""Layers that dump: what lies beside the dumped stream, whole batches, files that grow, and layers inside of loops."""

import ast
import io

import numpy as np
import pytest

from tenure.training.data.hdf import HDFDataset
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.training import Stopped, Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import NET, StopAt, config, values
from tests.training.engine.told import BEST, DATA, NO_TARGETS, STATIC, said

h5py = pytest.importorskip("h5py")
LOOP = {
    "class": "rec",
    "from": "data",
    "target": "classes",
    "unit": {
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 4, "from": ["data:source", "prev:s"]},
        "dump": {"class": "hdf_dump", "from": "s", "is_output_layer": True},
        "output": {"class": "softmax", "loss": "ce", "from": "s"},
    },
}


def dump(path, of="output", **more):
    return {"class": "hdf_dump", "from": of, "filename": str(path), "is_output_layer": True, **more}


def evaluated(folder, layers, **more):
    """What evaluation says, of a network with these layers and random parameters."""
    out = io.StringIO()
    net = {"output": {"class": "softmax", "loss": "ce", "from": "data"}, **layers}
    given = {"task": "eval", "allow_random_model_init": True, "train": DATA, "dev": DATA, "network": net, **more}
    tasks.run(config(folder, **given), Log(3, out=out))
    return out.getvalue()


def test_further_layers_are_dumped_beside_and_lengths_say_what_is_padding(tmp_path):
    layers = {
        "mean": {"class": "reduce", "mode": "mean", "axis": "t", "from": "data"},
        "best": {"class": "reduce", "mode": "argmax", "axis": "f", "from": "output"},
        "dump": dump(tmp_path / "a.hdf", extra={"mean": "mean", "labels": "best", "all": "output"}),
    }
    text = evaluated(tmp_path, layers, max_seqs=2)
    assert f"layer 'dump': 3 sequences written to '{tmp_path}/a.hdf'" in text
    data = HDFDataset([f"{tmp_path}/a.hdf"])
    streams = ["data", "all", "all_seq_lens", "labels", "labels_seq_lens", "mean", "mean_seq_lens", "seq_sizes"]
    assert list(data.streams) == streams
    items = [data.load(i, 1) for i in range(3)]
    assert [item.tag for item in items] == ["seq-0", "seq-2", "seq-1"]
    for item, n, padded in zip(items, (3, 4, 5), (4, 4, 5), strict=True):  # two batches, each padded to its longest
        assert item.data["data"].shape == (n, 2) and item.data["seq_sizes"].tolist() == [n]
        assert item.data["all"].shape == (padded, 2) and item.data["all_seq_lens"].tolist() == [n, 2]
        np.testing.assert_array_equal(item.data["all"][:n], item.data["data"])
        assert len(item.data["labels"]) == padded and item.data["labels_seq_lens"].tolist() == [n]
        np.testing.assert_array_equal(item.data["labels"][:n], item.data["data"].argmax(-1))
        np.testing.assert_allclose(item.data["mean"], np.eye(9)[:n].mean(0), rtol=1e-6)


def test_whole_batches_are_one_sequence_each(tmp_path):
    layers = {"dump": dump(tmp_path / "a.hdf", "data", dump_whole_batches=True, extra={"classes": "data:classes"})}
    evaluated(tmp_path, layers, max_seqs=2)
    with h5py.File(tmp_path / "a.hdf") as file:
        assert [tag.decode() for tag in file["seqTags"]] == ["seq-0<->seq-2", "seq-1"]
        assert file["inputs"].shape == (2 * 4 + 5, 9) and file.attrs["inputPattSize"] == 9
        assert file["targets/data/seq_sizes"][()].tolist() == [[3], [4], [5]]
        assert file["targets/data/classes_seq_lens"][()].tolist() == [[3], [4], [5]]
        assert [tag.decode() for tag in file["targets/data/seq_tags"]] == ["seq-0", "seq-2", "seq-1"]
        assert file["targets/data/classes"][()].tolist() == [0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0]


def test_all_data_sets_of_a_task_are_in_one_file_unless_there_is_one_for_each(tmp_path):
    layers = {
        "one": dump(tmp_path / "one.hdf"),
        "each": dump(tmp_path / "{dataset_name}.{epoch}.hdf", dump_per_run=True),
    }
    evaluated(tmp_path, layers, eval_datasets={"more": DATA})
    assert HDFDataset([f"{tmp_path}/one.hdf"]).count() == 6
    assert sorted(p.name for p in tmp_path.glob("*.hdf")) == ["dev.1.hdf", "more.1.hdf", "one.hdf"]


def test_a_file_that_is_there_is_kept_and_grows_only_when_asked_to(tmp_path):
    path = tmp_path / "a.hdf"
    with pytest.raises(ConfigError, match="is not there"):
        evaluated(tmp_path, {"dump": dump(path, extend_existing_file=True)})
    evaluated(tmp_path, {"dump": dump(path)})
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="'dump': the file '.*' is there already"):
        evaluated(tmp_path, {"dump": dump(path)})
    with pytest.raises(ConfigError, match="'filename' is 'x{dataset}'"):
        evaluated(tmp_path, {"dump": dump("x{dataset}", dump_per_run=True)})
    assert path.read_bytes() == before
    evaluated(tmp_path, {"dump": dump(path, extend_existing_file=True)})
    data = HDFDataset([str(path)])
    assert data.count() == 6
    np.testing.assert_array_equal(data.load(1, 1).data["data"], data.load(4, 1).data["data"])
    assert not list(tmp_path.glob(".*"))


def test_a_layer_inside_of_a_loop_dumps_all_steps(tmp_path):
    unit = LOOP["unit"]
    unit = {**unit, "dump": {**unit["dump"], "filename": f"{tmp_path}/a.hdf", "extra": {"p": "output"}}}
    evaluated(tmp_path, {"output": {**LOOP, "unit": {**unit, "output": {**unit["output"], "is_output_layer": True}}}})
    data = HDFDataset([f"{tmp_path}/a.hdf"])
    assert [len(data.load(i, 1).data["data"]) for i in range(3)] == [3, 4, 5]
    assert data.streams["data"].dim == 4 and data.streams["p"].dim == 2
    np.testing.assert_allclose(data.load(0, 1).data["p"][:3].sum(-1), 1, rtol=1e-5)


def test_an_epoch_that_is_not_to_be_trained_dumps_what_the_network_gives(tmp_path):
    """As in RETURNN, where such an epoch writes the alignments that the next ones are trained on."""

    def network(epoch, **_):
        net = {**NET, "dump": dump(tmp_path / "{dataset_name}.{epoch}.hdf", "output", dump_per_run=True)}
        return {**net, "#trainable": epoch == 1}

    given = {"network": None, "get_network": network, "train": DATA, "dev": DATA, "batch_size": 5, "num_epochs": 2}
    tasks.run(config(tmp_path, **given), Log(0))
    found = {path.name: HDFDataset([str(path)]) for path in tmp_path.glob("*.hdf")}
    assert set(found) == {"train.1.hdf", "dev.1.hdf", "train.2.hdf", "dev.2.hdf"}
    first, train, dev = (
        {data.load(i, 1).tag: data.load(i, 1).data["data"] for i in range(3)}
        for data in (found[name] for name in ("train.1.hdf", "train.2.hdf", "dev.2.hdf"))
    )
    assert [len(of) for of in (first, train, dev)] == [3, 3, 3]
    for tag in dev:
        np.testing.assert_array_equal(train[tag], dev[tag])
        assert np.abs(first[tag] - dev[tag]).max() > 1e-3  # trained in between, with dropout
    old, new = (dict(values(tmp_path, epoch)) for epoch in (1, 2))
    assert {name for name in old if not np.array_equal(old[name], new[name])} == set() != set(old)


def test_an_epoch_sees_the_file_that_the_one_before_has_dumped_and_one_file_takes_all_passes(tmp_path):
    seen = []

    def network(epoch, **_):
        seen.append((epoch, (tmp_path / "a.hdf").exists() and HDFDataset([f"{tmp_path}/a.hdf"]).count()))
        return {**NET, "dump": dump(tmp_path / "a.hdf", "output")}

    tasks.run(config(tmp_path, network=None, get_network=network, train=DATA, dev=DATA, num_epochs=2), Log(0))
    assert next(n for epoch, n in seen if epoch == 2) == 6 and HDFDataset([f"{tmp_path}/a.hdf"]).count() == 12


def test_an_epoch_that_was_stopped_dumps_the_rest_into_its_file(tmp_path):
    net, path = {**NET, "dump": dump(tmp_path / "a.hdf", "output")}, tmp_path / "a.hdf"
    given = config(tmp_path, network=net, num_epochs=1, dev=None, batch_size=60)
    with pytest.raises(Stopped):
        Training(given, Log(0), StopAt(2)).run()
    first = HDFDataset([str(path)])
    kept = [(first.load(i, 1).tag, first.load(i, 1).data["data"]) for i in range(first.count())]
    path.rename(tmp_path / "b.hdf")
    with pytest.raises(ConfigError, match="'dump': the file '.*' is not there(.|\n)*remove the unfinished checkpoint"):
        Training(given, Log(0)).run()
    (tmp_path / "b.hdf").rename(path)
    Training(given, Log(0)).run()
    whole = HDFDataset([str(path)])
    assert 0 < len(kept) < whole.count() == 12 == len(set(whole.tags))
    for i, (tag, array) in enumerate(kept):
        assert whole.load(i, 1).tag == tag
        np.testing.assert_array_equal(whole.load(i, 1).data["data"], array)


@pytest.mark.parametrize("per_run", [False, True])
def test_what_a_training_has_dumped_stays_when_its_evaluation_is_stopped(tmp_path, per_run):
    path = tmp_path / ("{dataset_name}.{epoch}.hdf" if per_run else "a.hdf")
    given = config(tmp_path, network={**NET, "dump": dump(path, "output", dump_per_run=per_run)}, batch_size=60)

    def watch(what, told):
        if what == "evaluated" or told.get("dataset") == "dev":
            training.signals.number = 15

    def written():
        return sorted(HDFDataset([str(path)]).count() for path in tmp_path.glob("*.hdf"))

    training = Training(given, Log(0), watch)
    with pytest.raises(Stopped, match="while 'dev' was evaluated"):
        training.run()
    assert written() == [12]
    training = Training(given, Log(0), watch)  # stops after the evaluation that was missing
    with pytest.raises(Stopped):
        training.run()
    Training(given, Log(0)).run()
    assert written() == ([12] * 4 if per_run else [48])


def test_layers_that_dump_write_what_they_are_given(trained, tmp_path):
    dump = {"class": "hdf_dump", "from": "output", "filename": f"{tmp_path}/out.hdf", "is_output_layer": True}
    labels = {**dump, "from": "best", "filename": f"{tmp_path}/{{dataset_name}}.hdf", "dump_per_run": True}
    net = {**NET, "best": BEST, "dump": dump, "labels": labels}
    said(trained, task="eval", network=net, dev=DATA)
    with h5py.File(tmp_path / "out.hdf") as a, h5py.File(tmp_path / "dev.hdf") as b:
        assert a["seqLengths"][:, 0].tolist() == [3, 4, 5] and a["inputs"].shape == (12, 2)
        np.testing.assert_array_equal(a["inputs"][()].argmax(-1), b["inputs"][()])
    (tmp_path / "out.hdf").unlink()
    said(trained, task="forward", network=net, eval=NO_TARGETS, output_file=f"{tmp_path}/all.hdf")
    with h5py.File(tmp_path / "out.hdf") as a, h5py.File(tmp_path / "all.hdf") as b:
        np.testing.assert_array_equal(a["inputs"][()], b["inputs"][()])


def test_each_hypothesis_of_a_search_is_a_sequence_the_best_first(tmp_path):
    unit = {
        "end": {"class": "compare", "from": "output", "value": 0},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 6, "from": ["prev:embed", "base:mean"]},
        "embed": {"class": "linear", "activation": None, "n_out": 4, "from": "output", "initial_output": 0},
        "prob": {"class": "softmax", "from": "s", "target": "classes", "loss": "ce"},
        "output": {"class": "choice", "from": "prob", "target": "classes", "beam_size": 3, "initial_output": 0},
    }
    net = {
        "mean": {"class": "reduce", "mode": "mean", "axis": "t", "from": "data"},
        "output": {"class": "rec", "from": [], "target": "classes", "unit": unit, "max_seq_len": 6},
        "length": {"class": "length", "from": "output"},
        "best": {"class": "decide", "from": "output", "is_output_layer": True},
        "dump": dump(tmp_path / "all.hdf", extra={"mean": "mean", "length": "length"}),
        "whole": dump(tmp_path / "whole.hdf", dump_whole_batches=True),
        "one": dump(tmp_path / "best.hdf", "best"),
    }
    data = {
        "class": "StaticDataset",
        "data": [{**s, "classes": s["classes"] + 1} for s in STATIC],
        "output_dim": {"data": [9, 2], "classes": [3, 1]},
    }
    given = {"train": None, "dev": None, "search_data": data, "search_output_file_format": "py", "search_scores": False}
    for layer in ("output", "best"):
        for file in tmp_path.glob("*.hdf"):
            file.unlink()
        evaluated(
            tmp_path,
            net,
            **given,
            task="search",
            num_outputs={"classes": (3, 1)},
            search_output_layer=layer,
            search_output_file=f"{tmp_path}/{layer}.py",
        )
    found, best = (
        ast.literal_eval((tmp_path / f"{n}.py").read_text().replace("np.float32", "")) for n in ("output", "best")
    )
    every, one = HDFDataset([f"{tmp_path}/all.hdf"]), HDFDataset([f"{tmp_path}/best.hdf"])
    assert every.tags == [tag for tag in one.tags for _ in range(3)] and every.streams["data"].dim == 3
    for place, tag in enumerate(one.tags):
        items = [every.load(3 * place + k, 1).data for k in range(3)]
        assert [" ".join(map(str, item["data"])) for item in items] == [text for _, text in found[tag]]
        assert " ".join(map(str, one.load(place, 1).data["data"])) == best[tag] == max(found[tag])[1]
        assert all(item["length"] == len(item["data"]) == item["seq_sizes"] for item in items)
        for item in items:
            np.testing.assert_allclose(item["mean"], np.eye(9)[: len(STATIC[int(tag[-1])]["data"])].mean(0), rtol=1e-6)
    whole = HDFDataset([f"{tmp_path}/whole.hdf"])
    assert whole.tags == ["<->".join(every.tags)] and len(whole.load(0, 1).data["seq_sizes"]) == 9
