#!/usr/bin/env python3
"""Programs that wait between their steps: one that reports as llama-bench does, and one of ours."""

import pathlib
import sys
import tempfile
import time
import unittest

import stepped

PEER = """
import json, sys, time
repetitions = int(sys.argv[sys.argv.index("-r") + 1])
print("llama-bench: benchmark 1/1: warmup generation run", file=sys.stderr, flush=True)
samples = []
for i in range(repetitions):
    begin = time.perf_counter_ns()
    print(f"llama-bench: benchmark 1/1: depth run {i + 1}/{repetitions} (cached)", file=sys.stderr, flush=True)
    print(f"llama-bench: benchmark 1/1: generation run {i + 1}/{repetitions}", file=sys.stderr, flush=True)
    work = 0
    while work < 30:
        time.sleep(0.001)
        work += 1
    samples.append(time.perf_counter_ns() - begin)
print(json.dumps([{"samples_ns": samples}]))
"""


class Case(unittest.TestCase):
    def peer(self, code):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "peer.py"
        path.write_text(code, encoding="utf-8")
        return [sys.executable, path]


class Holding(Case):
    def test_the_time_it_was_held_is_taken_off(self):
        run = stepped.Stepped(self.peer(PEER), 4)
        for _ in range(4):
            time.sleep(0.5)  # the other's turn
            run.step()
        seconds = run.seconds()
        run.end()
        self.assertEqual(len(seconds), 4)
        for value in seconds:
            self.assertGreater(value, 0.02)
            self.assertLess(value, 0.4)

    def test_it_does_nothing_while_it_is_held(self):
        run = stepped.Stepped(self.peer(PEER), 2)
        time.sleep(0.3)
        self.assertEqual(run.current, 1)
        run.step()
        time.sleep(0.3)
        self.assertEqual(run.current, 2)
        run.end()

    def test_a_peer_that_ends_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "the peer ended with 3"):
            stepped.Stepped(self.peer("import sys\nprint('no model', file=sys.stderr)\nsys.exit(3)"), 2)


OURS = """
import json, sys
for number, line in enumerate(sys.stdin):
    if number == 2:
        sys.exit(4)
    print(json.dumps({"step": number}), flush=True)
"""


class Telling(Case):
    def test_each_line_is_a_step_and_an_end_is_an_error(self):
        run = stepped.Told(self.peer(OURS))
        self.assertEqual([run.step()["step"], run.step()["step"]], [0, 1])
        with self.assertRaisesRegex(RuntimeError, "ended with 4"):
            run.step()
        run.end()


if __name__ == "__main__":
    unittest.main()
