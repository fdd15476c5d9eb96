"""Speaks the worker protocol as docs/protocol.md tells it, sharing no code with Strop: every message that a worker gets or
gives must hold to `strop schema protocol`. Every backend that says it serves the model makes an artifact of it, and its rows
of logits, its greedy continuation and those of the reference agree.

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


def backends():
    """Every worker says what it is; the names of those that can run models here."""
    found = []
    for program in sorted(WORKERS.glob("strop-worker-*")):
        name = program.name.removeprefix("strop-worker-")
        with Worker(name) as worker:
            info = worker.ask("info", {})
            if worker.role == "backend" and not info.get("unavailable_reason"):
                found.append(name)
            worker.refused("no_such_method", {})
            worker.refused("open", {})
            by_hand = subprocess.run([program], capture_output=True)
            assert by_hand.returncode == 2 and b"is started by" in by_hand.stderr, by_hand
    return found


def made(name, model, target):
    """The artifact of the backend's widest unquantised recipe; nothing when it does not serve the model."""
    with Worker(name) as worker:
        pair = {"model": model, "target": target}
        if not worker.ask("assess", pair)["supported"]:
            return None
        recipes = worker.ask("space", pair)["recipes"]
    if not recipes:
        return None
    recipe = max(recipes, key=lambda recipe: (recipe["lossless"], recipe["bits_per_weight"]))
    artifact = None
    for step, wanted in enumerate(recipe["steps"]):
        folder = SCRATCH / f"{name}-{step}"
        folder.mkdir(parents=True)
        with Worker(wanted["worker"]) as worker:
            artifact = worker.ask("build", {"model": model, "recipe": recipe, "step": step, "workspace": str(folder)})
        artifact.update(folder=str(folder), backend=name)
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
    report = output("assess", MODEL)
    served = {name: made(name, report["model"], report["target"]) for name in backends()}
    artifacts = {name: artifact for name, artifact in served.items() if artifact}
    assert {"llama_cpp", "openvino"} & set(artifacts), f"no engine serves {MODEL}: {served}"
    gguf = next(artifact for artifact in artifacts.values() if artifact["format"] == "gguf")
    artifacts.setdefault("reference", gguf)
    ids = ids_of(gguf, PROMPT)
    continued = {name: decoder(name, artifact, ids) for name, artifact in artifacts.items()}
    for name, tokens in continued.items():
        assert tokens == continued["reference"], f"{name} goes on with {tokens}, the reference with {continued['reference']}"
    shutil.rmtree(SCRATCH)
    print(f"{messages} messages hold to the schema; {', '.join(sorted(artifacts))} go on alike")


main()
