"""Prefill and decode rates behind Strop's protocol against llama-bench, on the same library and settings."""

import json

import paired
import stepped
import tools

PROMPT, NEW, BATCH = 256, 64, 512
# Speed differs from one life of a process to the next, and the machine's from one second to the next. So all live at
# once and take turns of about a second (what drifts is slower than that), and each round is another life of all.
TURNS = 8
ROUNDS = (8, 16, 32, 64)
CLAIM = 0.03


def metrics():
    return [paired.Metric(name, paired.Goal(1 - CLAIM, 1 + CLAIM)) for name in ("prefill", "decode")]


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
        tools.check_kernels([*self._peer_command(PROMPT, 0, 0), "-r", 1], variant)
        self.lag = []  # between the signal that holds a peer and its stop, in seconds

    def _strop(self, options, repetitions):
        return json.loads(tools.output_of(
            [self.ours.bench("rates"), self.ours.worker("llama_cpp"), self.file, repetitions, PROMPT, NEW] +
            [f"{name}={value}" for name, value in options.items()]))

    def _peer_command(self, prompt, new, depth):
        return [self.bench, "-m", self.file, "-p", prompt, "-n", new, "-d", depth, "-b", BATCH, "-ub", BATCH,
                "-t", self.options["threads"], "-fa", self.options["flash_attention"],
                "-ctk", self.options["kv_cache_type"], "-ctv", self.options["kv_cache_type"], "-o", "json"]

    def _ours(self):
        return stepped.Told([self.ours.bench("rates"), self.ours.worker("llama_cpp"), self.file, 0, PROMPT, NEW] +
                            [f"{name}={value}" for name, value in self.options.items()])

    def _peers(self):
        tests = {"prefill": (PROMPT, 0, 0), "decode": (0, NEW, PROMPT)}
        return {metric: stepped.Stepped(self._peer_command(*test), TURNS, cwd=self.bench.parent)
                for metric, test in tests.items()}

    def round(self, number):
        """One life of everybody, in turns: an order, its reverse, an order, ... Who starts first may get the better
        memory, so the start takes turns too."""
        order, lives, peers = paired.order(number)[:3], {}, {}
        try:
            for name in order:
                if name == "peer":
                    peers |= self._peers()
                else:
                    lives[name] = self._ours()
            runs = {name: [] for name in paired.NAMES}
            for turn in range(TURNS):
                for name in order if turn % 2 == 0 else order[::-1]:
                    if name == "peer":
                        for peer in peers.values():
                            peer.step()
                    else:
                        runs[name].append(lives[name].step())
            seconds = {metric: peer.seconds() for metric, peer in peers.items()}
            tokens = {"prefill": PROMPT, "decode": NEW}
            runs["peer"] = [{metric: tokens[metric] / seconds[metric][turn] for metric in tokens}
                            for turn in range(TURNS)]
            self.lag += [lag for peer in peers.values() for lag in peer.lag]
            return runs
        finally:
            for process in [*lives.values(), *peers.values()]:
                process.end()

    def conditions(self):
        return {"engine": f"llama.cpp {self.backend['version']}", "cpu_variant": self.session["cpu_variant"],
                "run_options": self.options, "file": "q8_0 of SmolLM2-135M-Instruct",
                "file_made_by": self.files.made_by,
                "prompt": PROMPT, "new_tokens": NEW, "depth": PROMPT, "turns": TURNS, "longest_lag_ms": round(1000 * max(self.lag, default=0), 3),
                "unit": "tokens per second"}
