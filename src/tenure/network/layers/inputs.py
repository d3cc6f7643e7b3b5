"""What the network is fed, and parts of what other layers give."""

from __future__ import annotations

from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("source")
class Source(Layer):
    """One of the network's inputs, `data:key`.

    Output: the axes that `extern_data` declares.
    """

    more_options = ("key",)

    def forward(self) -> Tensor:
        key = self.node.get("key")
        if key not in self.run.inputs:
            raise self.error("from", f"data:{key}", "the batch does not have it", [f"feed '{key}'"])
        return self.run.inputs[key]


class _Part(Layer):
    """A part of what another layer gives."""

    sees_beams = True  # a part has the hypotheses that it has

    def part(self, name: str) -> Output:
        """What the input gives under that name.

        Raises:
          OptionError: nothing.
        """
        at = self.given(self.node.sources[0])
        if name in at.subs:
            return at.subs[name]
        for part in name.split("/"):
            if part not in at.subs:
                whole = self.node.sources[0]
                ways = [f"it has: {', '.join(at.subs) or 'none'}"]
                if self.run.graph.nodes[whole].class_name == "rec":
                    ways.append(
                        f"'is_output_layer': True in the layer '{part}' of the loop '{whole}' keeps all its steps"
                    )
                raise self.error("from", name, "the layer has no such part", ways)
            at = at.subs[part]
        return at


@layer("get_sub_layer")
class SubLayer(_Part):
    """What another layer gives under a name: `split/0`, `rec/x`.

    Output: the axes of the part.
    """

    more_options = ("name",)

    def forward(self) -> Output:
        return self.part(str(self.node.get("name")))


@layer("get_rec_accumulated")
class Accumulated(_Part):
    """The outputs of all steps of a layer in a loop, as `rec/x` is.

    Output [T, B, …], of the steps [B, …].
    """

    def forward(self, *, sub_layer: str) -> Output:
        return self.part(str(sub_layer))
