"""One training run over several starts of the program: what it is, where it is, what it wrote."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax

import tenure as tn
from tenure.checkpoints import peek

from .budget import Budget, Clock
from .data import Data
from .interrupt import Interruptible
from .model import Translator
from .report import Point
from .show import Display, Numbers
from .train import (
    Progress,
    Recipe,
    Report,
    make_evaluate,
    make_optimizer,
    make_step,
    perplexity,
    train,
)

EVERY = 30.0
"""Seconds of training between two measurements of validation perplexity, and two checkpoints."""


class AnotherRunError(ValueError):
    """The checkpoint does not belong to this run; the message says in what they differ."""


@dataclass
class Session:
    """The model, the data, and how far training is."""

    model: Translator
    data: Data
    recipe: Recipe
    path: Path
    progress: Progress
    seconds: float = 0.0
    compiling: float = 0.0
    curve: list[Point] = field(default_factory=list)

    @classmethod
    def open(cls, model: Translator, data: Data, recipe: Recipe, path: Path) -> Session:
        """Continues from the checkpoint at `path`, or starts anew if there is none.

        Raises:
          AnotherRunError: the checkpoint is of another model or recipe.
        """
        optimizer = make_optimizer(recipe, model.decays)
        params = model.init(jax.random.key(recipe.seed))
        new = cls(model, data, recipe, path, Progress(params, optimizer.init(params), 0))
        if path.exists():
            new._continue()
        return new

    def _continue(self) -> None:
        about = peek(self.path).metadata
        for name, mine in self._identity().items():
            if about.get(name) != mine:
                raise AnotherRunError(_differs(self.path, name, about.get(name), mine))
        found = tn.restore(self.path, self.model.plan, opt_state=self.progress.optimizer)
        self.progress = Progress(found.params, found.opt_state, found.step or 0)
        self.seconds, self.curve = about["seconds"], about["curve"]

    def _identity(self) -> dict[str, Any]:
        return {
            "model": asdict(self.model.config),
            "recipe": asdict(self.recipe),
            "data": {"training pairs": len(self.data.train.examples)},
        }

    def save(self) -> None:
        """Writes the checkpoint."""
        about = self._identity() | {"seconds": self.seconds, "curve": self.curve}
        params, optimizer, step = self.progress
        tn.save(self.path, self.model.plan, params, opt_state=optimizer, step=step, metadata=about, overwrite=True)

    def perplexity(self) -> float:
        """Of a piece of the validation set."""
        return perplexity(self._evaluate, self.progress.params, self.data.valid.epoch())

    def run(self, clock: Clock, steps: int | None, interrupt: Interruptible) -> None:
        """Trains until the budget is used up or a signal came; saves at the end."""
        budget = Budget(clock, self.seconds, steps)
        self._evaluate = make_evaluate(self.model.logits)
        optimizer = make_optimizer(self.recipe, self.model.decays)
        step = make_step(self.model.logits, optimizer, self.recipe)
        with Display() as display:
            watch = _Watch(self, budget, display, interrupt)
            args = (self.progress, step, self.data.train, budget, self.recipe)
            self.progress = train(*args, after=watch)
            self.seconds = budget.trained
            if not interrupt.asked:
                watch.measure()
        self.save()


class _Watch:
    """What happens after each step: numbers, now and then perplexity and a checkpoint."""

    def __init__(self, session: Session, budget: Budget, display: Display, interrupt: Interruptible):
        self._session, self._budget = session, budget
        self._display, self._interrupt = display, interrupt
        self._recent: deque[Report] = deque(maxlen=50)
        self._measured = budget.trained
        self._perplexity: float | None = None

    def __call__(self, progress: Progress, report: Report) -> bool:
        session, budget = self._session, self._budget
        session.progress, session.seconds = progress, budget.trained
        self._recent.append(report)
        if report.compiling:
            session.compiling += report.compiling
            shape = f"{report.shape[0]} sentences of {report.shape[1]} pieces"
            self._display.note(f"compiled the step for {shape} in {report.compiling:.1f} s")
        self._display.update(self._numbers(), budget.fraction(progress.step))
        if budget.trained - self._measured > EVERY:
            self.measure()
            session.save()
        return self._interrupt.asked

    def measure(self) -> None:
        """Measures the validation perplexity and puts a point on the learning curve."""
        if not self._recent:
            return
        session = self._session
        self._perplexity = session.perplexity()
        numbers = self._numbers()
        session.curve.append(
            {
                "step": numbers.step,
                "seconds": self._budget.trained,
                "loss": numbers.loss,
                "perplexity": self._perplexity,
            }
        )
        self._measured = self._budget.trained
        self._display.note(str(numbers))

    def _numbers(self) -> Numbers:
        step, recent = self._session.progress.step, self._recent
        seconds = sum(report.seconds for report in recent)
        return Numbers(
            step=step,
            epoch=step / len(self._session.data.train),
            loss=sum(float(report.loss) for report in recent) / len(recent),
            tokens=sum(report.tokens for report in recent) / seconds,
            left=self._budget.left(step, seconds / len(recent)),
            perplexity=self._perplexity,
        )


def _differs(path: Path, name: str, theirs: Any, mine: Any) -> str:
    theirs = theirs if isinstance(theirs, dict) else {}
    other = [key for key in mine if mine[key] != theirs.get(key)]
    lines = [f"  {name}: {key} is {theirs.get(key)} there, {mine[key]} here" for key in other]
    return "\n".join(
        [
            f"{path} is a run with other settings",
            *lines,
            "  1. continue it: give the same settings as before",
            "  2. start another run beside it: --out DIR",
            "  3. start over: --fresh",
        ]
    )
