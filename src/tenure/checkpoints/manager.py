"""`tn.CheckpointManager`: the checkpoints of a run, the last ones and the best ones, written in the background."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from tenure.checkpoints import folder, manifest
from tenure.checkpoints.errors import CheckpointError, DamagedError, NewerFormatError
from tenure.checkpoints.opened import Opened
from tenure.checkpoints.restore import Restored, restore
from tenure.checkpoints.save import Snapshot, as_step, snapshot
from tenure.core.errors import brief
from tenure.core.slots.plan import Plan

log = logging.getLogger("tenure.checkpoints")
_NAME = re.compile(r"step_(\d+)")
_METRICS = "tenure_metrics"


class Skipped(NamedTuple):
    """A folder that is no whole checkpoint.

    Attributes:
      path: the folder's.
      why: a sentence.
    """

    path: Path
    why: str


class CheckpointManager:
    """Keeps the checkpoints of one run in one folder: `step_100`, `step_200`, …

    Each holds everything that a resumed run needs, in one commit. The folder is listed anew at every question, so that only
    what is on the disk counts. Arrays are copied before `save` returns; an error of a save in the background is raised
    at the next call. One process writes to a folder at a time.

    Args:
      path: of the folder; made if it is not there.
      last: how many of the newest checkpoints are kept; None for all.
      best: how many of the best are kept besides.
      metric: which of the metrics says how good a checkpoint is.
      mode: "min" or "max": whether a small or a large metric is good.
      background: whether `save` returns while the files are being written.

    Raises:
      CheckpointError: the options make no sense.

    >>> import jax, jax.numpy as jnp, tempfile, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x))
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> with tn.CheckpointManager(tempfile.mkdtemp(), last=2, best=1, metric="loss") as manager:
    ...     for step, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
    ...         manager.save(step, plan, params, metrics={"loss": loss})
    >>> manager.steps(), manager.best_step(), manager.restore(plan).step
    ([1, 2, 3], 1, 3)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        last: int | None = 3,
        best: int = 0,
        metric: str | None = None,
        mode: str = "min",
        background: bool = True,
    ):
        """Describes which checkpoints stay.

        Args:
          path: the folder of all checkpoints, made if it is missing.
          last: how many of the newest stay; None for all.
          best: how many of the best stay beside them.
          metric: by which they are compared.
          mode: "min" or "max".
          background: whether files are written beside the program.

        Raises:
          CheckpointError: these options mean nothing.
        """
        counts = [n for n in (last, best) if n is not None]
        if any(type(n) is not int or n < 0 for n in counts) or last == 0 or mode not in ("min", "max"):
            raise CheckpointError(
                f"last={brief(last)}, best={brief(best)}, mode={brief(mode)} are no options of a CheckpointManager",
                ways=["last=3, or None for all", "best=2, metric='loss', mode='min'"],
            )
        if best and metric is None:
            raise CheckpointError("best= needs to know by which metric", ways=["metric='loss'"])
        self.path, self._last, self._best, self._metric = folder.as_path(path), last, best, metric
        self._sign = 1 if mode == "min" else -1
        self._background = background
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise CheckpointError(f"the folder '{self.path}' can not be made: {e}") from None
        self._leads = jax.process_index() == 0
        for name in {n.partition(".tenure-")[0][1:] for n in self._names() if folder.is_debris(n) and self._leads}:
            folder.clean_beside(self.path / name)

    # writing

    def save(
        self,
        step: int,
        plan: Plan,
        params: Mapping[str, Any],
        *,
        state: Any = None,
        opt_state: Any = None,
        key: Any = None,
        metadata: Any = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Writes the checkpoint of a step, and removes those that are kept no longer.

        Args:
          step: how far training is; a step that is there already is an error.
          plan, params, state, opt_state, key, metadata: as for `tn.save`.
          metrics: numbers of this step, such as a validation loss.

        Raises:
          CheckpointError: the step is there, or `tn.save` failed, in this call or in the background of an earlier one.
        """
        self.wait()
        step = as_step(step)
        if self._metric is not None and self._metric not in _measured(metrics):
            raise CheckpointError(
                f"the metric '{self._metric}', which says what is best, is not among the metrics of step {step}",
                ways=[f"metrics={{'{self._metric}': …}}"],
            )
        kept = {_METRICS: _measured(metrics), "metadata": metadata}
        taken = snapshot(plan, params, state, opt_state, step, key, kept, None, copy=self._background)
        if step in self.steps():
            raise CheckpointError(f"'{self.path}' has a checkpoint of step {step} already", ways=["save a later step"])
        manifest.encode(taken.body)
        if self._background and not taken.sharded:  # processes that write together meet in this thread
            self._thread = threading.Thread(target=self._write, args=(step, taken), name=f"checkpoint {step}")
            self._thread.start()
        else:
            self._write(step, taken)
            self._raise()

    def _write(self, step: int, taken: Snapshot) -> None:
        try:
            target = self.path / f"step_{step}"
            damaged = target.exists()  # else the step would have been refused
            taken.write(target, overwrite=damaged)
            if self._leads:
                self._prune(step)
        except BaseException as e:
            self._error = e

    def wait(self) -> None:
        """Waits for a save in the background.

        Raises:
          CheckpointError: it failed.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._raise()

    def _told(self) -> None:
        """Raises the error of a save that is over; one that is under way is not waited for."""
        if self._thread is not None and not self._thread.is_alive():
            self.wait()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, CheckpointError) or (error is not None and not isinstance(error, Exception)):
            raise error
        if error is not None:
            raise CheckpointError(f"a checkpoint could not be written: {error}") from error

    def _prune(self, newest: int) -> None:
        found = self._complete()
        kept = set(sorted(found)[-self._last :]) if self._last is not None else set(found)
        kept |= {newest, *self._ranked(found)[: self._best]}
        for step in found.keys() - kept:
            folder.retire(self.path / f"step_{step}")

    # what is there

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in self.path.iterdir()]
        except OSError as e:
            raise CheckpointError(f"the folder '{self.path}' can not be listed: {e}") from None

    def _complete(self) -> dict[int, dict[str, Any]]:
        """Step → manifest, for what looks whole without reading the arrays."""
        found = {}
        for name in self._names():
            match = _NAME.fullmatch(name)
            if match:
                try:
                    body = Opened(self.path / name).body
                    if body["step"] == int(match[1]):
                        found[int(match[1])] = body
                except CheckpointError:
                    continue
        return found

    def steps(self) -> list[int]:
        """The steps whose checkpoints are complete, oldest first. Complete: manifest, sizes and headers are as written."""
        self._told()
        return sorted(self._complete())

    def latest_step(self) -> int | None:
        """The newest complete step; None if there is none."""
        self._told()
        return max(self._complete(), default=None)

    def best_step(self) -> int | None:
        """The complete step with the best metric; None if there is none."""
        self._told()
        ranked = self._ranked(self._complete())
        return ranked[0] if ranked else None

    def metrics(self) -> dict[int, dict[str, float]]:
        """Step → the metrics that were saved with it."""
        self._told()
        return {step: _metrics(body) for step, body in sorted(self._complete().items())}

    def _ranked(self, found: Mapping[int, Mapping[str, Any]]) -> list[int]:
        if self._metric is None:
            return []
        scores = {step: _metrics(body).get(self._metric, math.nan) for step, body in found.items()}
        return sorted((s for s, v in scores.items() if v == v), key=lambda s: (self._sign * scores[s], -s))

    def skipped(self) -> list[Skipped]:
        """What lies in the folder and is no complete checkpoint: half-written, damaged, or of a later format."""
        self._told()
        found = []
        for name in sorted(self._names()):
            path = self.path / name
            if folder.is_debris(name):
                found.append(Skipped(path, "a save that was interrupted, or is under way"))
            elif match := _NAME.fullmatch(name):
                try:
                    if Opened(path).body["step"] != int(match[1]):
                        found.append(Skipped(path, "a checkpoint of another step"))
                except CheckpointError as e:
                    found.append(Skipped(path, e.rule))
        return found

    # reading

    def restore(self, plan: Plan | None = None, *, step: int | None = None, **options: Any) -> Restored:
        """Reads the newest checkpoint that is whole; those that are not are skipped, logged, and in the report.

        Args:
          plan: as for `tn.restore`.
          step: a certain step instead, which must be whole.
          options: as for `tn.restore`.

        Returns:
          As `tn.restore`; `metadata` is what was given to `save`.

        Raises:
          CheckpointError: there is no whole checkpoint, or an earlier save in the background failed.
        """
        self.wait()
        if step is not None:
            return _without_metrics(restore(self.path / f"step_{as_step(step)}", plan, **options))
        reasons: dict[str, str] = {}
        for name in sorted(filter(_NAME.fullmatch, self._names()), key=lambda n: -int(n[5:])):
            try:
                found = restore(self.path / name, plan, **options)
                return _without_metrics(_with_skipped(found, reasons))
            except DamagedError as e:
                reasons[name] = e.rule
            except NewerFormatError:
                raise
            except CheckpointError as e:
                if (self.path / name / manifest.NAME).exists():
                    raise
                reasons[name] = e.rule
            log.warning("skipped %s: %s", self.path / name, reasons[name])
        told = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        raise CheckpointError(
            f"'{self.path}' has no whole checkpoint" + (f" ({told})" if told else ""),
            ways=["start anew if manager.latest_step() is None"],
        )

    def close(self) -> None:
        """Waits for a save in the background."""
        self.wait()

    def __enter__(self) -> CheckpointManager:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.wait()
        elif self._thread is not None:  # the block's own error goes on; that of the save must not hide it
            self._thread.join()
            if self._error is not None:
                log.error("a checkpoint could not be written: %s", self._error)


def _measured(metrics: Any) -> dict[str, float]:
    """Metrics as plain numbers.

    Raises:
      CheckpointError: they are none.
    """
    try:
        return {str(k): float(v) for k, v in (metrics or {}).items()}
    except (TypeError, ValueError, AttributeError):
        raise CheckpointError(
            f"metrics are names → numbers, not {brief(metrics)}", ways=["metrics={'loss': 1.5}"]
        ) from None


def _metrics(body: Mapping[str, Any]) -> dict[str, float]:
    metadata = body["metadata"]
    found = metadata.get(_METRICS, {}) if isinstance(metadata, dict) else {}
    return {k: float(v) for k, v in found.items() if isinstance(v, (int, float))} if isinstance(found, dict) else {}


def _without_metrics(found: Restored) -> Restored:
    if isinstance(found.metadata, dict) and _METRICS in found.metadata:
        return found._replace(metadata=found.metadata.get("metadata"))
    return found


def _with_skipped(found: Restored, reasons: Mapping[str, str]) -> Restored:
    return found._replace(report=found.report.with_skipped(reasons)) if reasons else found
