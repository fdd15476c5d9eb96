"""What the KL divergence of eight candidates costs beside llama-perplexity, for intervals of the same width."""

import json
import math
import re
import time

import paired
import quality
import tools

KINDS = ("q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_1", "q4_0", "iq4_nl")
CHUNKS = 4
PEERS_POSITIONS = CHUNKS * (quality.CHUNK // 2 - 1)  # that llama-perplexity scores
TIME, DISK = 0.6, 0.05
ROUNDS = (5, 10)  # a round is a part of the text: how deviations vary with position depends on it


def metrics():
    return [paired.Metric("cost", paired.Goal(None, TIME)),
            paired.Metric("disk", paired.Goal(None, DISK))]


def cost(seconds, errors):
    """Seconds that intervals of one width cost: their width falls with the root of the positions, and so of the time."""
    return seconds * math.exp(2 * sum(math.log(error) for error in errors) / len(errors))


class Comparison:
    def __init__(self, ours, say):
        self.program = ours.bench("ruler")
        self.workers = (ours.worker("text"), ours.worker("llama_cpp"))
        files = tools.Files(ours, say)
        self.reference, self.candidates = files.path("f32"), [files.path(kind) for kind in KINDS]
        self.folder = tools.OUT / "ruler"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.texts = []
        for number, text in enumerate(quality.segments()):
            self.texts.append(self.folder / f"{number}.txt")
            self.texts[-1].write_text(text, encoding="utf-8")
        self.threads, self.said, self.peers = ours.threads, None, None

    def _text(self, number):
        return self.texts[number % len(self.texts)]

    def strop(self, number):
        self.said = json.loads(tools.output_of(
            [self.program, *self.workers, self._text(number), quality.CHUNK, CHUNKS, self.folder / "store", self.reference,
             *self.candidates, f"context={quality.CHUNK}", f"batch={quality.CHUNK}", f"threads={self.threads}"]))
        return {"cost": cost(self.said["seconds"], self.said["errors"]), "disk": self.said["store_bytes"] / self.said["positions"]}

    def peer(self, number):
        base, errors, begun = self.folder / "base.logits", [], time.monotonic()
        quality.llama_perplexity(self.said["session"], ["-m", self.reference, "-f", self._text(number), "--chunks", CHUNKS,
                                                        "--kl-divergence-base", base])
        for file in self.candidates:
            said = quality.llama_perplexity(self.said["session"], ["-m", file, "--chunks", CHUNKS,
                                                                   "--kl-divergence-base", base, "--kl-divergence"])
            found = re.search(r"Mean    KLD:\s*\S+\s*±\s*([0-9.]+)", said)
            if found is None:
                raise RuntimeError("llama-perplexity did not say how sure it is of the KL divergence")
            errors.append(float(found[1]))
        seconds, size = time.monotonic() - begun, base.stat().st_size
        base.unlink()
        self.peers = {"seconds": seconds, "errors": errors, "logits_bytes": size}
        return {"cost": cost(seconds, errors), "disk": size / PEERS_POSITIONS}

    def conditions(self):
        return {"candidates": KINDS, "chunk": quality.CHUNK, "chunks": CHUNKS, "strop": self.said,
                "llama_perplexity": self.peers}
