"""What expressions see of a tensor: the attributes and methods that dictionaries written for RETURNN use."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from tenure.core.errors import TenureError
from tenure.network import axes, ops, sizes
from tenure.network.dims import Dim
from tenure.network.tensor import Tensor


class DataProxy:
    """A tensor, as `source(0, as_data=True)` and `layer.output` give it."""

    def __init__(self, tensor: Tensor):
        self._tensor = tensor

    def __expression_names__(self) -> frozenset[str]:
        return _DATA

    @property
    def placeholder(self) -> Any:
        return self._tensor.data

    @placeholder.setter
    def placeholder(self, data: Any) -> None:
        """A function of a config fills a template, or puts another array in its place."""
        self._tensor = self._tensor.like(data)

    raw_tensor = placeholder

    @property
    def dim(self) -> int | None:
        found = self._tensor.feature_or_sparse_dim
        return None if found is None else found.root.size

    @property
    def batch_dim_axis(self) -> int | None:
        return self._tensor.batch_axis

    @property
    def time_dim_axis(self) -> int | None:
        return self._tensor.time_axis

    @property
    def feature_dim_axis(self) -> int | None:
        return self._tensor.feature_axis

    @property
    def batch_ndim(self) -> int:
        return self._tensor.ndim

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        return tuple(d.root.size for d in self._tensor.dims)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return tuple(d.root.size for d in self._tensor.dims if not d.is_batch)

    @property
    def dtype(self) -> str:
        return str(self._tensor.dtype)

    @property
    def sparse(self) -> bool:
        return self._tensor.sparse

    @property
    def beam(self) -> None:
        """Hypotheses are not told apart here: they are part of the batch."""

    @property
    def sparse_dim(self) -> Dim | None:
        return self._tensor.sparse_dim

    @property
    def feature_dim(self) -> Dim | None:
        return self._tensor.feature_dim

    @property
    def dims(self) -> tuple[Any, ...]:
        return self._tensor.dims

    dim_tags = dims

    def __repr__(self) -> str:
        return f"DataProxy({self._tensor!r})"

    # Lengths.

    def get_sequence_lengths(self) -> Any:
        """The lengths [batch] of the time axis.

        Raises:
          TenureError: there is no time axis.
        """
        return self.get_dynamic_size(self._time())

    def _time(self) -> int:
        if self._tensor.time_axis is None:
            raise TenureError(f"{self._tensor!r} has no time axis", ways=["reinterpret_data, 'set_axes': {'T': …}"])
        return self._tensor.time_axis

    def get_dynamic_size(self, axis: Any) -> Any:
        """The lengths of an axis, for each sequence [batch]; its size where all sequences are equally long."""
        at = self.get_axis_from_description(axis)
        found = sizes.current().lengths(self._tensor.dims[at])
        if found is not None:
            return found.data
        batch = self._tensor.batch_axis
        return jnp.full((1 if batch is None else self._tensor.shape[batch],), self._tensor.shape[at], jnp.int32)

    @property
    def size_placeholder(self) -> dict[int, Any]:
        """Lengths by axis, where the batch axis does not count."""
        batch = self._tensor.batch_axis
        found = {}
        for axis in self.get_dynamic_axes():
            found[axis - (batch is not None and axis > batch)] = self.get_dynamic_size(axis)
        return found

    def get_sequence_mask_broadcast(self, axis: Any = None) -> Any:
        """Which entries of the time axis, or another, count: of size 1 in the axes over which that does not change."""
        at = self._time() if axis is None else self.get_axis_from_description(axis)
        keep = ops.mask(self._tensor.dims[at], self._tensor.dims)
        shape = [n if i == at else 1 for i, n in enumerate(self._tensor.shape)]
        return jnp.ones(shape, bool) if keep is None else keep

    def get_sequence_mask(self) -> Any:
        """Which frames count: [batch, time], or [time, batch] if time comes first."""
        keep = jnp.arange(self._tensor.shape[self._time()]) < self.get_sequence_lengths()[:, None]
        return keep.T if self.is_time_major else keep

    def has_dynamic_size(self, axis: Any) -> bool:
        """Whether sequences have lengths of their own in that axis."""
        return sizes.current().lengths(self._tensor.dims[self.get_axis_from_description(axis)]) is not None

    def is_time_axis_dynamic(self) -> bool:
        """Whether sequences have lengths of their own in time."""
        return self._tensor.time_axis is not None and self.has_dynamic_size(self._tensor.time_axis)

    # Axes.

    @property
    def is_batch_major(self) -> bool:
        """Whether the batch axis is the first."""
        return self._tensor.batch_axis == 0

    @property
    def is_time_major(self) -> bool:
        """Whether the time axis is the first."""
        return self._tensor.time_axis == 0

    @property
    def is_batch_feature_major(self) -> bool:
        """Whether the batch axis is the first, and the feature axis the second."""
        return self._tensor.batch_axis == 0 and self._tensor.feature_axis == 1

    @property
    def ndim(self) -> int:
        """How many axes there are besides the batch."""
        return self._tensor.ndim - (self._tensor.batch_axis is not None)

    @property
    def time_dim_axis_excluding_batch(self) -> int | None:
        """The time axis, where the batch axis does not count."""
        time, batch = self._tensor.time_axis, self._tensor.batch_axis
        return time if time is None or batch is None or batch > time else time - 1

    def have_batch_axis(self) -> bool:
        """Whether there is a batch axis."""
        return self._tensor.batch_axis is not None

    def have_time_axis(self) -> bool:
        """Whether there is a time axis."""
        return self._tensor.time_axis is not None

    def have_feature_axis(self) -> bool:
        """Whether there is a feature axis."""
        return self._tensor.feature_axis is not None

    def get_dynamic_axes(self) -> list[int]:
        """The axes whose size is another one for each batch."""
        return self._tensor.dynamic_axes

    def get_static_axes(self) -> list[int]:
        """The axes that have a size of their own."""
        return self._tensor.static_axes

    def get_spatial_axes(self) -> list[int]:
        """The axes that are neither batch nor features."""
        return self._tensor.spatial_axes

    def get_spatial_batch_axes(self) -> list[int]:
        """All axes but that of the features."""
        return [i for i in range(self._tensor.ndim) if i != self._tensor.feature_axis]

    def get_axes(
        self, exclude_time: bool = False, exclude_batch: bool = False, exclude_feature: bool = False
    ) -> list[int]:
        """The axes, without those that are not wanted."""
        x = self._tensor
        left_out = ((exclude_time, x.time_axis), (exclude_batch, x.batch_axis), (exclude_feature, x.feature_axis))
        return [i for i in range(x.ndim) if not any(yes and i == axis for yes, axis in left_out)]

    def get_axes_from_description(self, description: Any) -> list[int]:
        """The axes that are meant."""
        return axes.axes(self._tensor, description, allow_int=True)

    def get_dim_tag(self, axis: Any) -> Dim:
        """The dim of an axis."""
        return self._tensor.dims[self.get_axis_from_description(axis)]

    def get_time_dim_tag(self) -> Dim:
        """The dim of the time axis."""
        return self._tensor.dims[self._time()]

    def get_batch_dim(self) -> int:
        """How many sequences there are."""
        return 1 if self._tensor.batch_axis is None else self._tensor.shape[self._tensor.batch_axis]

    def time_dimension(self) -> int:
        """How many frames there are, padding included."""
        return self._tensor.shape[self._time()]

    def get_dim(self, axis: Any) -> int:
        """The size of an axis."""
        return self._tensor.shape[self.get_axis_from_description(axis)]

    def get_axis_from_description(self, description: Any) -> int:
        """The axis that is meant."""
        return axes.axis(self._tensor, description, allow_int=True)

    # The array in another order.

    def get_placeholder_as_batch_major(self) -> Any:
        """The array with the batch axis first."""
        return self._tensor.batch_first().data

    def get_placeholder_as_time_major(self) -> Any:
        """The array with the time axis first."""
        return self.copy_as_time_major().placeholder

    def copy(self, name: str | None = None) -> DataProxy:
        """The same, as another object."""
        return DataProxy(self._tensor)

    def copy_template(self, name: str | None = None, dtype: Any = None) -> DataProxy:
        """The same axes, without an array."""
        return DataProxy(self._tensor.like(None))

    def copy_template_excluding_time_dim(self, name: str | None = None) -> DataProxy:
        """The axes without time, and without an array."""
        x = self._tensor.like(None)
        return DataProxy(x if x.time_axis is None else x.without(x.time_axis))

    def copy_as_bt_or_tb_major(self) -> DataProxy:
        """Batch and time as the first two axes."""
        x = self._tensor
        if x.time_axis is not None and x.batch_axis is not None and {x.time_axis, x.batch_axis} == {0, 1}:
            return self
        return DataProxy(x if x.time_axis is None else x.move_axis(x.time_axis, 0).batch_first())

    def copy_as_time_batch_major(self) -> DataProxy:
        """The time axis first, then the batch."""
        return DataProxy(self._tensor.batch_first()).copy_as_time_major()

    def copy_as_batch_feature_major(self) -> DataProxy:
        """The batch axis first, then the features."""
        x = self._tensor
        x = x if x.feature_axis is None else x.move_axis(x.feature_axis, 0)
        return DataProxy(x.batch_first())

    def copy_as_batch_spatial_major(self) -> DataProxy:
        """The batch axis first, the features last."""
        return DataProxy(self._tensor.batch_first().feature_last())

    def copy_as_batch_major(self) -> DataProxy:
        """The batch axis first."""
        return DataProxy(self._tensor.batch_first())

    def copy_as_time_major(self) -> DataProxy:
        """The time axis first."""
        x = self._tensor
        return DataProxy(x if x.time_axis is None else x.move_axis(x.time_axis, 0))

    def copy_with_feature_last(self) -> DataProxy:
        """The feature axis last."""
        return DataProxy(self._tensor.feature_last())


_DATA = frozenset(n for n in vars(DataProxy) if not n.startswith("_"))
