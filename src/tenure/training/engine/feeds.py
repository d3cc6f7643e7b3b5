"""The data sets of a training, opened once, with the shapes of their batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.network.model import Network
from tenure.training.engine.feeding import Feed
from tenure.training.errors import ConfigError


class Feeds:
    """Data sets by name. One is opened again when its options change, and its shapes are made again when the limits of batches do."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, dict[str, Any], Feed]] = {}

    def of(
        self,
        name: str,
        options: Any,
        defaults: Mapping[str, Any],
        config: Mapping[str, Any],
        network: Network,
        *,
        training: bool,
    ) -> Feed:
        """The batches of a data set; the arguments are those of `Feed.of`, and a name."""
        if options is None:
            raise ConfigError(
                f"the config has no data set {name!r}", ways=[f"{name} = {{'class': 'HDFDataset', 'files': […]}}"]
            )
        known = self._known.get(name)
        same = known is not None and known[0] is options and known[1] == defaults
        before = known[2] if known is not None and same else None
        feed = Feed.of(options, defaults, config, network, training=training, before=before, name=name)
        self._known[name] = (options, dict(defaults), feed)
        return feed
