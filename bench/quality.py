"""Perplexity and KL divergence of Strop's ruler against llama-perplexity, on the same files, text and positions."""

import array
import json
import re
import struct

import paired
import tools

CHUNK, SEGMENTS = 512, 5
KINDS = ("q8_0", "q4_k_m")
CLAIMS = {"perplexity": 0.01, "kl": 0.05}
ROUNDS = (SEGMENTS,)
TIMED = False
TEXT = tools.ROOT / "share" / "text" / "evaluation"


def metrics():
    return [paired.Metric(f"{kind}.{name}", paired.Goal(1 - claim, 1 + claim))
            for kind in KINDS for name, claim in CLAIMS.items()]


def number_after(words, text):
    found = re.search(re.escape(words) + r"\s*:?\s*([-0-9.]+)", text)
    if found is None:
        raise RuntimeError(f"llama-perplexity did not say {words}")
    return float(found[1])


def segments():
    """The evaluation text in parts of about the same length, cut between lines."""
    files = sorted(path for path in TEXT.rglob("*") if path.is_file()) if TEXT.is_dir() else []
    if not files:
        raise tools.Missing("share/text/evaluation holds no text")
    lines = "\n".join(path.read_text(encoding="utf-8").strip() for path in files).split("\n")
    size = sum(len(line.encode()) + 1 for line in lines) / SEGMENTS
    parts, done = [[] for _ in range(SEGMENTS)], 0
    for line in lines:
        parts[min(SEGMENTS - 1, int(done / size))].append(line)
        done += len(line.encode()) + 1
    return ["\n".join(part).strip() for part in parts]


def llama_perplexity(session, arguments):
    """What it says, run as our session was."""
    options = session["run_options"]
    program = tools.peer_with_variant("llama-perplexity", session["cpu_variant"])
    return tools.output_of([program, "-c", CHUNK, "-b", CHUNK, "-ub", CHUNK, "-t", options["threads"],
                            "-fa", options["flash_attention"], "-ctk", options["kv_cache_type"],
                            "-ctv", options["kv_cache_type"], *arguments], cwd=program.parent)


class Comparison:
    def __init__(self, ours, say):
        self.program = ours.bench("quality")
        self.workers = (ours.worker("text"), ours.worker("llama_cpp"))
        self.backend = json.loads(tools.output_of([ours.bench("rates"), ours.worker("llama_cpp")]))
        self.files = tools.Files(ours, say)
        self.reference = self.files.path("f32")
        self.candidates = {kind: self.files.path(kind) for kind in KINDS}
        self.folder = tools.OUT / "quality"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.texts = []
        for number, text in enumerate(segments()):
            self.texts.append(self.folder / f"{number}.txt")
            self.texts[-1].write_text(text, encoding="utf-8")
        self.threads = ours.threads
        self.session = None
        self.tokens = {}

    def strop(self, number):
        ids = self.folder / f"{number}.ids"
        scores = json.loads(tools.output_of(
            [self.program, *self.workers, self.texts[number], CHUNK, ids, self.reference, *self.candidates.values(),
             f"context={CHUNK}", f"batch={CHUNK}", f"threads={self.threads}"]))
        self.session, self.tokens[number] = scores[0]["session"], scores[0]["scored"]
        return {f"{kind}.{name}": score[name] for kind, score in zip(self.candidates, scores) for name in CLAIMS}

    def peer(self, number):
        base, values = self.folder / "base.logits", {}
        llama_perplexity(self.session, ["-m", self.reference, "-f", self.texts[number], "--kl-divergence-base", base])
        self._check_ids(base, number)
        for kind, file in self.candidates.items():
            said = llama_perplexity(self.session, ["-m", file, "--kl-divergence-base", base, "--kl-divergence"])
            values[f"{kind}.perplexity"] = number_after("Mean PPL(Q)", said)
            values[f"{kind}.kl"] = number_after("Mean    KLD", said)
        base.unlink()
        return values

    def _check_ids(self, base, number):
        """The file begins with what llama-perplexity made of the text."""
        with open(base, "rb") as logits:
            header = logits.read(20)
            if len(header) < 20:
                raise RuntimeError(f"llama-perplexity finds segment {number} too short: it needs two chunks")
            magic, length, _, chunks = struct.unpack("<8sIii", header)
            theirs = array.array("i", logits.read(4 * length * chunks))
        ours = array.array("i", (self.folder / f"{number}.ids").read_bytes())
        if magic != b"_logits_" or length != CHUNK or ours != theirs:
            raise RuntimeError(f"Strop and llama-perplexity read other token ids in segment {number}")

    def conditions(self):
        return {"engine": f"llama.cpp {self.backend['version']}", "cpu_variant": self.session["cpu_variant"],
                "run_options": self.session["run_options"], "reference": "f32 of SmolLM2-135M-Instruct",
                "file_made_by": self.files.made_by, "chunk": CHUNK, "positions": "second half of each chunk",
                "scored_tokens": sum(self.tokens.values()), "segments": SEGMENTS}
