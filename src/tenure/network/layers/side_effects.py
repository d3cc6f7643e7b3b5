"""Layers that hand on their input, and tell the world about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@layer("print")
class Print(Layer):
    """The input, printed while the program runs, with what `extra_print_args` has beside it. Long arrays are cut by NumPy's rules.

    Input of any axes, output the same axes.
    """

    def forward(self, sources: Sequence[Tensor], *, summarize: int = 99, extra_print_args: Any = ()) -> Tensor:
        (x,) = sources
        more = extra_print_args if isinstance(extra_print_args, (list, tuple)) else [extra_print_args]
        told = " ".join(str(one) for one in more).replace("{", "{{").replace("}", "}}")
        jax.debug.print(f"print layer {{name}}{f' {told}' if told else ''}: {{x}}", name=self.node.key, x=x.data)
        return x


@layer("identity")
class Identity(Layer):
    """The input. Order of evaluation, which `control_dependencies` is about, has no meaning in pure functions.

    Input of any axes, output the same axes.
    """

    def forward(self, source: Tensor, *, control_dependencies: Any = None) -> Tensor:
        return source


@layer("hdf_dump")
class HDFDump(Layer):
    """The input. Writing it to a file is the training program's task, which reads the layer's output.

    Input of any axes, output the same axes.
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        filename: Any,
        extra: Tensor | Any = None,
        dump_whole_batches: bool = False,
        labels: Any = None,
        extend_existing_file: bool = False,
        dump_per_run: bool = False,
    ) -> Tensor:
        if len(sources) != 1:
            raise self.error("from", self.node.get("from"), "exactly one input is needed")
        return sources[0]


@layer("image_summary")
class ImageSummary(Layer):
    """The input. Pictures of it are the training program's task.

    Input of any axes, output the same axes.
    """

    def forward(self, sources: Sequence[Tensor], *, max_outputs: int = 3) -> Tensor:
        return sources[0]
