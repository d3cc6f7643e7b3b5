"""Stages that differ between a file and a model: where nothing leads from one to the other, an error says what does."""

from __future__ import annotations

from collections.abc import Mapping

from tenure.checkpoints.errors import StagedFileError
from tenure.checkpoints.source import Side, same_tie, structural
from tenure.core.errors import Party
from tenure.core.ledger.row import Row


def check_stages(file: Side, model: Mapping[str, Row], claims: Mapping[str, list[str]]) -> None:
    """Whether something leads from the file's stages to the model's.

    Args:
      file: what is there.
      model: the slots that are to be filled.
      claims: owner's path → its slots whose values the file has.

    Raises:
      StagedFileError: the file has leaves of stages that the model lacks, or an owner goes through others.
    """
    adapters = [row for path, row in file.rows.items() if row.part_of and path in file.leaves and path not in model]
    if adapters:
        raise _adapted(adapters)
    for owner, paths in claims.items():
        row = model[owner]
        for path in paths:
            there = [file.rows[o] for o in file.rows[path].owners]
            before = [structural(r) for r in there]
            if any(before) and file.rows[path].kind == "borrowed":
                refuse_staged(file, model, path)
            if any(before) and any(b != structural(row) for b in before):
                raise _other_stages(row, there[0])


def refuse_staged(file: Side, model: Mapping[str, Row], path: str) -> None:
    """Raises `StagedFileError` where a user sees something of a staged weight that only its own model knows."""
    for owner in file.rows[path].owners:
        row = file.rows[owner]
        if structural(row) and not (path in model and same_tie(file.rows, model, path)):
            raise StagedFileError(
                f"'{path}' is tied otherwise in the model than in the file, where its owner goes through stages",
                parties=[Party("file", owner, ", ".join(row.stages)), model[path].party("model")],
                ways=[
                    "restore with the plan of the model that was saved, then tn.untie or tn.tie",
                    "or tn.weights there, and tn.assign here",
                ],
            )


def _adapted(rows: list[Row]) -> StagedFileError:
    first = rows[0]
    kind = first.stage or "lora"
    parties = [Party("file", r.path, f"{r.shape} {r.dtype}", "", f"of '{r.part_of}'") for r in rows[:6]]
    return StagedFileError(
        f"the file holds {len(rows)} leaves of stages that the model lacks",
        parties=parties,
        near=[],
        ways=[
            f"merge them in the model that was saved:  tn.merge(plan, params, '{first.part_of}', '{kind}')",
            f"give the model the stage:  tn.transform(f, stages={{'{first.part_of}': [{_stage_text(first)}]}})",
        ],
    )


def _stage_text(part: Row) -> str:
    asker = part.asker
    return f'"{asker}"' if asker else f'"{part.stage}"'


def _other_stages(model: Row, file: Row) -> StagedFileError:
    return StagedFileError(
        f"'{file.path}' goes through other stages in the file than in the model",
        parties=[
            Party("file", file.path, ", ".join(file.stages) or "(none)"),
            Party("model", model.path, ", ".join(model.stages) or "(none)", model.site, model.asker),
        ],
        ways=[
            f"merge it in the model that was saved:  tn.merge(plan, params, '{file.path}', …)",
            "or take its plain weights there, tn.weights(plan, params), and tn.assign them here",
        ],
    )


__all__ = ["check_stages", "refuse_staged"]
