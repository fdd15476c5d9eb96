"""llama-bench held between its repetitions, so that another program can take its turn while both stay alive.

Started with --progress it says on stderr when a repetition begins. There it is stopped (SIGSTOP); a step lets it go on
until it says so again. The clock of the repetition that is held runs on, so the time it was held is taken off its
sample. What is taken off is at most what it was held: the error, the time between the signal and the stop, makes the
peer look slower by that much and is kept with the samples (`lag`).
"""

import json
import os
import re
import signal
import subprocess
import threading
import time

BEGINS = re.compile(r"(?:prompt|generation) run (\d+)/(\d+)")


class Stepped:
    def __init__(self, command, repetitions, cwd=None):
        # The last repetition is nobody's turn: it only ends the one before.
        self.repetitions, self.held, self.lag, self.since = repetitions, {}, [], None
        self.process = subprocess.Popen([str(part) for part in command] + ["-r", str(repetitions + 1), "--progress"],
                                        cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1)
        self.words = []
        self._hold()

    def _begin(self):
        """The number of the repetition that begins now."""
        for line in self.process.stderr:
            self.words = (self.words + [line.strip()])[-3:]
            found = BEGINS.search(line)
            if found and "warmup" not in line:
                return int(found[1])
        raise RuntimeError(f"the peer ended with {self.process.wait()}: {' '.join(self.words)}")

    def _hold(self):
        self.current = self._begin()
        sent = time.perf_counter()
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        self.since = time.perf_counter()
        if not os.WIFSTOPPED(status):
            self.process.returncode = os.waitstatus_to_exitcode(status)
            raise RuntimeError(f"the peer ended with {self.process.returncode}: {' '.join(self.words)}")
        self.lag.append(self.since - sent)

    def _release(self):
        self.held[self.current] = time.perf_counter() - self.since
        os.kill(self.process.pid, signal.SIGCONT)

    def step(self):
        """One repetition."""
        self._release()
        self._hold()

    def seconds(self):
        """Of each repetition but the last, once all were made."""
        self._release()
        drain = threading.Thread(target=self.process.stderr.read)
        drain.start()
        out = self.process.stdout.read()
        drain.join()
        if self.process.wait() != 0:
            raise RuntimeError(f"the peer ended with {self.process.returncode}: {' '.join(self.words)}")
        test, = json.loads(out)
        samples = test["samples_ns"][:self.repetitions]
        return [ns / 1e9 - self.held.get(number, 0.0) for number, ns in enumerate(samples, 1)]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
