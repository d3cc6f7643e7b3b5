"""`tenure data hdf`: real files of text, audio and arrays, written and read back."""

import signal
import subprocess
import sys
import time
import wave

import numpy as np
import pytest

from tenure.cli.main import main
from tenure.training.data.classes import dataset
from tests.cli.process import tenure

h5py = pytest.importorskip("h5py")


def written(folder, *arguments):
    return main(["data", "hdf", str(folder / "out.hdf"), *map(str, arguments)])


def read(path):
    data = dataset({"class": "HDFDataset", "files": [str(path)]})
    return data, {item.tag: item.data for item in data.epoch(1)}


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "en").write_text("a b a\nc\n\n")
    (tmp_path / "de").write_text("ein haus\nzwei\nja\n")
    return tmp_path


def test_text_with_vocabularies_of_its_own_and_of_another_file(texts, capsys):
    pair = [
        "--text",
        f"data={texts}/en",
        "--vocab",
        "data=words",
        "--text",
        f"classes={texts}/de",
        "--vocab",
        "classes=characters",
    ]
    assert written(texts, *pair) == 0
    assert "3 sequences, 4 frames of 'data'; data (labels 4), classes (labels 11)" in capsys.readouterr().out
    data, found = read(texts / "out.hdf")
    assert data.streams["data"].labels == ["a", "b", "c", "<unk>"] and found["seq-0"]["data"].tolist() == [0, 1, 0]
    assert "".join(data.streams["classes"].labels[i] for i in found["seq-0"]["classes"]) == "ein haus"
    assert len(found["seq-2"]["data"]) == 0
    (texts / "more").write_text("c x\n")
    assert (
        main(
            ["data", "hdf", f"{texts}/dev.hdf", "--text", f"data={texts}/more", "--vocab", f"data={texts}/out.hdf:data"]
        )
        == 0
    )
    assert read(texts / "dev.hdf")[1]["seq-0"]["data"].tolist() == [2, 3]


def test_audio_with_transcriptions_by_name(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "wav" / "s").mkdir(parents=True)
    for name, length in (("s/one", 800), ("two", 1600)):
        soundfile.write(tmp_path / "wav" / f"{name}.wav", np.sin(np.arange(length) * 0.1) * 0.5, 8000)
    (tmp_path / "trans").write_text("two ab\ns/one b\n")
    audio = ["--audio", f"data={tmp_path}/wav", "--features", "{'features': 'mfcc', 'num_feature_filters': 5}"]
    text = ["--text", f"classes={tmp_path}/trans", "--tagged", "--vocab", "classes=characters"]
    assert written(tmp_path, *audio, *text) == 0
    data, found = read(tmp_path / "out.hdf")
    assert list(found) == ["s/one", "two"] and found["two"]["data"].shape == (21, 5)
    assert [data.streams["classes"].labels[i] for i in found["two"]["classes"]] == ["a", "b"]


def test_arrays_and_other_data_sets(tmp_path):
    arrays = {f"s{i}": np.random.randn(i + 1, 3).astype("float32") for i in range(12)}
    np.savez(tmp_path / "x.npz", **arrays)
    np.savez(tmp_path / "y.npz", **{tag: np.arange(len(x)) for tag, x in arrays.items()})
    assert written(tmp_path, "--arrays", f"data={tmp_path}/x.npz", "--arrays", f"classes={tmp_path}/y.npz") == 0
    data, found = read(tmp_path / "out.hdf")
    assert list(found) == [f"s{i}" for i in range(12)] and data.streams["classes"].dim == 12
    for tag, x in arrays.items():
        np.testing.assert_array_equal(found[tag]["data"], x)
    copied = tmp_path / "copy.hdf"
    options = repr({"class": "HDFDataset", "files": [str(tmp_path / "out.hdf")], "seq_ordering": "reverse"})
    assert main(["data", "hdf", str(copied), "--dataset", options]) == 0
    again = read(copied)[1]
    assert list(again) == list(reversed(found))
    np.testing.assert_array_equal(again["s3"]["classes"], found["s3"]["classes"])


def test_a_file_is_whole_or_not_there(texts, capsys):
    good = ["--text", f"data={texts}/en"]
    assert written(texts, *good) == 0
    before = (texts / "out.hdf").read_bytes()
    assert written(texts, *good) == 1
    assert "is there already" in capsys.readouterr().err
    (texts / "words").write_text("a\nb\n")
    assert written(texts, *good, "--vocab", f"data={texts}/words", "--force") == 1  # "c" is no word of it
    assert "line 2 of" in capsys.readouterr().err
    assert (texts / "out.hdf").read_bytes() == before
    assert sorted(p.name for p in texts.iterdir()) == ["de", "en", "out.hdf", "words"]
    assert written(texts, *good, "--vocab", "data=words", "--force") == 0
    assert (texts / "out.hdf").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--text", "data={}/en", "--text", "classes={}/one"], "has 1 sequences, and the others have 3"),
        (["--text", "classes={}/en"], "needs the stream 'data'"),
        (["--text", "data={}/none"], "does not exist"),
        (["--text", "data"], "a stream and what it is made of are needed"),
        (["--audio", "data={}/empty"], "has no audio files"),
        (["--arrays", "data={}/en"], "is no npz file"),
        (["--arrays", "data={}/o.npz"], "cannot be read: Object arrays"),
        (["--text", "data={}/en", "--vocab", "daat=words"], "'daat', which is no text"),
        ([], "there is nothing to write"),
        (["--text", "data={}/twice", "--tagged"], "line 3 of '{}/twice' names the sequence 't', as line 1 does"),
        (
            ["--text", "data={}/en", "--vocab", "data=charcters"],
            "no vocabulary 'charcters', and no file of that name\n  nearest",
        ),
        (["--arrays", "data={}/cut.npz"], "cut.npz' is a damaged npz file, or was cut off"),
        (
            ["--arrays", "data={}/large.npz"],
            "'a' has numbers from 0 to 1099511627776 in the stream 'data', and 32 bits",
        ),
        (["--arrays", "data={}/below.npz"], "'a' has the label -3 in the stream 'data', and labels are not below 0"),
        (["--arrays", "data={}/mixed.npz"], "'b' has float64 in the stream 'data', and those before int32"),
        (["--audio", "data={}/noise"], "audio '{}/noise/a.wav' cannot be read: Format not recognised"),
        (["--audio", "data={}/both"], "'{}/both/a.flac' and '{}/both/a.wav' are both the sequence 'a'"),
        (["--audio", "data={}/stereo"], "audio '{}/stereo/a.wav' has 2 channels"),
        (["--audio", "data={}/stereo", "--features", "{{'step_len': -1}}"], "step_len is -1, and no number above 0"),
        (
            ["--audio", "data={}/stereo", "--features", "{{'features'"],
            "a dictionary is needed\n  1. --features \"{{'features': 'mfcc'}}",
        ),
    ],
)
def test_what_is_wrong_is_told(texts, capsys, arguments, says):
    (texts / "one").write_text("x\n")
    (texts / "twice").write_text("t a\nu\nt b\n")
    np.savez(texts / "o.npz", a=np.array([{}], dtype=object))
    np.savez(texts / "large.npz", a=np.array([0, 2**40]))
    np.savez(texts / "below.npz", a=np.array([1, -3]))
    np.savez(texts / "mixed.npz", a=np.array([1, 2]), b=np.array([0.5, 1]))
    (texts / "cut.npz").write_bytes((texts / "mixed.npz").read_bytes()[:200])
    for folder in ("noise", "both", "stereo", "empty"):
        (texts / folder).mkdir()
    (texts / "noise" / "a.wav").write_bytes(b"RIFF and more")
    for name in ("a.wav", "a.flac"):
        (texts / "both" / name).write_bytes(b"")
    with wave.open(str(texts / "stereo" / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(4000))
    assert written(texts, *(argument.format(texts) for argument in arguments)) == 1
    assert says.format(texts, texts) in capsys.readouterr().err
    assert not (texts / "out.hdf").exists()


def test_a_file_has_as_many_lines_as_line_feeds(texts):
    (texts / "odd").write_bytes("\ufeffa\fb\r\nc\u2028d\r\n".encode())
    (texts / "plain").write_text("x\ny")
    assert (
        written(texts, "--text", f"data={texts}/odd", "--vocab", "data=words", "--text", f"classes={texts}/plain") == 0
    )
    data, found = read(texts / "out.hdf")
    assert sorted(data.streams["data"].labels) == ["<unk>", "a", "b", "c", "d"] and len(found) == 2


FULL = """
import resource, sys
from tenure.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(["data", "hdf", "out.hdf", "--dataset", "{'class': 'Task12AXDataset', 'num_seqs': 300}"]))
"""


def test_a_disk_without_room_is_told_and_nothing_stays_behind(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "'out.hdf' cannot be written: " in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind(tmp_path, number, status):
    command = [
        sys.executable,
        "-m",
        "tenure",
        "data",
        "hdf",
        "out.hdf",
        "--dataset",
        "{'class': 'Task12AXDataset', 'num_seqs': 10000000}",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.iterdir()) and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == status and errors.strip().startswith("stopped by") and not list(tmp_path.iterdir()), (
        errors
    )


def test_the_command_in_a_process_of_its_own(texts):
    done = tenure("data", "hdf", "out.hdf", "--text", "data=en", folder=texts)
    assert done.returncode == 0 and "3 sequences" in done.stdout, done.stderr
