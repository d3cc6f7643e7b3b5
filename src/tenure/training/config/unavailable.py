"""Names that configs import and that Tenure does not have: an error when they are used, which says what to do instead."""

from __future__ import annotations

from typing import Any

from tenure.training.errors import ConfigError

_WAYS = {
    "SelectSearchSourcesLayer": "search selects states itself: read the layer's own output",
    "LayerBase": "write the layer class for Tenure: `@tenure.network.registry.layer('name')`",
    "auto_register_layer_classes": "write the layer classes for Tenure: `@tenure.network.registry.layer('name')`",
    "create_random_warp_flow_2d": "time warping has no counterpart here: SpecAugment's masks alone do most of its work",
    "dense_image_warp": "time warping has no counterpart here: SpecAugment's masks alone do most of its work",
    "Lexicon": "LmDataset reads text with 'orth_symbols_file' or a vocabulary; of a lexicon, write the symbols to a file",
    "HyperParam": "give it one value, and run several trainings",
    "register_layer_class": "write the layer class for Tenure: `@tenure.network.registry.layer('name')`",
}


class Unavailable:
    """A placeholder for a name that Tenure does not have.

    >>> Unavailable("TFUtil.dense_image_warp")("x")
    Traceback (most recent call last):
    tenure.training.errors.ConfigError: the config uses 'TFUtil.dense_image_warp', which Tenure does not have
    ...
    """

    def __init__(self, path: str):
        self._path = path

    def _refuse(self) -> ConfigError:
        way = _WAYS.get(
            self._path.rsplit(".", 1)[-1], "write it with jax.numpy, or with the functions of tf that are mapped"
        )
        return ConfigError(f"the config uses '{self._path}', which Tenure does not have", ways=[way])

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        raise self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unavailable(f"{self._path}.{name}")

    def __getitem__(self, key: Any) -> Any:
        raise self._refuse()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """As a base class: the class can be written, and not be used."""
        refuse = self._refuse

        def init(self: Any, *args: Any, **keywords: Any) -> None:
            raise refuse()

        return (type("Refused", (), {"__init__": init}),)

    def __repr__(self) -> str:
        return f"⟨{self._path}, which Tenure does not have⟩"
