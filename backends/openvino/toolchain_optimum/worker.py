"""optimum-intel on local Hugging Face folders: exports decoders to OpenVINO IR, offline, in the form that the session opens."""
import importlib.metadata
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent.parent))
import protocol  # noqa: E402
from protocol import Refusal  # noqa: E402

sys.modules["openvino_telemetry"] = None  # nothing is reported home

NAME = "optimum"
TYPES = ("f16", "int8")
INPUTS = {"input_ids", "attention_mask", "position_ids", "beam_idx"}
MOST_POSITIONS = 1 << 24
# Where the architectures' configurations say how long a text may be.
LENGTHS = ("max_position_embeddings", "n_positions")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json")


def configuration(folder):
    """config.json, which must need no code of the folder's own."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise Refusal("corrupt", f"[{NAME}] config.json cannot be read: {error}", field="config.json")
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise Refusal("corrupt", f"[{NAME}] config.json names no model_type.", field="model_type")
    if "auto_map" in config:
        raise Refusal("unsupported", f"[{NAME}] the model brings Python code of its own (auto_map), which is never run.",
                      field="auto_map")
    if not list(folder.glob("*.safetensors")):
        raise Refusal("unsupported", f"[{NAME}] the weights must be safetensors, because other files can hold code.",
                      field="weights")
    return config


def context_of(config):
    for name in LENGTHS:
        length = config.get(name)
        if isinstance(length, int) and not isinstance(length, bool) and 1 <= length <= MOST_POSITIONS:
            return length
    raise Refusal("unsupported", f"[{NAME}] config.json does not say how long a text may be: {' or '.join(LENGTHS)} must be from 1 "
                  f"to {MOST_POSITIONS}.", field=LENGTHS[0])


def check_form(model):
    """What backends/openvino/session.cpp feeds and reads."""
    inputs = {port.get_any_name() for port in model.inputs}
    if inputs != INPUTS:
        wrong = sorted(inputs ^ INPUTS)
        raise Refusal("unsupported", f"[{NAME}] the exported model takes {', '.join(sorted(inputs))}, but a session feeds "
                      f"{', '.join(sorted(INPUTS))}.", field="inputs", value=wrong[0])
    outputs = [port for port in model.outputs if "logits" in port.get_names()]
    if len(model.outputs) != 1 or not outputs:
        raise Refusal("unsupported", f"[{NAME}] the exported model has other outputs than logits.", field="outputs")
    product = outputs[0].get_node().input_value(0).get_node()
    if product.get_type_name() != "MatMul" or outputs[0].get_partial_shape().rank.get_length() != 3:
        raise Refusal("unsupported", f"[{NAME}] the exported model's logits are not a product of [batch, positions, width] with the "
                      f"output weights, but come out of a {product.get_type_name()}.", field="logits")


class Optimum(protocol.Backend):
    name = NAME

    def info(self):
        return super().info() | {"version": importlib.metadata.version("optimum-intel"),
                                 "notes": [f"uses transformers {importlib.metadata.version('transformers')}, "
                                           f"writes IR of OpenVINO {importlib.metadata.version('openvino')}"]}

    def build(self, request, task):
        op, params = protocol.params_of(request)
        if op != "convert":
            raise Refusal("unsupported", f"[{NAME}] this worker only converts, but op is {op}.", field="op", value=op)
        protocol.known_only(NAME, params, ("type",))
        kind = protocol.choice(NAME, params, "type", TYPES)
        if request["model"].get("format") != "huggingface":
            raise Refusal("unsupported", f"[{NAME}] the input must be a Hugging Face folder, but is "
                          f"{request['model'].get('format')}.", field="format", value=request["model"].get("format"))
        source, workspace = pathlib.Path(request["model"]["path"]), pathlib.Path(request["workspace"])
        config = configuration(source)
        context = context_of(config)
        task.report(0, "starting optimum-intel")
        import openvino
        from optimum.exporters.openvino import main_export
        from optimum.intel import OVConfig

        task.report(0.1, "tracing the model")
        scratch = pathlib.Path(os.environ["HOME"]) / "exported"
        # The export compresses to 8 bits through its command line only; as a function it would leave the weights in f32.
        main_export(str(source), scratch, task="text-generation-with-past", trust_remote_code=False, convert_tokenizer=False,
                    ov_config=OVConfig(dtype="fp16" if kind == "f16" else "fp32"))
        task.report(0.8, "checking what was made")
        model = openvino.Core().read_model(scratch / "openvino_model.xml")
        check_form(model)
        if kind == "int8":
            import nncf

            task.report(0.85, "compressing the weights")
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        model.set_rt_info(str(context), ["strop", "context_length"])
        task.report(0.9, "writing the IR")
        openvino.save_model(model, workspace / "openvino_model.xml", compress_to_fp16=False)
        files = ["openvino_model.xml", "openvino_model.bin"]
        for name in TOKENIZER:
            if protocol.is_own(source / name, source):
                protocol.bring(source / name, workspace / "tokenizer" / name)
                files.append(f"tokenizer/{name}")
        return protocol.artifact(f"optimum-intel {importlib.metadata.version('optimum-intel')}", "openvino_ir", "openvino_model.xml",
                                 files, [f"Exported by optimum-intel from {config['model_type']}, weights in "
                                         f"{'8' if kind == 'int8' else '16'} bits."])


protocol.serve(Optimum())
