"""Programs that wait between their steps, so that others can take their turns while all stay alive.

Ours make a step for each line they are given. llama-bench is held between its repetitions: started with --progress it
says on stderr when one begins. There it is stopped (SIGSTOP); a step lets it go on until it says so again. The clock of
the repetition that is held runs on, so the time it was held is taken off its sample. What is taken off is at most what
it was held: the error, the time between the signal and the stop, makes the peer look slower by that much and is kept
with the samples (`lag`).
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

BEGINS = re.compile(r"(?:prompt|generation) run (\d+)/(\d+)")


class Told:
    """One of our programs: a line on stdin lets it make a step, which it answers with a line of JSON."""

    def __init__(self, command):
        self.name = pathlib.Path(command[0]).name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Stepped:
    """llama-bench."""

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
