"""The engine: trains, evaluates, searches and forwards what a config describes."""
