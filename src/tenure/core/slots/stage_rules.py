"""What `stages=` says, of a model and of its modules: globs of paths → stages."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from tenure.core.errors import Party, TenureError, brief
from tenure.core.notation import paths
from tenure.core.notation.stage import OnUse, Stage, read_list
from tenure.core.sites import NOWHERE, Site


@dataclasses.dataclass(frozen=True)
class Rule:
    """One entry of a `stages=`.

    Attributes:
      glob: of absolute paths.
      stages: as written; None in front forgets what the inside says.
      key: as written.
      module: whose `stages=` it is; None for the model's.
      site: where it was written.
    """

    glob: str
    stages: tuple[Stage | None, ...]
    key: str
    module: str | None
    site: Site

    @property
    def for_one_use(self) -> bool:
        """Whether all of its stages are for one use."""
        return bool(self.stages) and all(isinstance(s, OnUse) for s in self.stages)

    def party(self) -> Party:
        """This rule as a row of an error."""
        shown = ", ".join(str(s) for s in self.stages)
        where = "transform" if self.module is None else self.module
        return Party("stages", self.key, f"[{shown}]", str(self.site), where)


def read_rules(stages: Any, module: str | None, site: Site) -> tuple[Rule, ...]:
    """The rules that a `stages=` states: local names or globs → stages.

    Raises:
      StageSyntaxError, UnknownStageError, StageOrderError, PathSyntaxError: what is wrong with it.
    """
    whose = "transform" if module is None else f"'{module}'"
    if not isinstance(stages, Mapping):
        raise TenureError(
            f"stages= of {whose} is {type(stages).__name__}, not a dict",
            parties=[Party("stages", brief(stages), "", str(site))],
            ways=["stages={'w': [tn.stages.Noise(0.05)]}"],
        )
    rules = []
    for key, value in stages.items():
        what = f"stages= of {whose}, '{brief(key).strip(chr(39))}'"
        try:
            glob = key.removeprefix("/") if module is None and isinstance(key, str) else key
            paths.matches(glob, "")
            if not paths.is_glob(glob):
                paths.check(glob, "name in stages=")
            whole = glob if module is None else f"{paths.plain(module)}/{glob}"
            rules.append(Rule(whole, read_list(value, what), key, module, site))
        except TenureError as e:
            raise e.again(parties=e.parties or [Party("stages", brief(key), "", str(site))]) from None
    return tuple(rules)


class Rules:
    """The stages that a model and its modules ask for."""

    def __init__(self, model: Any = None, on_borrowed: str = "error", site: Site = NOWHERE):
        if on_borrowed not in ("error", "stack"):
            raise TenureError(
                f"on_borrowed is {brief(on_borrowed)}",
                ways=["on_borrowed='error'", "on_borrowed='stack': as tn.on_use"],
            )
        self.model = read_rules(model, None, site) if model else ()
        self.on_borrowed = on_borrowed
        self.modules: dict[str, tuple[Rule, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.model or self.modules)

    def fresh(self) -> Rules:
        """The model's rules, nothing built yet: for a new run."""
        new = copy.copy(self)
        new.modules = {}
        return new

    def add(self, module: str, stages: Any, site: Site) -> None:
        """Registers the `stages=` of a module."""
        self.modules[paths.plain(module)] = read_rules(stages, module, site)

    def of(self, path: str) -> list[Rule]:
        """The rules for a slot, from its module outwards, the model's last; of each level the first that matches."""
        levels = []
        module = paths.plain(path)
        while self.modules and "/" in module:
            module = module.rpartition("/")[0]
            levels.append(self.modules.get(module, ()))
        matching = ([rule for rule in level if paths.matches(rule.glob, path)] for level in (*levels, self.model))
        return [rules[0] for rules in matching if rules]

    def unused(self, used: set[Rule]) -> list[Rule]:
        """The rules that selected nothing."""
        every = [*self.model, *itertools.chain(*self.modules.values())]
        return [rule for rule in every if rule not in used]
