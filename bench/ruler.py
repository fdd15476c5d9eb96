"""What the KL divergence of eight candidates costs beside llama-perplexity, for intervals of the same width."""

import math
import re
import shutil
import time

import paired
import quality
import stepped
import tools

KINDS = ("q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_1", "q4_0", "iq4_nl")
STEPS = 1 + len(KINDS)
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


class Ours:
    """One pass of Strop: the reference, then each file, a step at a time."""

    def __init__(self, comparison, text, chunks, place):
        self.store = comparison.folder / f"{place}.store"
        self.program = stepped.Told(
            [comparison.program, *comparison.workers, text, quality.CHUNK, chunks, self.store, comparison.reference,
             *comparison.candidates, f"context={quality.CHUNK}", f"batch={quality.CHUNK}", f"threads={comparison.threads}"])
        self.seconds = []

    def step(self):
        self.seconds.append(self.program.step()["seconds"])

    def said(self):
        return self.program.answer() | {"seconds": self.seconds}

    def end(self):
        self.program.end()
        self.store.unlink(missing_ok=True)


class Peer:
    """The same by llama-perplexity, a process for each step."""

    def __init__(self, comparison, text, chunks, place):
        self.session, self.files = comparison.session, [comparison.reference, *comparison.candidates]
        self.text, self.chunks, self.base = text, chunks, comparison.folder / f"{place}.logits"
        self.seconds, self.errors = [], []

    def step(self):
        file, begun = self.files[len(self.seconds)], time.monotonic()
        what = ["--kl-divergence"] if self.seconds else ["-f", self.text]
        said = quality.llama_perplexity(self.session, ["-m", file, "--chunks", self.chunks,
                                                       "--kl-divergence-base", self.base, *what])
        self.seconds.append(time.monotonic() - begun)
        if len(self.seconds) == 1:
            return
        found = re.search(r"Mean    KLD:\s*\S+\s*±\s*([0-9.]+)", said)
        if found is None:
            raise RuntimeError("llama-perplexity did not say how sure it is of the KL divergence")
        self.errors.append(float(found[1]))

    def said(self):
        return {"seconds": self.seconds, "errors": self.errors, "logits_bytes": self.base.stat().st_size}

    def end(self):
        self.base.unlink(missing_ok=True)


class Comparison:
    def __init__(self, ours, say):
        self.program = ours.bench("ruler")
        self.workers = (ours.worker("text"), ours.worker("llama_cpp"))
        files = tools.Files(ours, say)
        self.reference, self.candidates = files.path("f32"), [files.path(kind) for kind in KINDS]
        self.folder = tools.OUT / "ruler"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.threads, parts = ours.threads, quality.segments()
        self.texts = [self._written(f"{number}.txt", text) for number, text in enumerate(parts)]
        whole = self._written("whole.txt", "\n".join(parts))
        say("once over the whole text on each side, for the standard errors, which is not timed")
        self.said = {"strop": self._alone(Ours(self, whole, ALL_CHUNKS, "whole"))}
        self.session = self.said["strop"]["session"]
        self.said["peer"] = self._alone(Peer(self, whole, ALL_CHUNKS, "whole"))
        self.errors = {name: said["errors"] for name, said in self.said.items()}

    def _written(self, name, text):
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def _alone(self, one):
        try:
            for _ in range(STEPS):
                one.step()
            return one.said()
        finally:
            one.end()

    def round(self, number):
        """Two passes of each contestant over one part of the text, file by file in turns: the machine wavers within the
        minutes that a pass takes, less within the seconds of a file."""
        text, order = self.texts[number % len(self.texts)], paired.order(number)
        passes = []
        try:
            for place, name in enumerate(order):
                passes.append((Peer if name == "peer" else Ours)(self, text, CHUNKS, place))
            for step in range(STEPS):
                for one in passes if step % 2 == 0 else passes[::-1]:
                    one.step()
            runs = {name: [] for name in paired.NAMES}
            for name, one in zip(order, passes):
                runs[name].append(self._figures("peer" if name == "peer" else "strop", one.said()))
            return runs
        finally:
            for one in passes:
                one.end()

    def _figures(self, side, said):
        self.said[side] = said
        scratch = said["logits_bytes"] / PEERS_POSITIONS if side == "peer" else said["store_bytes"] / said["positions"]
        return {"cost": cost(sum(said["seconds"]), self.errors[side]), "disk": scratch}

    def conditions(self):
        return {"candidates": KINDS, "chunk": quality.CHUNK, "chunks": CHUNKS, "errors": self.errors,
                "strop": self.said["strop"], "llama_perplexity": self.said["peer"]}
