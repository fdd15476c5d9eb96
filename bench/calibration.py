"""Static int8 quantisation of a text recogniser with calibration, by Strop and by onnxruntime: memory, agreement."""

import json
import os
import pathlib
import resource
import shutil

import paired
import tools

PYTHON = tools.ENGINE.parent / "calibration" / "bin" / "python"
MODEL = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
SAMPLES, HELD_OUT, PERCENTILE = 16, 100, "99.999"
PEER_LIMIT = 12 << 30  # bytes of address space; what it needs grows with every sample
ROUNDS = (5, 10)
TIMED = False


def metrics():
    # A tenth of a point below the peer's agreement, which is at most 1, is more than a thousandth part of it.
    return [paired.Metric("peak_bytes", paired.Goal(None, 0.2)),
            paired.Metric("agreement", paired.Goal(0.999, None))]


class Comparison:
    def __init__(self, ours, say):
        if not PYTHON.exists():
            raise tools.Missing("onnxruntime's quantiser is missing: tools/setup --bench-tools installs it")
        self.parts, self.folder = pathlib.Path(__file__).resolve().parent, tools.OUT / "calibration"
        self.program, self.worker = ours.bench("artifact"), ours.worker("onnxruntime")
        self.folder.mkdir(parents=True, exist_ok=True)
        packages = next((PYTHON.parent.parent / "lib").glob("python3*")) / "site-packages"
        say("drawing samples, and simplifying the model for the peer")
        for name, count, seed in (("samples", SAMPLES, 1), ("held-out", HELD_OUT, 2)):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            self._python("samples", self.folder / name, count, seed)
        self.raised, self.simple = self.folder / "raised.onnx", self.folder / "simple.onnx"
        self._python("peer", "simplify", packages / MODEL, self.raised, self.simple)
        self.scores = {}

    def _command(self, part, *arguments):
        # -P: the modules beside the script are not what `import onnx` means.
        return [PYTHON, "-P", self.parts / f"calibration_{part}.py", *arguments]

    def _python(self, part, *arguments):
        return tools.output_of(self._command(part, *arguments))

    def _run(self, name, model, command):
        """The largest resident set of any one process, and how often its model chooses as the float model does."""
        model.unlink(missing_ok=True)
        log = os.open(self.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        child = os.fork()
        if child == 0:
            os.dup2(log, 1), os.dup2(log, 2)
            resource.setrlimit(resource.RLIMIT_AS, (PEER_LIMIT, PEER_LIMIT))
            os.execv(command[0], [str(part) for part in command])
        _, status, usage = os.wait4(child, 0)
        os.close(log)
        if status != 0 or not model.exists():
            raise RuntimeError(f"{name} made no model (status {status}): read {self.folder / name}.log")
        score = json.loads(self._python("score", self.raised, self.folder / "held-out", model))
        self.scores[name] = score["agreement"][0]
        return {"peak_bytes": usage.ru_maxrss * 1024, "agreement": score["agreement"][0]}

    def strop(self, _):
        out = self.folder / "strop"
        shutil.rmtree(out, ignore_errors=True)
        return self._run("strop", out / "model.onnx",
                         [self.program, self.worker, self.raised, "onnx", out, "quantize", "--calibration",
                          self.folder / "samples", "to=onnx", "method=static", "type=int8", "range=percentile",
                          f"percentile={PERCENTILE}"])

    def peer(self, _):
        out = self.folder / "peer.onnx"
        return self._run("peer", out, self._command("peer", self.simple, self.folder / "samples", out, PERCENTILE))

    def conditions(self):
        version = tools.output_of([PYTHON, "-P", "-c", "import importlib.metadata as m; print(m.version('onnxruntime'))"]).strip()
        return {"model": MODEL, "onnxruntime": version, "samples": SAMPLES, "held_out": HELD_OUT, "percentile": PERCENTILE,
                **{f"{name}_agreement": round(value, 4) for name, value in self.scores.items()}}
