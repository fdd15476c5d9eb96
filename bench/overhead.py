"""What decoding through Strop costs per token beyond the same engine calls, at tokens of about 5 ms."""

import json
import statistics

import paired
import tools

BLOCKS, TOKENS, DEPTH = 12, 64, 64  # as many blocks of each in each place: a multiple of 4
ROUNDS = (8, 16, 32)
TIMED = False  # a disturbance falls on both parts of the same calls
CLAIM = 0.01
TOKEN_SECONDS = 0.005  # that the claim is about: the same cost is a smaller part of a slower machine's token


def metrics():
    return [paired.Metric("token", paired.Goal(None, 1 + CLAIM))]


class Comparison:
    def __init__(self, ours, say):
        self.ours = ours
        self.file = tools.Files(ours, say).path("q8_0")
        self.token_ms, self.protocol_us = [], []
        first = self._blocks({"context": 2 * (DEPTH + TOKENS), "threads": ours.threads}, 1)
        self.session = first["session"]
        self.options = self.session["run_options"]

    def _blocks(self, options, blocks):
        return json.loads(tools.output_of(
            [self.ours.bench("overhead"), self.ours.worker("llama_cpp"), self.file, blocks, TOKENS, DEPTH] +
            [f"{name}={value}" for name, value in options.items()]))

    def round(self, _):
        """Both figures of one block are of the same calls, so a block is a pair; its neighbour is the control, after it
        and before it in turn, so that a drift within the process cancels."""
        blocks = self._blocks(self.options, BLOCKS)
        self.token_ms.append(1000 * statistics.median(blocks["engine"]))
        self.protocol_us.append(1e6 * statistics.median(blocks["protocol"]))
        # The cost itself, as a ratio, is what is compared with itself: the engine's time differs from block to block.
        cost = [{"token": 1 + (strop - engine) / min(engine, TOKEN_SECONDS)}
                for strop, engine in zip(blocks["strop"], blocks["engine"])]
        strop = [one for i, one in enumerate(cost) if i % 4 in (0, 3)]
        again = [one for i, one in enumerate(cost) if i % 4 in (1, 2)]
        return {"strop": strop, "again": again, "peer": [{"token": 1.0}] * len(strop)}

    def conditions(self):
        return {"cpu_variant": self.session["cpu_variant"], "run_options": self.options,
                "file": "q8_0 of SmolLM2-135M-Instruct", "tokens": TOKENS, "depth": DEPTH,
                "engine_ms_per_token": round(statistics.median(self.token_ms), 3) if self.token_ms else None,
                "protocol_us_per_token": round(statistics.median(self.protocol_us), 2) if self.protocol_us else None}
