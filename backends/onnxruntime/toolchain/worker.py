"""Olive on ONNX files, and on folders of decoders before they become one: each step becomes a configuration of one pass, run
here without a hub and without telemetry."""
import importlib.metadata
import json
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
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of a decoder's folder
SWITCH = {"on": True, "off": False}
MOST_SAMPLES = 1 << 16


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


def column_wise(params):
    protocol.known_only(NAME, params, ("method", "bits", "group_size", "symmetric", "calibration"))
    options = {"bits": int(protocol.choice(NAME, {"bits": "4"} | params, "bits", ("4",))),
               "group_size": int(protocol.choice(NAME, {"group_size": "32"} | params, "group_size", ("16", "32", "64", "128"))),
               "sym": SWITCH[protocol.choice(NAME, {"symmetric": "off"} | params, "symmetric", SWITCH)]}
    return options, f"weights in {options['bits']} bits, groups of {options['group_size']}"


PASSES = {("quantize", "gptq"): ("Gptq", column_wise),
          ("quantize", "rtn"): ("OnnxBlockWiseRtnQuantization", block_wise),
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
            while cause is not None:  # Olive wraps what its pass met
                text, cause = f"{text}: {cause}", cause.__cause__
            self.problems.append(text)
        self.count += 1
        self.task.report(self.count / (self.count + 10), text[:200])  # how many lines come is not known


def of_tensors(arrays):
    return {name: arrays[name] for name in arrays.files}


def of_text(arrays):
    """What the decoder's own library takes."""
    import torch

    ids = torch.from_numpy(arrays["input_ids"].astype("int64"))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def use_samples(request, params, form):
    """The calibration samples, each in the given form, as a data set that Olive's configuration can name."""
    import numpy
    from olive.data.registry import Registry

    files = protocol.samples(request)[:protocol.number(NAME, params, "calibration", 1, MOST_SAMPLES, MOST_SAMPLES)]
    if not files:
        raise Refusal("invalid_input", f"[{NAME}] {params['method']} quantisation needs calibration samples, and there are none.",
                      "Choose a recipe without calibration or give --data.", "calibration")

    class Samples:
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            with numpy.load(files[index], allow_pickle=False) as arrays:
                return form(arrays), 0

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
    found = sorted(path for path in source.parent.rglob("*") if protocol.is_own(path, source.parent))
    names = [path.relative_to(source.parent) for path in found]
    # The records of what the source computed are not those of what is made here.
    brought = [str(name) for name in names if str(name) not in left_out and name.parts[0] != "golden"]
    for name in brought:
        protocol.bring(source.parent / name, workspace / name)
    return brought


def run_pass(model, kind, options, data, method, task):
    """The folder that the pass made; a Refusal with Olive's own words where it made none."""
    from olive.workflows import run

    scratch = pathlib.Path(os.environ["HOME"])
    listener = Listener(task)
    # Olive logs under its own name and lets nothing through to the root.
    logging.getLogger("olive").addHandler(listener)
    target = scratch / "out"
    run({"input_model": model,
         "systems": {"here": {"type": "LocalSystem", "accelerators":
                              [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}]}},
         "data_configs": data, "host": "here", "target": "here", "evaluate_input_model": False, "log_severity_level": 1,
         "passes": {"step": {"type": kind, **options}},
         "cache_dir": str(scratch / "cache"), "output_dir": str(target)})
    # A folder of a decoder may lie one below.
    for folder in (target, target / "model"):
        if (folder / ENTRY).is_file() or any(folder.glob("*.safetensors")):
            return folder
    cause = "; ".join(dict.fromkeys(listener.problems)) or "it gave no reason"
    raise Refusal("backend", f"[{NAME}] {kind} ended without a model: {cause[:1500]}", field="method", value=method)


def moved(made, workspace):
    """Brings the ONNX file and its data into the workspace; their names."""
    names = sorted(path.name for path in made.glob("*") if path.name.startswith(ENTRY))
    for name in names:
        shutil.move(made / name, workspace / name)
        with open(workspace / name, "rb") as file:
            os.fchmod(file.fileno(), 0o644)  # by a path it would have no effect: docs/protocol.md
    return names


def widened(made, source, workspace):
    """Olive's quantised folder as a plain one in 32 bits, whose weights lie on the grid that was found; its files' names."""
    import torch
    from olive.common.quant.utils import unpack_from_uint8
    from safetensors.torch import load_file, save_file

    quantization = json.loads((made / CONFIG).read_text())["quantization_config"]
    tensors = {}
    for shard in sorted(made.glob("*.safetensors")):
        tensors |= load_file(shard)
    plain = {name: value.float() for name, value in tensors.items() if name.rpartition(".")[2] not in ("qweight", "scales", "qzeros")}
    for name in [name for name in tensors if name.endswith(".qweight")]:
        module = name.removesuffix(".qweight")
        scales = tensors[module + ".scales"].float()
        columns = tensors[name].shape[1] * 8 // quantization["bits"]
        codes = unpack_from_uint8(tensors[name], quantization["bits"], (scales.shape[0], columns)).float()
        middle = torch.full(scales.shape, float(1 << (quantization["bits"] - 1)))
        zeros = tensors.get(module + ".qzeros")
        zeros = middle if zeros is None else unpack_from_uint8(zeros, quantization["bits"], scales.shape).float()
        groups = codes.reshape(*scales.shape, -1)
        plain[module + ".weight"] = ((groups - zeros[..., None]) * scales[..., None]).reshape(codes.shape).contiguous()
    save_file(plain, workspace / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((source / CONFIG).read_text()) | {"torch_dtype": "float32"}
    config.pop("dtype", None)
    (workspace / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    return [CONFIG, WEIGHTS, *protocol.bring_tokenizer(source, workspace, without=(CONFIG,))]


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
        kind, read = PASSES[op, params["method"]]
        options, what = read(params)
        of_decoder = params["method"] == "gptq"
        wanted = "huggingface" if of_decoder else "onnx"
        if request["model"].get("format") != wanted:
            raise Refusal("unsupported", f"[{NAME}] the input of {params['method']} must be of the format {wanted}, but is "
                          f"{request['model'].get('format')}.", "Name a step that makes it before.", "format",
                          request["model"].get("format"))
        source, workspace = pathlib.Path(request["model"]["path"]), pathlib.Path(request["workspace"])
        task.report(0, "starting Olive")
        data = []
        if params["method"] in ("static", "gptq"):
            config, count = use_samples(request, params, of_text if of_decoder else of_tensors)
            data, options["data_config"] = [config], config["name"]
            what += f", calibrated on {count} samples"
        if of_decoder:
            # In 32 bits, so that the scales are not rounded once more.
            model = {"type": "HfModel", "model_path": str(source), "load_kwargs": {"torch_dtype": "float32"}}
            made = run_pass(model, kind, options, data, params["method"], task)
            form, entry, files = "huggingface", CONFIG, widened(made, source, workspace)
        else:
            options |= {"save_as_external_data": True, "external_data_name": ENTRY + ".data"}
            made = run_pass({"type": "ONNXModel", "model_path": str(source)}, kind, options, data, params["method"], task)
            form, entry, files = "onnx", ENTRY, moved(made, workspace) + companions(source, workspace)
        version = importlib.metadata.version("olive-ai")
        return protocol.artifact(f"olive {version}", form, entry, files, [f"Olive {kind}: {what}."])


protocol.serve(Olive())
