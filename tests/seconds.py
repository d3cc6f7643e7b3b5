"""The seconds that a call takes, for tests that bound them: those of the processor, not those that other programs took."""

import gc
import time

TRIES = 3


def spent(call, limit):
    """Calls, and once more where a try took longer than `limit`, up to three tries. Returns the seconds of the quickest.

    A call that is slow is so in each try. Collecting what earlier tests left falls into one try, and is none of its time.
    """
    quickest = float("inf")
    for _ in range(TRIES):
        start = time.process_time()
        call()
        quickest = min(quickest, time.process_time() - start)
        if quickest <= limit:
            break
        gc.collect()
    return quickest
