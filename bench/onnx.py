"""A Hugging Face folder as ONNX in int4, by the convert worker and by onnxruntime-genai's model builder: time, memory."""

import os
import shutil
import time

import paired
import tools

BUILDER = tools.ENGINE.parent / "model-builder" / "bin" / "python"
ROUNDS = (8, 16)


def metrics():
    return [paired.Metric("seconds", paired.Goal(None, 0.2)), paired.Metric("peak_bytes", paired.Goal(None, 0.2))]


class Comparison:
    def __init__(self, ours, say):
        if not tools.DEMO_FOLDER.is_dir():
            raise tools.Missing("the demo model is missing: tools/demo-model makes it")
        if not BUILDER.exists():
            raise tools.Missing("the model builder is missing: tools/setup --bench-tools installs it")
        self.folder = tools.OUT / "onnx"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sizes = {}
        self.ours = [ours.bench("artifact"), ours.worker("convert"), tools.DEMO_FOLDER, "huggingface",
                     self.folder / "strop", "convert", "to=onnx", "type=int4", "block_size=32", "symmetric=true"]
        self.theirs = [BUILDER, "-m", "onnxruntime_genai.models.builder", "-m", tools.DEMO_FOLDER,
                       "-o", self.folder / "peer", "-c", self.folder / "cache", "-p", "int4", "-e", "cpu",
                       "--extra_options", "int4_block_size=32", "int4_is_symmetric=true", "int4_accuracy_level=4"]
        say("once each, to warm the file cache")
        self.strop(None)
        self.peer(None)

    def _run(self, name, command):
        """Wall time and the largest resident set of the program and of all it started."""
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        log = os.open(self.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        # Nothing may be fetched: what both read is here.
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        begin = time.perf_counter()
        child = os.posix_spawn(command[0], [str(part) for part in command], environment,
                               file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)])
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - begin
        os.close(log)
        if status != 0 or not (out / "model.onnx").exists():
            raise RuntimeError(f"{name} made no model.onnx (status {status}): read {self.folder / name}.log")
        self.sizes[name] = sum(file.stat().st_size for file in out.iterdir() if file.name.startswith("model.onnx"))
        return {"seconds": seconds, "peak_bytes": usage.ru_maxrss * 1024}

    def strop(self, _):
        return self._run("strop", self.ours)

    def peer(self, _):
        return self._run("peer", self.theirs)

    def conditions(self):
        program = "import importlib.metadata as m; print(m.version('onnxruntime-genai'), m.version('torch'))"
        genai, torch = tools.output_of([BUILDER, "-c", program]).split()
        return {"model": tools.DEMO_FOLDER.name, "onnxruntime_genai": genai, "torch": torch,
                "strop_bytes": self.sizes["strop"], "peer_bytes": self.sizes["peer"]}
