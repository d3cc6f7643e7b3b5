"""Learning rates: per epoch by control (newbob and its relatives), within an epoch by schedule, and their file."""
