"""The worker's side of Strop's protocol (docs/protocol.md) for workers written in Python. A worker is a subclass of Backend
and one call of serve; the engine is imported inside its methods, so that a greeting takes milliseconds."""
import json
import os
import pathlib
import shutil
import socket
import stat
import struct
import sys
import tempfile
import threading

VERSION = 1
SOCKET = 3
MAX_MESSAGE = 1 << 20
LONGEST_TEXT = 2000


class Refusal(Exception):
    """An error with the code, hint, field and value of strop::Error."""

    def __init__(self, code, message, hint="", field="", value=""):
        super().__init__(message)
        self.error = {"code": code, "message": message, "hint": hint, "field": field, "value": str(value)}


class Backend:
    """What a worker overrides. Values are those of docs/protocol.md, as dictionaries."""

    name = ""

    def info(self):
        return {"name": self.name, "version": "", "devices": [], "unavailable_reason": "", "notes": []}

    def assess(self, model, target):
        return {"supported": False, "score": 0.0, "reasons": [f"{self.name} runs no models: it makes artifacts for others"]}

    def space(self, model, target):
        return {"build_knobs": [], "run_knobs": [], "recipes": [], "run_presets": [], "skipped": []}

    def build(self, request, task):
        """`request` is the request's params; gives an artifact (see artifact below)."""
        raise Refusal("unsupported", f"[{self.name}] this worker makes nothing.")


class Task:
    """One request in work: its signs of life, and whether it shall end."""

    def __init__(self, connection):
        self._connection = connection
        self._stop = threading.Event()

    def cancel(self):
        self._stop.set()

    def report(self, fraction, what):
        """Says that work goes on; raises when it was cancelled."""
        if self._stop.is_set():
            raise Refusal("cancelled", "the work was stopped")
        self._connection.send({"progress": min(1.0, max(0.0, float(fraction))), "what": what})


class Connection:
    def __init__(self):
        self._socket = socket.socket(fileno=SOCKET)
        self._sending = threading.Lock()

    def send(self, message):
        body = json.dumps(message).encode()
        if len(body) > MAX_MESSAGE:
            error = Refusal("invalid_input", f"a message must be at most {MAX_MESSAGE} bytes, but has {len(body)}").error
            body = json.dumps({"id": message["id"], "error": error}).encode()
        with self._sending:
            self._socket.sendall(struct.pack("<I", len(body)) + body)

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self._socket.recv(min(count - len(data), 1 << 16))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def receive(self):
        """The next message; EOFError when the other end is gone or talks nonsense."""
        length, = struct.unpack("<I", self._exactly(4))
        if length > MAX_MESSAGE:
            raise EOFError
        try:
            message = json.loads(self._exactly(length))
        except ValueError:
            raise EOFError from None
        if not isinstance(message, dict):
            raise EOFError
        return message


def _first_sentence(text):
    """What an engine says, as one line; its stack traces go to standard error."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return " ".join(lines)[:LONGEST_TEXT] or "the engine gave no reason"


def _answer(work):
    try:
        return {"result": work()}
    except Refusal as refusal:
        return {"error": refusal.error}
    except MemoryError:
        return {"error": Refusal("out_of_memory", "the engine could not get the memory it asked for").error}
    except Exception as error:  # whatever a framework raises is the trial's reason
        text = _first_sentence(error) if str(error) else type(error).__name__
        return {"error": Refusal("backend", text).error}


class _Server:
    def __init__(self, backend):
        self._backend = backend
        self._connection = Connection()
        self._arrived = threading.Condition()
        self._requests = []
        self._current = None  # id and task
        self._cancelled = set()
        self._closed = False

    def _read(self):
        try:
            while True:
                message = self._connection.receive()
                with self._arrived:
                    if "cancel" in message:
                        self._cancelled.add(message["cancel"])
                        if self._current and self._current[0] == message["cancel"]:
                            self._current[1].cancel()
                    elif isinstance(message.get("id"), int) and isinstance(message.get("method"), str):
                        self._requests.append(message)
                    self._arrived.notify()
        except (EOFError, OSError):
            os._exit(0)  # Strop is gone or has enough: nobody waits for what is in work

    def _methods(self, task):
        def hello(params):
            return {"protocol": VERSION, "role": "backend"}

        def build(params):
            for name, kind in (("model", dict), ("recipe", dict), ("step", int), ("workspace", str)):
                if not isinstance(params.get(name), kind):
                    raise Refusal("invalid_input", f"the request needs {name}", field=name)
            if not 0 <= params["step"] < len(params["recipe"].get("steps", [])):
                raise Refusal("invalid_input", f"the request names step {params['step']} of "
                              f"{len(params['recipe'].get('steps', []))}", field="step", value=params["step"])
            # Engines keep scratch files and notes; the workspace is the only folder that may be written to.
            scratch = pathlib.Path(params["workspace"]) / ".scratch"
            scratch.mkdir(exist_ok=True)
            tempfile.tempdir = str(scratch)
            os.environ.update({name: str(scratch) for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")})
            try:
                return self._backend.build(params, task)
            except (ImportError, SyntaxError) as error:  # a file of the environment is gone or changed
                name = self._backend.name
                raise Refusal("corrupt", f"toolchain {name} is broken: {_first_sentence(error)}; strop toolchain install {name}",
                              hint=f"Run: strop toolchain install {name}", field="worker", value=name) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

        def refused(params):
            raise Refusal("unsupported", f"[{self._backend.name}] this worker makes artifacts and runs none.")

        def pair(method):
            def ask(params):
                if not isinstance(params.get("model"), dict) or not isinstance(params.get("target"), dict):
                    raise Refusal("invalid_input", "the request needs model and target")
                return method(params["model"], params["target"])
            return ask

        return {"hello": hello, "info": lambda params: self._backend.info(), "assess": pair(self._backend.assess),
                "space": pair(self._backend.space), "build": build, "open": refused}

    def run(self):
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._requests)
                request = self._requests.pop(0)
                task = Task(self._connection)
                self._current = (request["id"], task)
                if request["id"] in self._cancelled:
                    task.cancel()
            params = request.get("params")
            method = self._methods(task).get(request["method"])

            def work():
                if method is None:
                    raise Refusal("invalid_input", f"the request names the unknown method {request['method']}")
                return method(params if isinstance(params, dict) else {})

            self._connection.send({"id": request["id"], **_answer(work)})


def serve(backend):
    """Answers until Strop closes the socket; started by hand it says what it is and ends with 2."""
    try:
        started_by_strop = stat.S_ISSOCK(os.fstat(SOCKET).st_mode)
    except OSError:
        started_by_strop = False
    if not started_by_strop:
        print(f"{backend.name} is a worker program of strop and is started by it. Try: strop backends", file=sys.stderr)
        sys.exit(2)
    _Server(backend).run()


# What building an artifact needs.


def params_of(request):
    """The step's operation and its parameters."""
    step = request["recipe"]["steps"][request["step"]]
    return step["op"], step.get("params", {})


def choice(worker, params, name, values):
    """A parameter that must be one of `values`."""
    value = params.get(name)
    if value not in values:
        raise Refusal("invalid_input", f"[{worker}] {name} must be one of {', '.join(values)}, but got {value}.",
                      field=name, value=value)
    return value


def number(worker, params, name, low, high, default, kind=int):
    """A parameter that must be a number from `low` to `high`."""
    text = params.get(name)
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise Refusal("invalid_input", f"[{worker}] {name} must be a number from {low} to {high}, but got {text}.",
                      field=name, value=text)
    return value


def known_only(worker, params, names):
    for name in params:
        if name not in names:
            raise Refusal("invalid_input", f"[{worker}] there is no parameter {name}: known are {', '.join(names)}.",
                          field=name, value=params[name])


def samples(request):
    """The calibration samples' files in order; a Refusal when the request names none."""
    folder = request.get("calibration")
    if not folder:
        return []
    return sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix == ".npz" and path.stem.isdigit())


def is_own(path, folder):
    """Whether it is a file of the folder, and no link to another place."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def bring(source, target):
    """A hard link where the file system has them, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


# A decoder's tokenizer for Strop, and what lies beside the graph of an encoder.
BESIDE = ("vocab.gguf", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "config.json")


def bring_tokenizer(source, workspace, without=()):
    """The tokenizer beside the input travels with the artifact; the names of its files. without: files of those names stay."""
    names = [pathlib.Path(name) for name in BESIDE if name not in without and is_own(source / name, source)]
    if (source / "tokenizer").is_dir():
        names += [pathlib.Path("tokenizer") / path.name for path in sorted((source / "tokenizer").iterdir()) if is_own(path, source)]
    for name in names:
        bring(source / name, workspace / name)
    return [str(name) for name in names]


def artifact(version, form, entry, files, notes):
    """Sizes and digests are filled in by Strop."""
    return {"id": "", "model_id": "", "recipe_id": "", "backend": "", "backend_version": version, "format": form, "folder": "",
            "entry": entry, "files": [{"path": path, "bytes": 0, "sha256": ""} for path in files], "total_bytes": 0,
            "build_seconds": 0.0, "notes": notes}
