"""Convert, three quantisations, speed and quality of each, against the same steps scripted with the frameworks' own tools."""

import json
import os
import shutil
import subprocess
import time

import onnx
import paired
import tools

SOURCE = tools.ENGINE.parent / "source" / "llama.cpp"
TORCH = onnx.BUILDER  # has torch, transformers and onnxruntime-genai
OPTIMUM = tools.ENGINE.parent / "optimum" / "bin" / "python"  # and what llama.cpp's converter needs
STORE = tools.OUT / "pipeline" / "store"
TEXT = tools.ROOT / "share" / "text" / "evaluation" / "story-en.txt"
PEER = tools.ROOT / "bench" / "pipeline_peer.py"
# By framework: the same weights by the same rule on both sides.
RECIPES = {"llama_cpp": "q8_0", "onnxruntime": "int4", "openvino": "nncf_int8"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
ROUNDS = (3, 5)


def metrics():
    return [paired.Metric("seconds", paired.Goal(None, 0.5))]


class Comparison:
    def __init__(self, ours, say):
        if not tools.DEMO_FOLDER.is_dir():
            raise tools.Missing("the demo model is missing: tools/demo-model makes it")
        for python, what in ((TORCH, "the model builder"), (OPTIMUM, "optimum-intel")):
            if not python.exists():
                raise tools.Missing(f"{what} is missing: tools/setup --bench-tools installs it")
        for tool in ("llama-quantize", "llama-bench", "llama-perplexity"):
            tools.peer(tool)
        self.say, self.threads = say, ours.threads
        self.strop_program = ours.program("bin/strop")
        self.folder = tools.OUT / "pipeline"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = os.environ | OFFLINE | {"STROP_STORE": str(STORE)}
        say("installing NNCF for Strop, which is set-up and not timed")
        tools.output_of([self.strop_program, "toolchain", "install", "nncf"], env=os.environ | {"STROP_STORE": str(STORE)})
        self.report, self.steps = None, {}
        say("once each, to warm the file cache")
        self.strop(None)
        self.peer(None)

    def _strop(self, *arguments):
        return json.loads(tools.output_of([self.strop_program, *arguments, "--json"], env=self.environment))

    def _plan(self, run):
        """The plan with these three recipes and no other: the peers try no run options either. The budget pays for one group of
        all three and for no second look at what is noisy, which the peers do not take."""
        report = self._strop("run", tools.DEMO_FOLDER, "-o", run, "--dry-run", "--data", TEXT, "--threads", self.threads,
                             "--budget", "150s", *(f"--framework={name}" for name in RECIPES))
        offered = {fit["backend"]: {recipe["name"]: recipe for recipe in fit["space"].get("recipes", [])}
                   for fit in report["assessment"]["fits"]}
        trials = [trial for trial in report["plan"]["trials"] if trial["role"] != "candidate"]
        like = next(trial for trial in report["plan"]["trials"] if trial["role"] == "candidate")
        known = {(trial["recipe"]["backend"], trial["recipe"]["name"]): trial for trial in report["plan"]["trials"]}
        for backend, name in RECIPES.items():
            if name not in offered.get(backend, {}):
                raise RuntimeError(f"{backend} does not offer {name} here")
            recipe = offered[backend][name]
            trials.append(known.get((backend, name), like | {"recipe": recipe | {"id": recipe.get("id") or name}}))
        for trial in trials:
            trial["run_presets"] = [preset for preset in trial["run_presets"] if preset["name"] == "default"]
        report["plan"]["trials"] = trials
        return report

    def strop(self, _):
        run = self.folder / "run"
        for used in (run, STORE / "artifacts"):
            shutil.rmtree(used, ignore_errors=True)
        begin = time.perf_counter()
        report = self._plan(run)
        for verb in ("optimize", "measure"):
            file = self.folder / f"before-{verb}.json"
            file.write_text(json.dumps(report), encoding="utf-8")
            report = self._strop(verb, file, *(("-o", run) if verb == "measure" else ()))
        seconds = time.perf_counter() - begin
        self.report = {trial["recipe"]["backend"]: trial for trial in report["trials"] if trial["role"] == "candidate"}
        for backend in RECIPES:
            if self.report[backend]["status"] != "ok":
                raise RuntimeError(f"{backend}: {self.report[backend].get('reason')}")
        return {"seconds": seconds}

    def _requests(self):
        """How many timed requests Strop made of each: the peers make as many."""
        return {backend: max(metric["samples"] for metric in trial["measurement"]["metrics"]
                             if metric["metric"] == "request_time") for backend, trial in self.report.items()}

    def _step(self, name, command, **variables):
        begin = time.perf_counter()
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, cwd=tools.ENGINE / "lib", env=os.environ | OFFLINE | variables)
        self.steps[name] = round(time.perf_counter() - begin, 2)
        if done.returncode != 0:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def peer(self, _):
        out, requests, threads = self.folder / "peer", self._requests(), self.threads
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        whole, quantised, base = out / "bf16.gguf", out / "q8_0.gguf", out / "base.logits"
        begin = time.perf_counter()
        self._step("convert_hf_to_gguf.py", [OPTIMUM, SOURCE / "convert_hf_to_gguf.py", tools.DEMO_FOLDER, "--outtype", "bf16",
                                             "--outfile", whole], PYTHONPATH=str(SOURCE / "gguf-py"))
        self._step("llama-quantize", [tools.peer("llama-quantize"), whole, quantised, "Q8_0", threads])
        self._step("llama-bench", [tools.peer("llama-bench"), "-m", whole, "-m", quantised, "-p", 0, "-n", 0, "-pg", "256,64",
                                   "-t", threads, "-r", requests["llama_cpp"], "-o", "json"])
        perplexity = [tools.peer("llama-perplexity"), "-c", 512, "-b", 512, "-t", threads]
        self._step("llama-perplexity base", [*perplexity, "-m", whole, "-f", TEXT, "--kl-divergence-base", base])
        self._step("llama-perplexity", [*perplexity, "-m", quantised, "--kl-divergence-base", base, "--kl-divergence"])
        self._step("transformers reference", [TORCH, PEER, "reference", tools.DEMO_FOLDER, TEXT, out / "reference"],
                   OMP_NUM_THREADS=str(threads))
        self._step("model builder", [TORCH, "-m", "onnxruntime_genai.models.builder", "-m", tools.DEMO_FOLDER, "-o", out / "onnx",
                                     "-c", out / "cache", "-p", "int4", "-e", "cpu", "--extra_options", "int4_block_size=32",
                                     "int4_is_symmetric=true", "int4_accuracy_level=4"])
        self._step("onnxruntime-genai", [TORCH, PEER, "onnxruntime", out / "onnx", TEXT, out / "reference",
                                         requests["onnxruntime"], threads])
        self._step("optimum-cli", [OPTIMUM.with_name("optimum-cli"), "export", "openvino", "--model", tools.DEMO_FOLDER, "--task",
                                   "text-generation-with-past", "--weight-format", "int8", out / "openvino"])
        self._step("openvino", [OPTIMUM, PEER, "openvino", out / "openvino", TEXT, out / "reference", requests["openvino"],
                                threads])
        seconds = time.perf_counter() - begin
        shutil.rmtree(out)
        return {"seconds": seconds}

    def conditions(self):
        program = "import importlib.metadata as m; print(*(m.version(name) for name in {}))"
        versions = {}
        for python, names in ((TORCH, ["onnxruntime-genai", "torch"]), (OPTIMUM, ["optimum-intel", "nncf", "openvino"])):
            versions |= zip(names, tools.output_of([python, "-c", program.format(names)]).split())
        return {"model": tools.DEMO_FOLDER.name, "recipes": RECIPES, "threads": self.threads, "text": TEXT.name,
                "requests": self._requests(), "peer_seconds": self.steps, "versions": versions}
