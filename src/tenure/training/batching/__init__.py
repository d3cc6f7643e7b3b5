"""From the lengths of sequences to batches, and from batches to padded arrays."""
