"""Existing RETURNN configs: what their dictionaries contain beyond data, and recorded cases to replay."""
