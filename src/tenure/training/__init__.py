"""The training tool: configs, data, learning rates, pretraining, and the engine that trains."""
