"""What pytest must not import: programs of other processes."""

collect_ignore = ["sharded_worker.py"]
