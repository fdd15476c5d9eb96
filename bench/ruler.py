"""What the KL divergence of eight candidates costs beside llama-perplexity, for intervals of the same width."""

import json
import math
import re
import time

import paired
import quality
import tools

KINDS = ("q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_1", "q4_0", "iq4_nl")
CHUNKS, ALL_CHUNKS = 4, 20  # of a part of the text, which is timed, and of the whole
PEERS_POSITIONS = CHUNKS * (quality.CHUNK // 2 - 1)  # that llama-perplexity scores
TIME, DISK = 0.6, 0.05
ROUNDS = (5, 10)  # a round is a part of the text


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
        self.threads, parts = ours.threads, quality.segments()
        self.texts = [self._written(f"{number}.txt", text) for number, text in enumerate(parts)]
        whole = self._written("whole.txt", "\n".join(parts))
        say("once over the whole text on each side, for the standard errors, which is not timed")
        self.said = self._strop(whole, ALL_CHUNKS)
        self.peers = self._peer(whole, ALL_CHUNKS)
        self.errors = {"strop": self.said["errors"], "peer": self.peers["errors"]}

    def _written(self, name, text):
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def _strop(self, text, chunks):
        return json.loads(tools.output_of(
            [self.program, *self.workers, text, quality.CHUNK, chunks, self.folder / "store", self.reference,
             *self.candidates, f"context={quality.CHUNK}", f"batch={quality.CHUNK}", f"threads={self.threads}"]))

    def _peer(self, text, chunks):
        base, errors, ended, begun = self.folder / "base.logits", [], [], time.monotonic()
        quality.llama_perplexity(self.said["session"], ["-m", self.reference, "-f", text, "--chunks", chunks,
                                                        "--kl-divergence-base", base])
        ended.append(time.monotonic() - begun)
        for file in self.candidates:
            said = quality.llama_perplexity(self.said["session"], ["-m", file, "--chunks", chunks,
                                                                   "--kl-divergence-base", base, "--kl-divergence"])
            found = re.search(r"Mean    KLD:\s*\S+\s*±\s*([0-9.]+)", said)
            if found is None:
                raise RuntimeError("llama-perplexity did not say how sure it is of the KL divergence")
            errors.append(float(found[1]))
            ended.append(time.monotonic() - begun)
        size = base.stat().st_size
        base.unlink()
        return {"seconds": ended[-1], "ended": ended, "errors": errors, "logits_bytes": size}

    def strop(self, number):
        self.said = self._strop(self.texts[number % len(self.texts)], CHUNKS)
        return {"cost": cost(self.said["seconds"], self.errors["strop"]),
                "disk": self.said["store_bytes"] / self.said["positions"]}

    def peer(self, number):
        self.peers = self._peer(self.texts[number % len(self.texts)], CHUNKS)
        return {"cost": cost(self.peers["seconds"], self.errors["peer"]),
                "disk": self.peers["logits_bytes"] / PEERS_POSITIONS}

    def conditions(self):
        return {"candidates": KINDS, "chunk": quality.CHUNK, "chunks": CHUNKS, "errors": self.errors,
                "strop": self.said, "llama_perplexity": self.peers}
