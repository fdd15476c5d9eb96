"""`strop --help` from start to end against 10 ms. The peer is that number; `true` shows what a process costs here."""

import os
import statistics
import time

import paired

LIMIT = 0.010
RUNS = 30  # of which a round takes the median
ROUNDS = (8, 16, 32)


def metrics():
    return [paired.Metric("seconds", paired.Goal(None, 1), 0.1)]


class Comparison:
    def __init__(self, ours, _):
        self.program = str(ours.program("bin/strop"))
        self.true_seconds = []
        self.strop(None)  # warm caches
        self.true_seconds.clear()

    @staticmethod
    def _seconds(*command):
        quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        begin = time.perf_counter()
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - begin
        if status != 0:
            raise RuntimeError(f"{' '.join(command)} ended with status {status}")
        return seconds

    def strop(self, _):
        # `true` in turn with the program, so that both meet the same machine.
        pairs = [(self._seconds("true"), self._seconds(self.program, "--help")) for _ in range(RUNS)]
        self.true_seconds.append(statistics.median(pair[0] for pair in pairs))
        return {"seconds": statistics.median(pair[1] for pair in pairs)}

    def peer(self, _):
        return {"seconds": LIMIT}

    def conditions(self):
        return {"limit_seconds": LIMIT, "true_seconds": statistics.median(self.true_seconds)}
