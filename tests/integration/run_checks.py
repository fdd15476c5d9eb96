"""What the tests that disturb runs have in common: what a run finished, what it made, whether its stores are whole."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys


REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SHORT_REQUESTS = ["--prompt-tokens", "32", "--new-tokens", "8"]  # where times are not what is tested


def fail(words):
    sys.exit(f"FAILED: {words}")


def finished_steps(folder):
    """Keys and names of the journal's whole lines, in order."""
    journal = folder / "journal.jsonl"
    if not journal.exists():
        return []
    steps = []
    for line in journal.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line[17:])
        steps.append((record["key"], record["name"]))
    return steps


def artifact_digests(folder):
    """SHA-256 of every file of every artifact of the report, read from the files themselves."""
    report = json.loads((folder / "report.json").read_text())
    digests = {}
    for trial in report["trials"]:
        if "artifact" not in trial:
            continue
        for file in trial["artifact"]["files"]:
            path = pathlib.Path(trial["artifact"]["folder"]) / file["path"]
            name = f"{trial['recipe']['backend']}/{trial['recipe']['name']}/{file['path']}"
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def metrics_of(trial):
    """Metrics of the whole text or of the task's output by name, not of a part."""
    return {metric["metric"]: metric for metric in trial["measurement"]["metrics"]
            if not {"position_begin", "domain", "sequence", "output"} & set(metric.get("context", {}))}


def measured_in(report):
    """Candidates that could be measured."""
    return [t for t in report["trials"] if t["role"] == "candidate" and t["status"] == "ok"]


def quantised(report):
    """Those of them that were made smaller."""
    return [t for t in measured_in(report) if not t["recipe"].get("lossless")]


def scored_ids(folder, trial):
    """What stands for the ids that the trial was scored on: the original's own loss at each, as the trial's raw samples have it."""
    return json.loads((folder / metrics_of(trial)["kl_mean"]["samples_path"]).read_text())["nll_reference"]


def magika_samples(model, folder):
    """Files of several kinds, each labelled by what its name stands for: data for magika's ONNX file. Those of llama.cpp's
    source, which is pinned: this repository's would give other figures after each change of it."""
    tree = REPOSITORY / "build/sdk/source/llama.cpp"
    done = subprocess.run([REPOSITORY / "tests/support/magika_samples", model.parent, tree, folder], capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"samples: {done.stderr}")
    return folder


def changed(before, after):
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def with_enough(budgets, run, is_enough):
    """What run(budget) gives with the first budget that is enough, else with the last. A budget is wall time: the first is
    for two calm cores, the others are for slower machines."""
    for budget in budgets:
        given = run(budget)
        if is_enough(given):
            break
    return given


def check_no_step_repeated(folder, what):
    keys = [key for key, _ in finished_steps(folder)]
    if len(keys) != len(set(keys)):
        fail(f"{what}: a finished step was repeated")


def check_store_is_whole(strop, store, what):
    """Every digest holds, nothing unfinished is left, and nothing but the store's own folders is in it."""
    done = subprocess.run([strop, "store", "verify", "--json"], env=dict(os.environ, STROP_STORE=str(store)), capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"{what}: the store is not whole: {done.stdout} {done.stderr}")
    leftovers = [path.name for path in (store / "work").iterdir() if not path.name.startswith("scratch.")]
    if leftovers:
        fail(f"{what}: left unfinished work: {leftovers}")
    if (store / "quarantine").exists() and any((store / "quarantine").iterdir()):
        print(f"{what}: something was quarantined and made anew", flush=True)


def violations(value, schema, path="report"):
    """Where the value breaks the JSON Schema, for the key words that ours use."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int}
    unknown = set(schema) - {"type", "enum", "minimum", "required", "items", "properties", "additionalProperties", "$schema"}
    if unknown:
        return [f"{path}: a schema with the unknown words {unknown}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is not in {schema['enum']}"]
    if "type" in schema and (not isinstance(value, kinds[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean")):
        return [f"{path}: is no {schema['type']}"]
    found = [f"{path}: {value} is below {schema['minimum']}"] if "minimum" in schema and value < schema["minimum"] else []
    found += [f"{path}: lacks {name}" for name in schema.get("required", []) if name not in value]
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += violations(item, schema.get("items", {}), f"{path}[{i}]")
    if isinstance(value, dict):
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            found += [f"{path}: has the unknown {name}"] if inner is False else violations(item, {} if inner is True else inner, f"{path}.{name}")
    return found


def check_schemas(strop, folder, what):
    """report.json and strop.lock.json hold to the schemas that strop prints."""
    for name, of in (("report.json", "report"), ("strop.lock.json", "lock")):
        schema = json.loads(subprocess.run([strop, "schema", of], capture_output=True, text=True, check=True).stdout)
        broken = violations(json.loads((folder / name).read_text()), schema, name)
        if broken:
            fail(f"{what}: {broken[:5]}")


def check_whole_files(folder, what):
    """What a run publishes is there whole or not at all."""
    for name in ("report.json", "strop.lock.json", "run.json"):
        path = folder / name
        if path.exists():
            try:
                json.loads(path.read_text())
            except ValueError as error:
                fail(f"{what}: {name} is not whole: {error}")
    page = folder / "report.html"
    if page.exists() and not page.read_text().rstrip().endswith("</html>"):
        fail(f"{what}: report.html is not whole")
