"""Prefill and decode rates behind Strop's protocol against llama-bench, on the same library and settings."""

import json
import statistics

import paired
import tools

PROMPT, NEW, BATCH = 256, 64, 512
# What differs, differs from one process to the next: many short runs tell more than few long ones.
REPETITIONS = 1
ROUNDS = (16, 32, 64, 96)
CLAIM = 0.05


def metrics():
    return [paired.Metric(name, paired.Goal(1 - CLAIM, 1 + CLAIM), CLAIM / 3) for name in ("prefill", "decode")]


class Comparison:
    def __init__(self, ours, say):
        self.ours = ours
        self.files = tools.Files(ours, say)
        self.file = self.files.path("q8_0")
        self.backend = json.loads(tools.output_of([ours.bench("rates"), ours.worker("llama_cpp")]))
        # As many tokens of context as llama-bench makes room for.
        first = self._strop({"context": PROMPT + NEW, "batch": BATCH, "threads": ours.threads}, 1)
        self.session = first["session"]
        self.options = self.session["run_options"]
        variant = self.session["cpu_variant"]
        self.bench = tools.peer_with_variant("llama-bench", variant)
        tools.check_kernels(self._peer_command(PROMPT, 0, 0), variant)

    def _strop(self, options, repetitions):
        return json.loads(tools.output_of(
            [self.ours.bench("rates"), self.ours.worker("llama_cpp"), self.file, repetitions, PROMPT, NEW] +
            [f"{name}={value}" for name, value in options.items()]))

    def _peer_command(self, prompt, new, depth):
        return [self.bench, "-m", self.file, "-p", prompt, "-n", new, "-d", depth, "-b", BATCH, "-ub", BATCH,
                "-t", self.options["threads"], "-fa", self.options["flash_attention"],
                "-ctk", self.options["kv_cache_type"], "-ctv", self.options["kv_cache_type"],
                "-r", REPETITIONS, "-o", "json"]

    def _peer(self, prompt, new, depth):
        test, = json.loads(tools.output_of(self._peer_command(prompt, new, depth), cwd=self.bench.parent))
        return test["samples_ts"]

    def strop(self, _):
        samples = self._strop(self.options, REPETITIONS)
        return {name: statistics.median(samples[name]) for name in ("prefill", "decode")}

    def peer(self, _):
        return {"prefill": statistics.median(self._peer(PROMPT, 0, 0)),
                "decode": statistics.median(self._peer(0, NEW, PROMPT))}

    def conditions(self):
        return {"engine": f"llama.cpp {self.backend['version']}", "cpu_variant": self.session["cpu_variant"],
                "run_options": self.options, "file": "q8_0 of SmolLM2-135M-Instruct",
                "file_made_by": self.files.made_by,
                "prompt": PROMPT, "new_tokens": NEW, "depth": PROMPT, "repetitions": REPETITIONS,
                "unit": "tokens per second"}
