"""Olive on ONNX files: each step becomes a configuration of one pass, run here without a hub and without telemetry."""
import importlib.metadata
import logging
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent.parent))
import protocol  # noqa: E402
from protocol import Refusal  # noqa: E402

NAME = "olive"
ENTRY = "model.onnx"
SWITCH = {"on": True, "off": False}


def block_wise(params):
    protocol.known_only(NAME, params, ("method", "bits", "block_size", "symmetric", "accuracy_level"))
    if params["method"] == "k_quant" and "symmetric" in params:
        raise Refusal("invalid_input", f"[{NAME}] k_quant always has offsets: symmetric does not apply.", field="symmetric")
    options = {"bits": int(protocol.choice(NAME, {"bits": "4"} | params, "bits", ("4", "8"))),
               "block_size": int(protocol.choice(NAME, {"block_size": "32"} | params, "block_size",
                                                 ("16", "32", "64", "128", "256"))),
               "accuracy_level": protocol.number(NAME, params, "accuracy_level", 0, 4, 4)}
    if params["method"] == "rtn":
        options["is_symmetric"] = SWITCH[protocol.choice(NAME, {"symmetric": "on"} | params, "symmetric", SWITCH)]
    shown = f"{options['bits']} bits, blocks of {options['block_size']}"
    return options, f"weights in {shown}"


def with_activations(params):
    # How many samples there are at most is for who gives them.
    known = ("method", "per_channel", "calibrate_method")
    protocol.known_only(NAME, params, known + (("calibration",) if params["method"] == "static" else ()))
    options = {"per_channel": SWITCH[protocol.choice(NAME, {"per_channel": "off"} | params, "per_channel", SWITCH)]}
    if params["method"] == "static":
        options["calibrate_method"] = protocol.choice(NAME, {"calibrate_method": "MinMax"} | params, "calibrate_method",
                                                      ("MinMax", "Entropy", "Percentile"))
    elif "calibrate_method" in params:
        raise Refusal("invalid_input", f"[{NAME}] dynamic quantisation does not calibrate: calibrate_method does not apply.",
                      field="calibrate_method", value=params["calibrate_method"])
    return options, "int8"


def fusion(params):
    protocol.known_only(NAME, params, ("method", "model_type"))
    return {"model_type": protocol.choice(NAME, params, "model_type", ("bert", "gpt2", "vit", "clip", "t5"))}, "fused operators"


PASSES = {("quantize", "rtn"): ("OnnxBlockWiseRtnQuantization", block_wise),
          ("quantize", "k_quant"): ("OnnxKQuantQuantization", block_wise),
          ("quantize", "dynamic"): ("OnnxDynamicQuantization", with_activations),
          ("quantize", "static"): ("OnnxStaticQuantization", with_activations),
          ("fuse", "transformer"): ("OrtTransformersOptimization", fusion)}


class Listener(logging.Handler):
    """Olive's log is its progress, and the cause when it ends without a model."""

    def __init__(self, task):
        super().__init__(logging.INFO)
        self.task, self.problems, self.count = task, [], 0

    def emit(self, record):
        text = record.getMessage().splitlines()[0] if record.getMessage() else ""
        if record.levelno >= logging.ERROR:
            cause = record.exc_info[1] if record.exc_info else None
            self.problems.append(f"{text}: {cause}" if cause else text)
        self.count += 1
        self.task.report(self.count / (self.count + 10), text[:200])  # how many lines come is not known


def use_samples(request):
    """The calibration samples as a data set that Olive's configuration can name."""
    import numpy
    from olive.data.registry import Registry

    files = protocol.samples(request)
    if not files:
        raise Refusal("invalid_input", f"[{NAME}] static quantisation needs calibration samples, and there are none.",
                      "Choose a recipe without calibration or give --data.", "calibration")

    class Samples:
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            with numpy.load(files[index], allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}, 0

    class Loader:
        def __iter__(self):
            return (Samples()[index] for index in range(len(files)))

        def __len__(self):
            return len(files)

    Registry.register_dataset("strop_samples")(lambda **_: Samples())
    Registry.register_dataloader("strop_loader")(lambda dataset, **_: Loader())
    part = {"params": {}}
    return {"name": "samples", "type": "DataContainer", "load_dataset_config": {"type": "strop_samples"} | part,
            "pre_process_data_config": {"type": "skip_pre_process"} | part,
            "post_process_data_config": {"type": "skip_post_process"} | part,
            "dataloader_config": {"type": "strop_loader"} | part}, len(files)


def external_files(source):
    import onnx

    graph = onnx.load(str(source), load_external_data=False)
    tensors = onnx.external_data_helper._get_all_tensors(graph)
    return {entry.value for tensor in tensors if onnx.external_data_helper.uses_external_data(tensor)
            for entry in tensor.external_data if entry.key == "location"}


def companions(source, workspace):
    """What lies beside the model travels with it: the tokenizer, and what says how a decoder is run."""
    left_out = external_files(source) | {source.name, "artifact.json"}
    names = sorted(str(path.relative_to(source.parent)) for path in source.parent.rglob("*") if path.is_file())
    brought = [name for name in names if name not in left_out]
    for name in brought:
        protocol.bring(source.parent / name, workspace / name)
    return brought


class Olive(protocol.Backend):
    name = NAME

    def info(self):
        engine = importlib.metadata.version("onnxruntime")
        return super().info() | {"version": importlib.metadata.version("olive-ai"), "notes": [f"uses ONNX Runtime {engine}"]}

    def build(self, request, task):
        op, params = protocol.params_of(request)
        if (op, params.get("method")) not in PASSES:
            known = ", ".join(sorted(" ".join(key) for key in PASSES))
            raise Refusal("unsupported", f"[{NAME}] there is no {op} {params.get('method')}: known are {known}.", field="method",
                          value=params.get("method"))
        if request["model"].get("format") != "onnx":
            raise Refusal("unsupported", f"[{NAME}] the input must be an ONNX file, but is {request['model'].get('format')}.",
                          "Name a step that writes ONNX before.", "format", request["model"].get("format"))
        kind, read = PASSES[op, params["method"]]
        options, what = read(params)
        source, workspace = pathlib.Path(request["model"]["path"]), pathlib.Path(request["workspace"])
        scratch = pathlib.Path(os.environ["HOME"])
        task.report(0, "starting Olive")
        from olive.workflows import run

        data = []
        if params["method"] == "static":
            config, count = use_samples(request)
            data, options["data_config"] = [config], config["name"]
            what += f", calibrated on {count} samples"
        listener = Listener(task)
        # Olive logs under its own name and lets nothing through to the root.
        logging.getLogger("olive").addHandler(listener)
        target = scratch / "out"
        run({"input_model": {"type": "ONNXModel", "model_path": str(source)},
             "systems": {"here": {"type": "LocalSystem", "accelerators":
                                  [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}]}},
             "data_configs": data, "host": "here", "target": "here", "evaluate_input_model": False, "log_severity_level": 1,
             "passes": {"step": {"type": kind, "save_as_external_data": True, "external_data_name": ENTRY + ".data", **options}},
             "cache_dir": str(scratch / "cache"), "output_dir": str(target)})
        made = sorted(path for path in target.glob("*") if path.name.startswith(ENTRY)) if target.is_dir() else []
        if ENTRY not in [path.name for path in made]:
            cause = "; ".join(dict.fromkeys(listener.problems)) or "it gave no reason"
            raise Refusal("backend", f"[{NAME}] {kind} ended without a model: {cause[:1500]}", field="method",
                          value=params["method"])
        for path in made:
            shutil.move(path, workspace / path.name)
            os.chmod(workspace / path.name, 0o644)
        version = importlib.metadata.version("olive-ai")
        files = [path.name for path in made] + companions(source, workspace)
        return protocol.artifact(f"olive {version}", "onnx", ENTRY, files, [f"Olive {kind}: {what}."])


protocol.serve(Olive())
