"""Lines of the log: written anew from what is in a recorded line, they are as programs parse them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.training.engine import log_lines

Groups = Mapping[str, Any]


def _rate(text: str) -> float | None:
    return None if text == "None" else float(text)


def _finished(what: str) -> Callable[[Groups, str], str]:
    def write(g: Groups, line: str) -> str:
        name = g.get("dataset") or what
        share = float(g.get("computing") or 50) / 100
        return log_lines.finished(int(g["epoch"]), name, int(g["steps"]), _elapsed(g), share, bool(g.get("pretrain")))

    return write


def _elapsed(g: Groups) -> int:
    parts = [int(part) for part in (g.get("elapsed") or "0:00:00").split(":")]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def _evaluated(g: Groups, line: str) -> str:
    found = re.findall(r"(\w+): score (.+?) error (.+?)(?= \w+: score |$)", line)
    return log_lines.evaluation_scores({name: (score, error) for name, score, error in found})


def _variables(g: Groups, line: str) -> str:
    found = re.findall(r"'([^']+):0' shape=(\([^)]*\)) dtype=(\w+)", g["list"])
    return log_lines.trainable(log_lines.variable(name, ast.literal_eval(shape), dtype) for name, shape, dtype in found)


def _grown(g: Groups, line: str) -> str:
    found = re.match(
        r"Param (<.*>): transform old values of shape parts (\[.*\]) into new shape parts (\[.*\])\.", line
    )
    assert found is not None
    return log_lines.grown(found[1], ast.literal_eval(found[2]), ast.literal_eval(found[3]))


_OUTPUT = re.compile(r"Given output (.*?) (?:has beam (.*)\.|is after decision \(no beam\)\.)$")


def _search_output(g: Groups, line: str) -> str:
    found = _OUTPUT.match(line)
    assert found is not None
    return log_lines.search_output(found[1], found[2])


_WRITE: dict[str, Callable[[Groups, str], str]] = {
    "start_training": lambda g, line: log_lines.start_training(int(g["epoch"])),
    "start_epoch": lambda g, line: log_lines.start_epoch(int(g["epoch"]), _rate(g["lr"]), bool(g["pretrain"])),
    "train_finished": _finished("train"),
    "eval_finished": _finished("dev"),
    "search_finished": _finished("search"),
    "forward_finished": _finished("forward"),
    "epoch_score": lambda g, line: log_lines.epoch_score(
        int(g["epoch"]), g["score"], g["error"], _elapsed(g), bool(g.get("pretrain"))
    ),
    "eval_scores": _evaluated,
    "lr_control_key": lambda g, line: log_lines.error_key(g["key"], ast.literal_eval(g["errors"])),
    "lr_control_new_file": lambda g, line: log_lines.new_rates_file(g["file"]),
    "lr_control_file": lambda g, line: log_lines.loading_rates(g["file"]),
    "save_model": lambda g, line: log_lines.save_model(g.get("path") or g.get("file") or line.rsplit(" ", 1)[-1]),
    "load_model": lambda g, line: log_lines.load_model(g.get("path") or g.get("file") or line.rsplit(" ", 1)[-1]),
    "finished_training": lambda g, line: log_lines.finished_training(int(g["epoch"])),
    "net_params": lambda g, line: log_lines.parameter_count(int(g["n"])),
    "trainable": _variables,
    "search_done": lambda g, line: log_lines.search_done(int(g["steps"]), g["score"], g["error"]),
    "search_beam": _search_output,
    "search_no_beam": _search_output,
    "search_hyp": lambda g, line: log_lines.hypothesis(g["text"]),
    "search_hyp_n": lambda g, line: log_lines.hypothesis(g["text"], int(g["idx"]), float(g["score"])),
    "search_ref": lambda g, line: log_lines.reference(g["text"]),
    "search_seq": lambda g, line: log_lines.searched(
        int(g["idx"]), g["tag"], g["layer"], [] if "outputs" in line else 0
    ),
    "write_eval_per_seq": lambda g, line: log_lines.scores_per_sequence(g["file"]),
    "forward_hdf": lambda g, line: log_lines.forward_file(g["file"]),
    "update_config": lambda g, line: log_lines.config_changed(g["key"], int(g["epoch"]), g["old"], g["new"]),
    "grown_param": _grown,
    "reinit": lambda g, line: log_lines.network_changed(),
    "using_batch": lambda g, line: log_lines.using_batch(g["batch_size"], int(g["max_seqs"])),
}


def check(case: Case) -> list[str]:
    """Writes every example of a kind of line anew, and parses that as the recorded pattern does."""
    write = _WRITE.get(case.id.rpartition("/")[2])
    if write is None:
        return ["no such line is written"]
    problems = []
    for example in case.fields["examples"]:
        line = write(example["groups"], example["line"])
        found = re.match(case.fields["pattern"], line)
        if found is None:
            problems.append(f"does not parse: {line!r}")
        else:
            problems += differences(example["groups"], found.groupdict(), line[:80])
    return problems
