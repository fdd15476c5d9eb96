"""`strop --help` from start to end against 10 ms. The peer is that number; `true` shows what a process costs here."""

import os
import statistics
import time

import paired

LIMIT = 0.010
ROUNDS = (30, 60, 120)


def metrics():
    return [paired.Metric("seconds", paired.Goal(None, 1), 0.1)]


class Comparison:
    def __init__(self, ours, _):
        self.program = str(ours.program("bin/strop"))
        self.true_seconds = []
        for _ in range(5):
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
        self.true_seconds.append(self._seconds("true"))
        return {"seconds": self._seconds(self.program, "--help")}

    def peer(self, _):
        return {"seconds": LIMIT}

    def conditions(self):
        return {"limit_seconds": LIMIT, "true_seconds": statistics.median(self.true_seconds)}
