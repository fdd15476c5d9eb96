"""Speaks the worker protocol as docs/protocol.md tells it, sharing no code with Strop: every message that a worker gets or
gives must hold to `strop schema protocol`, and a greedy continuation must agree with the rows of logits.

Usage: protocol_check.py STROP WORKER_FOLDER MODEL SCRATCH_FOLDER"""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys

import fastjsonschema

STROP, WORKERS, MODEL, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
BLOCK_BYTES = 64 << 20
PROMPT = "The lighthouse keeper wrote down the weather every evening, and"
messages = 0


def output(*command):
    return json.loads(subprocess.run([STROP, *command], check=True, capture_output=True).stdout)


SCHEMA = output("schema", "protocol")
CHECKS = {(role, method, part): fastjsonschema.compile(schema)
          for role in ("backend", "text") for method, parts in SCHEMA[role].items() for part, schema in parts.items()}
CHECK_ERROR = fastjsonschema.compile(SCHEMA["error"])


class Worker:
    def __init__(self, name):
        ours, theirs = socket.socketpair()
        self.socket, self.block = ours, os.memfd_create("block")
        os.ftruncate(self.block, BLOCK_BYTES)
        kept = [os.dup2(theirs.fileno(), 103, inheritable=True), os.dup2(self.block, 104, inheritable=True)]

        def place():
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen([WORKERS / f"strop-worker-{name}"], preexec_fn=place, pass_fds=(3, 4),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for descriptor in kept:
            os.close(descriptor)
        theirs.close()
        self.number, self.role = 0, "backend"
        self.role = self.ask("hello", {"protocol": SCHEMA["version"]})["role"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.wait(timeout=30)
        os.close(self.block)

    def _bytes(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                sys.exit("FAILED: the worker hung up")
            data += part
        return data

    def exchange(self, method, params):
        global messages
        self.number += 1
        body = json.dumps({"id": self.number, "method": method, "params": params}).encode()
        self.socket.sendall(struct.pack("<I", len(body)) + body)
        while True:
            length, = struct.unpack("<I", self._bytes(4))
            if length > 1 << 20:
                sys.exit(f"FAILED: a message of {length} bytes")
            answer = json.loads(self._bytes(length))
            messages += 1
            if "progress" not in answer:
                break
            if not 0 <= answer["progress"] <= 1 or not isinstance(answer["what"], str):
                sys.exit(f"FAILED: no progress message: {answer}")
        if answer["id"] != self.number or len(answer) != 2:
            sys.exit(f"FAILED: not an answer to {method}: {answer}")
        return answer

    def ask(self, method, params):
        CHECKS[self.role, method, "params"](params)
        answer = self.exchange(method, params)
        if "result" not in answer:
            sys.exit(f"FAILED: {method}: {answer}")
        CHECKS[self.role, method, "result"](answer["result"])
        return answer["result"]

    def refused(self, method, params):
        error = self.exchange(method, params).get("error")
        if error is None:
            sys.exit(f"FAILED: {method} {params} was not refused")
        CHECK_ERROR(error)

    def row(self, index, width):
        return struct.unpack(f"<{width}f", os.pread(self.block, 4 * width, 4 * width * index))


def every_worker_says_what_it_is():
    for program in sorted(WORKERS.glob("strop-worker-*")):
        with Worker(program.name.removeprefix("strop-worker-")) as worker:
            worker.ask("info", {})
            worker.refused("no_such_method", {})
            worker.refused("open", {})
            by_hand = subprocess.run([program], capture_output=True)
            assert by_hand.returncode == 2 and b"is started by" in by_hand.stderr, by_hand


def made(report):
    """The unquantised GGUF, through the first recipe of llama_cpp that keeps F32."""
    space = next(fit["space"] for fit in report["assessment"]["fits"] if fit["backend"] == "llama_cpp")
    recipe = next(recipe for recipe in space["recipes"] if recipe["name"] == "f32")
    model, artifact = report["model"], None
    for step, wanted in enumerate(recipe["steps"]):
        folder = SCRATCH / str(step)
        folder.mkdir(parents=True)
        with Worker(wanted["worker"]) as worker:
            artifact = worker.ask("build", {"model": model, "recipe": recipe, "step": step, "workspace": str(folder)})
        artifact.update(folder=str(folder), backend="llama_cpp")
        model = dict(model, path=str(folder / artifact["entry"]), format=artifact["format"])
    return artifact


def ids_of(artifact, text):
    with Worker("text") as worker:
        worker.ask("open", {"vocabulary": str(pathlib.Path(artifact["folder"]) / "vocab.gguf")})
        ids = worker.ask("encode", {"text": text, "add_special": False, "parse_special": False})["ids"]
        assert worker.ask("decode", {"ids": ids})["text"] == text
        worker.refused("encode", {"text": text})
        worker.refused("encode", {"text": 7, "add_special": False, "parse_special": False})
    return ids


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


def decoder(name, artifact, ids):
    workspace = SCRATCH / f"open-{name}"
    workspace.mkdir()
    with Worker(name) as worker:
        opened = worker.ask("open", {"artifact": artifact, "run_options": {}, "workspace": str(workspace)})
        assert opened["kind"] == "decoder", opened
        width = opened["session"]["vocabulary_size"]
        generation = worker.ask("generate", {"sequence": 0, "ids": ids, "count": 4})
        worker.ask("truncate", {"sequence": 0, "length": 0})
        wanted = [0, len(ids) - 1]
        assert worker.ask("evaluate", {"sequence": 0, "ids": ids, "wanted": wanted})["rows"] == 2
        rows = [worker.row(i, width) for i in range(2)]
        assert argmax(rows[1]) == generation["ids"][0], f"{name}: rows and greedy continuation disagree"
        worker.ask("fork", {"from": 0, "to": 1})
        more = {"sequence": 1, "ids": generation["ids"][:3], "wanted": [0, 1, 2]}
        assert worker.ask("evaluate", more)["rows"] == 3
        assert [argmax(worker.row(i, width)) for i in range(3)] == generation["ids"][1:]
        worker.refused("evaluate", {"sequence": 0, "ids": [-1], "wanted": [0]})
        worker.refused("evaluate", {"sequence": 0, "ids": [1], "wanted": [5]})
        worker.refused("infer", {"inputs": []})
    return generation["ids"]


def main():
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    every_worker_says_what_it_is()
    artifact = made(output("assess", MODEL))
    ids = ids_of(artifact, PROMPT)
    continued = {name: decoder(name, artifact, ids) for name in ("llama_cpp", "reference")}
    assert continued["llama_cpp"] == continued["reference"], continued
    shutil.rmtree(SCRATCH)
    print(f"{messages} messages hold to the schema; continued with {continued['reference']}")


main()
