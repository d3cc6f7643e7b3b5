"""The view: one step between an owner's value and a borrower's. Named, frozen, checked, and plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from tenure.core.errors import NotSerialisableError, UnknownViewError, ViewSyntaxError, brief
from tenure.core.notation import operation
from tenure.core.notation.operation import Misfit, define

Shape = tuple[int, ...]
Axes = tuple[str | None, ...]


class View(operation.Operation):
    """One step between an owner's value and a borrower's. Immutable; equal if its name and arguments are.

    Subclasses set `name` and `signature` (argument name → converter), and define `__call__`, and `shape` where it is another one.

    >>> from tenure.core.notation import views
    >>> views.Slice(0, 4), views.Slice(0, 4, axis=0) == views.parse("slice(0, stop=4)")
    (slice(0, 4), True)
    """

    word = "view"
    registry: ClassVar[dict[str, type[View]]] = {}
    unreadable, unknown = ViewSyntaxError, UnknownViewError
    example = "write it like 'transpose' or 'slice(0, 4, axis=1)'"
    example_data = '["transpose", {}]'
    own_way = "register your own: tn.views.register(name, fn)"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`view(x, *others)`: the borrower's value; `others` are the values of `references()`."""
        raise NotImplementedError

    def shape(self, shape: Shape) -> Shape:
        """The borrower's shape: by default the owner's. Raises `Misfit` where the view cannot be applied."""
        return shape

    def dtype(self, dtype: Any) -> Any:
        """The borrower's dtype."""
        return dtype

    def out(self, shape: Shape, dtype: Any, *others: tuple[Shape, Any]) -> tuple[Shape, Any]:
        """The borrower's shape and dtype.

        Args:
          shape: of the owner's value.
          dtype: of the owner's value.
          *others: shape and dtype of the values that `references()` names.

        Raises:
          Misfit: the shapes or dtypes do not fit.
        """
        return self.shape(shape), self.dtype(dtype)

    def axes(self, axes: Axes) -> Axes:
        """The borrower's axis names; `None` for an axis that has no single counterpart."""
        return axes

    def inverse(self, shape: Shape, dtype: Any) -> View | None:
        """The view that leads back to an owner of this shape and dtype, or None.

        Args:
          shape: of the owner's value.
          dtype: of the owner's value.
        """
        return None

    def references(self) -> tuple[str, ...]:
        """The further slots that the view reads, as references: none, unless the view joins several values."""
        return ()

    def with_references(self, references: Sequence[str]) -> View:
        """The same view on other further slots."""
        return self


registry = View.registry


def lookup(name: Any) -> type[View]:
    """The view class of that name.

    Raises:
      UnknownViewError: nobody registered it; the nearest names are in the message.
    """
    return operation.lookup(View, name)


def not_serialisable(shown: str) -> NotSerialisableError:
    """The error of a Python function where data is needed."""
    return NotSerialisableError(
        f"the view {shown} is a Python function, which has no form as data",
        ways=["register it under a name: tn.views.register('my_view', fn)", "use a named view"],
    )


def parse(text: str) -> View:
    """One view from its string.

    >>> from tenure.core.notation import views
    >>> views.parse("slice(0, 4, axis=1)")
    slice(0, 4, axis=1)

    Raises:
      ViewSyntaxError: it cannot be read, or the arguments are wrong.
      UnknownViewError: there is no view of that name.
      NotSerialisableError: it is how a plain Python function is shown.
    """
    if isinstance(text, str) and text.strip().startswith("⟨"):
        raise not_serialisable(brief(text.strip()).strip("'"))
    return operation.parse(View, text)


__all__ = ["Axes", "Misfit", "Shape", "View", "define", "lookup", "parse", "registry"]
