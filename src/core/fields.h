// The field list of every domain type: fields(visitor, value) calls visitor(name, member) for each
// member. A field added here is written, read, checked and in the schema.
#pragma once

#include "core/protocol.h"
#include "strop/backend.h"
#include "strop/golden.h"
#include "strop/lock_file.h"
#include "strop/measure.h"
#include "strop/report.h"
#include "strop/samples.h"
#include "strop/side_by_side.h"
#include "strop/store.h"
#include "strop/text.h"

namespace strop {

template <class T, class U>
concept Same = std::same_as<std::remove_const_t<T>, U>;

void fields(auto& v, Same<Error> auto& x) {
  v("code", x.code), v("message", x.message), v("hint", x.hint), v("field", x.field),
      v("value", x.value);
  v("offset", x.offset);
}
void fields(auto& v, Same<Port> auto& x) {
  v("name", x.name), v("type", x.type), v("shape", x.shape), v("any_rank", x.any_rank);
}
void fields(auto& v, Same<Model> auto& x) {
  v("id", x.id), v("path", x.path), v("format", x.format), v("architecture", x.architecture),
      v("kind", x.kind);
  v("parameter_count", x.parameter_count), v("weight_bytes", x.weight_bytes),
      v("precision", x.precision);
  v("context_length", x.context_length), v("vocabulary_size", x.vocabulary_size),
      v("layer_count", x.layer_count);
  v("width", x.width), v("cache_width", x.cache_width), v("experts", x.experts),
      v("license", x.license), v("provenance", x.provenance);
  v("source_grid", x.source_grid), v("inputs", x.inputs), v("outputs", x.outputs);
}
void fields(auto& v, Same<Device> auto& x) {
  v("kind", x.kind), v("vendor", x.vendor), v("name", x.name), v("features", x.features);
  v("memory_bytes", x.memory_bytes), v("bandwidth_gbps", x.bandwidth_gbps), v("cores", x.cores);
}
void fields(auto& v, Same<Power> auto& x) {
  v("budget_watts", x.budget_watts), v("battery", x.battery),
      v("thermal_limit_c", x.thermal_limit_c);
}
void fields(auto& v, Same<Network> auto& x) {
  v("offline", x.offline), v("bandwidth_mbps", x.bandwidth_mbps);
}
void fields(auto& v, Same<Target> auto& x) {
  v("id", x.id), v("name", x.name), v("local", x.local), v("os", x.os), v("arch", x.arch),
      v("platform", x.platform);
  v("devices", x.devices), v("memory_bytes", x.memory_bytes), v("storage_bytes", x.storage_bytes);
  v("power", x.power), v("network", x.network), v("form", x.form);
}
void fields(auto& v, Same<Limits> auto& x) {
  v("latency_ms", x.latency_ms), v("memory_bytes", x.memory_bytes), v("size_bytes", x.size_bytes);
  v("energy_joules", x.energy_joules);
}
void fields(auto& v, Same<Thresholds> auto& x) {
  v("accuracy_ratio", x.accuracy_ratio), v("speedup", x.speedup), v("memory_ratio", x.memory_ratio);
  v("variation", x.variation), v("ab_error", x.ab_error), v("stress_errors", x.stress_errors);
  v("stress_slowdown", x.stress_slowdown), v("stress_growth", x.stress_growth);
  v("leak", x.leak), v("drift", x.drift), v("security_findings", x.security_findings);
  v("conversion_kl", x.conversion_kl);
}
void fields(auto& v, Same<Weights> auto& x) {
  v("speed", x.speed), v("accuracy", x.accuracy), v("memory", x.memory);
}
void fields(auto& v, Same<Budget> auto& x) {
  v("wall_seconds", x.wall_seconds), v("trials", x.trials);
}
void fields(auto& v, Same<Workload> auto& x) {
  v("prompt_tokens", x.prompt_tokens), v("new_tokens", x.new_tokens);
  v("evaluation_context", x.evaluation_context), v("evaluation_tokens", x.evaluation_tokens),
      v("threads", x.threads);
}
void fields(auto& v, Same<Goal> auto& x) {
  v("use_case", x.use_case), v("profile", x.profile), v("frameworks", x.frameworks),
      v("prefer", x.prefer);
  v("limits", x.limits), v("thresholds", x.thresholds), v("weights", x.weights),
      v("budget", x.budget);
  v("workload", x.workload), v("evaluation_data", x.evaluation_data);
  v("evaluation_tasks", x.evaluation_tasks), v("seed", x.seed);
}
void fields(auto& v, Same<Step> auto& x) {
  v("worker", x.worker), v("op", x.op), v("params", x.params);
}
void fields(auto& v, Same<Calibration> auto& x) {
  v("dataset_id", x.dataset_id), v("samples", x.samples);
}
void fields(auto& v, Same<StandIn> auto& x) {
  v("backend", x.backend), v("steps", x.steps), v("tokens", x.tokens);
}
void fields(auto& v, Same<Recipe> auto& x) {
  v("id", x.id), v("name", x.name), v("backend", x.backend), v("steps", x.steps),
      v("calibration", x.calibration);
  v("stand_in", x.stand_in);
  v("seed", x.seed), v("bits_per_weight", x.bits_per_weight), v("lossless", x.lossless);
  v("source_grid", x.source_grid), v("note", x.note);
}
void fields(auto& v, Same<Knob> auto& x) {
  v("name", x.name), v("values", x.values), v("default_value", x.default_value),
      v("description", x.description);
}
void fields(auto& v, Same<RunPreset> auto& x) {
  v("name", x.name), v("options", x.options), v("note", x.note);
}
void fields(auto& v, Same<RecipeSpace> auto& x) {
  v("build_knobs", x.build_knobs), v("run_knobs", x.run_knobs), v("recipes", x.recipes);
  v("run_presets", x.run_presets), v("skipped", x.skipped);
}
void fields(auto& v, Same<Fit> auto& x) {
  v("supported", x.supported), v("score", x.score), v("reasons", x.reasons);
  v("untimed_reason", x.untimed_reason);
}
void fields(auto& v, Same<BackendFit> auto& x) {
  v("backend", x.backend), v("version", x.version), v("fit", x.fit), v("space", x.space);
}
void fields(auto& v, Same<Assessment> auto& x) {
  v("model_id", x.model_id), v("target_id", x.target_id), v("strategy", x.strategy);
  v("strategy_reason", x.strategy_reason), v("fits", x.fits),
      v("memory_estimate_bytes", x.memory_estimate_bytes);
  v("bottleneck", x.bottleneck), v("warnings", x.warnings);
}
void fields(auto& v, Same<Reason> auto& x) { v("rule", x.rule), v("text", x.text); }
void fields(auto& v, Same<Choice> auto& x) {
  v("backend", x.backend), v("rank", x.rank), v("budget_share", x.budget_share),
      v("reasons", x.reasons);
  v("would_change", x.would_change);
}
void fields(auto& v, Same<PlannedTrial> auto& x) {
  v("recipe", x.recipe), v("role", x.role), v("run_presets", x.run_presets);
}
void fields(auto& v, Same<NotTried> auto& x) {
  v("backend", x.backend), v("recipe", x.recipe), v("reason", x.reason);
}
void fields(auto& v, Same<Plan> auto& x) {
  v("id", x.id), v("choices", x.choices), v("trials", x.trials), v("not_tried", x.not_tried);
  v("fallbacks", x.fallbacks);
}
void fields(auto& v, Same<ArtifactFile> auto& x) {
  v("path", x.path), v("bytes", x.bytes), v("sha256", x.sha256);
}
void fields(auto& v, Same<Artifact> auto& x) {
  v("id", x.id), v("model_id", x.model_id), v("recipe_id", x.recipe_id), v("backend", x.backend);
  v("backend_version", x.backend_version), v("format", x.format), v("folder", x.folder),
      v("entry", x.entry);
  v("files", x.files), v("total_bytes", x.total_bytes), v("build_seconds", x.build_seconds),
      v("notes", x.notes);
}
void fields(auto& v, Same<Interval> auto& x) {
  v("low", x.low), v("high", x.high), v("confidence", x.confidence);
}
void fields(auto& v, Same<MetricContext> auto& x) {
  v("prompt_tokens", x.prompt_tokens), v("new_tokens", x.new_tokens), v("depth", x.depth);
  v("concurrency", x.concurrency), v("arrival_rate", x.arrival_rate);
  v("position_begin", x.position_begin), v("position_end", x.position_end);
  v("inferences", x.inferences), v("batch", x.batch), v("output", x.output);
  v("domain", x.domain), v("sequence", x.sequence);
}
void fields(auto& v, Same<Metric> auto& x) {
  v("metric", x.metric), v("unit", x.unit), v("context", x.context), v("value", x.value),
      v("interval", x.interval);
  v("samples", x.samples), v("samples_path", x.samples_path), v("noisy", x.noisy);
}
void fields(auto& v, Same<Placement> auto& x) { v("provider", x.provider), v("nodes", x.nodes); }
void fields(auto& v, Same<Conditions> auto& x) {
  v("engine_version", x.engine_version), v("cpu_variant", x.cpu_variant), v("threads", x.threads);
  v("foreign_load", x.foreign_load), v("steal_ratio", x.steal_ratio),
      v("confinement", x.confinement);
  v("placement", x.placement), v("notes", x.notes);
  v("frequency_mhz", x.frequency_mhz), v("frequency_drop", x.frequency_drop);
  v("temperature_c", x.temperature_c), v("throttle_events", x.throttle_events);
  v("seed", x.seed), v("date", x.date);
}
void fields(auto& v, Same<Unmeasured> auto& x) {
  v("metric", x.metric), v("context", x.context), v("reason", x.reason);
}
void fields(auto& v, Same<Ceiling> auto& x) {
  v("phase", x.phase), v("bytes", x.bytes), v("operations", x.operations);
  v("bytes_per_second", x.bytes_per_second), v("operations_per_second", x.operations_per_second);
  v("tokens_per_second", x.tokens_per_second), v("share", x.share), v("interval", x.interval),
      v("binds", x.binds);
}
void fields(auto& v, Same<Control> auto& x) {
  v("metric", x.metric), v("ratio", x.ratio), v("interval", x.interval), v("pairs", x.pairs);
  v("contains_one", x.contains_one);
}
void fields(auto& v, Same<Measurement> auto& x) {
  v("artifact_id", x.artifact_id), v("target_id", x.target_id), v("run_options", x.run_options);
  v("conditions", x.conditions), v("metrics", x.metrics);
  v("not_measured", x.not_measured), v("ceilings", x.ceilings), v("control", x.control);
  v("reused_from", x.reused_from);
}
void fields(auto& v, Same<Trial> auto& x) {
  v("id", x.id), v("role", x.role), v("recipe", x.recipe), v("run_preset", x.run_preset);
  v("run_options", x.run_options), v("artifact", x.artifact), v("measurement", x.measurement),
      v("error", x.error);
  v("status", x.status), v("reason", x.reason), v("wall_seconds", x.wall_seconds);
}
void fields(auto& v, Same<Objective> auto& x) { v("metric", x.metric), v("maximise", x.maximise); }
void fields(auto& v, Same<Front> auto& x) {
  v("objectives", x.objectives), v("trial_ids", x.trial_ids), v("recommended_id", x.recommended_id),
      v("why", x.why);
}
void fields(auto& v, Same<Gate> auto& x) {
  v("name", x.name), v("metric", x.metric), v("comparison", x.comparison),
      v("threshold", x.threshold);
  v("required", x.required), v("observed", x.observed), v("interval", x.interval),
      v("baseline", x.baseline);
  v("verdict", x.verdict), v("evidence_path", x.evidence_path), v("reason", x.reason);
}
void fields(auto& v, Same<GateReport> auto& x) {
  v("trial_id", x.trial_id), v("artifact_id", x.artifact_id), v("gates", x.gates),
      v("passed", x.passed);
}
void fields(auto& v, Same<CrossCheck> auto& x) {
  v("trial_id", x.trial_id), v("backend", x.backend), v("run_options", x.run_options);
  v("metric", x.metric), v("verdict", x.verdict), v("reason", x.reason);
}
void fields(auto& v, Same<Difference> auto& x) {
  v("metric", x.metric), v("subject", x.subject), v("unit", x.unit), v("first", x.first),
      v("second", x.second);
  v("ratio", x.ratio), v("interval", x.interval), v("control", x.control), v("pairs", x.pairs);
  v("margin", x.margin), v("finding", x.finding), v("reason", x.reason);
}
void fields(auto& v, Same<Side> auto& x) {
  v("name", x.name), v("artifact", x.artifact), v("run_id", x.run_id), v("machine", x.machine),
      v("conditions", x.conditions);
}
void fields(auto& v, Same<Contrast> auto& x) {
  v("schema_version", x.schema_version), v("tool_version", x.tool_version), v("date", x.date);
  v("first", x.first), v("second", x.second), v("differences", x.differences);
  v("warnings", x.warnings), v("overall", x.overall);
}
void fields(auto& v, Same<LoadOutcome> auto& x) {
  v("schema_version", x.schema_version), v("tool_version", x.tool_version), v("name", x.name);
  v("artifact", x.artifact), v("measurement", x.measurement), v("warnings", x.warnings);
}
void fields(auto& v, Same<Recommendation> auto& x) { v("title", x.title), v("text", x.text); }
void fields(auto& v, Same<Alert> auto& x) {
  v("metric", x.metric), v("unit", x.unit), v("above", x.above), v("has_interval", x.has_interval);
}
void fields(auto& v, Same<Milestone> auto& x) {
  v("kind", x.kind), v("trial_id", x.trial_id), v("size", x.size), v("accuracy", x.accuracy);
  v("speedup", x.speedup), v("memory", x.memory), v("text", x.text);
}
void fields(auto& v, Same<Report> auto& x) {
  v("schema_version", x.schema_version), v("run_id", x.run_id), v("tool_version", x.tool_version);
  v("started_at", x.started_at), v("finished_at", x.finished_at),
      v("finished_stage", x.finished_stage);
  v("goal", x.goal), v("model", x.model), v("target", x.target), v("assessment", x.assessment),
      v("plan", x.plan);
  v("trials", x.trials), v("request", x.request), v("matrix", x.matrix), v("front", x.front),
      v("gates", x.gates), v("milestones", x.milestones);
  v("recommendations", x.recommendations), v("alerts", x.alerts), v("warnings", x.warnings);
}
void fields(auto& v, Same<PinnedData> auto& x) {
  v("what", x.what), v("path", x.path), v("sha256", x.sha256);
}
void fields(auto& v, Same<PinnedWorker> auto& x) {
  v("name", x.name), v("version", x.version), v("sha256", x.sha256);
}
void fields(auto& v, Same<PinnedTrial> auto& x) {
  v("id", x.id), v("role", x.role), v("recipe", x.recipe), v("run_preset", x.run_preset);
  v("artifact_id", x.artifact_id), v("files", x.files), v("numbers", x.numbers);
}
void fields(auto& v, Same<LockFile> auto& x) {
  v("schema_version", x.schema_version), v("tool_version", x.tool_version), v("run_id", x.run_id);
  v("date", x.date), v("target", x.target), v("goal", x.goal), v("confine", x.confine);
  v("worker_memory_bytes", x.worker_memory_bytes);
  v("worker_silence_seconds", x.worker_silence_seconds), v("machine", x.machine);
  v("data", x.data), v("workers", x.workers), v("trials", x.trials);
}
void fields(auto& v, Same<InputChange> auto& x) {
  v("what", x.what), v("before", x.before), v("now", x.now);
}
void fields(auto& v, Same<NumberChange> auto& x) {
  v("trial", x.trial), v("number", x.number), v("before", x.before), v("now", x.now);
  v("before_text", x.before_text), v("now_text", x.now_text), v("sameness", x.sameness);
}
void fields(auto& v, Same<Repeat> auto& x) {
  v("schema_version", x.schema_version), v("run_id", x.run_id), v("date", x.date);
  v("compared", x.compared), v("inputs", x.inputs), v("numbers", x.numbers);
  v("repeated", x.repeated);
}
void fields(auto& v, Same<SideRun> auto& x) {
  v("name", x.name), v("run_id", x.run_id), v("tool_version", x.tool_version), v("date", x.date);
  v("model", x.model), v("machine", x.machine), v("baseline", x.baseline);
  v("baseline_time", x.baseline_time), v("recommended", x.recommended), v("passed", x.passed);
  v("gates", x.gates);
}
void fields(auto& v, Same<SideCell> auto& x) {
  v("size", x.size), v("accuracy", x.accuracy), v("divergence", x.divergence);
  v("speedup", x.speedup), v("request_time", x.request_time), v("memory", x.memory);
  v("status", x.status);
}
void fields(auto& v, Same<SideRow> auto& x) { v("artifact", x.artifact), v("cells", x.cells); }
void fields(auto& v, Same<SideBySide> auto& x) {
  v("schema_version", x.schema_version), v("runs", x.runs), v("rows", x.rows);
  v("notes", x.notes);
}
void fields(auto& v, Same<StoredArtifact> auto& x) {
  v("id", x.id), v("model", x.model), v("recipe", x.recipe), v("format", x.format);
  v("bytes", x.bytes), v("last_used", x.last_used), v("needed", x.needed), v("in_use", x.in_use);
  v("problem", x.problem);
}
void fields(auto& v, Same<StoreListing> auto& x) {
  v("folder", x.folder), v("artifacts", x.artifacts), v("artifact_bytes", x.artifact_bytes);
  v("other_bytes", x.other_bytes), v("limit_bytes", x.limit_bytes);
}
void fields(auto& v, Same<StoreCheck> auto& x) {
  v("checked", x.checked), v("bytes", x.bytes), v("broken", x.broken);
  v("quarantine", x.quarantine);
}
void fields(auto& v, Same<StoreCleaning> auto& x) {
  v("removed", x.removed), v("freed_bytes", x.freed_bytes), v("kept_bytes", x.kept_bytes);
  v("limit_bytes", x.limit_bytes), v("kept", x.kept);
}
void fields(auto& v, Same<BackendInfo> auto& x) {
  v("name", x.name), v("version", x.version), v("devices", x.devices);
  v("unavailable_reason", x.unavailable_reason), v("notes", x.notes);
}
void fields(auto& v, Same<SessionInfo> auto& x) {
  v("vocabulary_size", x.vocabulary_size), v("context_length", x.context_length),
      v("run_options", x.run_options);
  v("cpu_variant", x.cpu_variant), v("load_seconds", x.load_seconds);
  v("placement", x.placement), v("notes", x.notes);
}
void fields(auto& v, Same<Generation> auto& x) { v("ids", x.ids), v("seconds", x.seconds); }
void fields(auto& v, Same<Box> auto& x) {
  v("x1", x.x1), v("y1", x.y1), v("x2", x.x2), v("y2", x.y2), v("label", x.label);
}
void fields(auto& v, Same<Label> auto& x) {
  v("index", x.index), v("boxes", x.boxes), v("value", x.value);
}
void fields(auto& v, Same<SampleList> auto& x) {
  v("count", x.count), v("calibration_count", x.calibration_count), v("available", x.available);
  v("task", x.task), v("output", x.output), v("labels", x.labels), v("sources", x.sources);
  v("notes", x.notes);
}
void fields(auto& v, Same<ChatMessage> auto& x) { v("role", x.role), v("content", x.content); }
void fields(auto& v, Same<GoldenText> auto& x) {
  v("text", x.text), v("add_special", x.add_special), v("parse_special", x.parse_special);
  v("ids", x.ids), v("decoded", x.decoded);
}
void fields(auto& v, Same<GoldenChat> auto& x) {
  v("messages", x.messages), v("add_generation_prompt", x.add_generation_prompt), v("text", x.text);
}
void fields(auto& v, Same<GoldenRows> auto& x) {
  v("name", x.name), v("first_scored", x.first_scored), v("stepped_from", x.stepped_from);
  v("sequences", x.sequences), v("file", x.file), v("sha256", x.sha256);
}
void fields(auto& v, Same<GoldenSample> auto& x) {
  v("name", x.name), v("file", x.file), v("sha256", x.sha256);
}
void fields(auto& v, Same<Golden> auto& x) {
  v("schema_version", x.schema_version), v("kind", x.kind), v("model_id", x.model_id);
  v("artifact_id", x.artifact_id), v("target_id", x.target_id), v("backend", x.backend);
  v("run_options", x.run_options), v("conditions", x.conditions), v("limit", x.limit);
  v("limit_elsewhere", x.limit_elsewhere), v("texts", x.texts), v("chats", x.chats);
  v("rows", x.rows), v("samples", x.samples);
}
void fields(auto& v, Same<GoldenCheck> auto& x) {
  v("record", x.record), v("what", x.what), v("verdict", x.verdict), v("observed", x.observed);
  v("limit", x.limit), v("reason", x.reason);
}
void fields(auto& v, Same<GoldenReport> auto& x) {
  v("schema_version", x.schema_version), v("artifact_id", x.artifact_id), v("folder", x.folder);
  v("backend", x.backend), v("checks", x.checks), v("passed", x.passed);
}
void fields(auto& v, Same<TokenizerInfo> auto& x) {
  v("vocabulary_size", x.vocabulary_size), v("pre_tokenizer", x.pre_tokenizer), v("bos", x.bos),
      v("eos", x.eos);
  v("has_chat_template", x.has_chat_template);
}

namespace protocol {

void fields(auto& v, Same<Hello> auto& x) { v("protocol", x.protocol); }
void fields(auto& v, Same<Greeting> auto& x) { v("protocol", x.protocol), v("role", x.role); }
void fields(auto&, Same<Nothing> auto&) {}
void fields(auto& v, Same<Pair> auto& x) { v("model", x.model), v("target", x.target); }
void fields(auto& v, Same<Build> auto& x) {
  v("model", x.model), v("recipe", x.recipe), v("step", x.step), v("workspace", x.workspace);
  v("calibration", x.calibration);
}
void fields(auto& v, Same<Open> auto& x) {
  v("artifact", x.artifact), v("run_options", x.run_options), v("workspace", x.workspace);
}
void fields(auto& v, Same<Opened> auto& x) { v("kind", x.kind), v("session", x.session); }
void fields(auto& v, Same<Evaluate> auto& x) {
  v("sequence", x.sequence), v("ids", x.ids), v("wanted", x.wanted);
}
void fields(auto& v, Same<Rows> auto& x) { v("rows", x.rows); }
void fields(auto& v, Same<Generate> auto& x) {
  v("sequence", x.sequence), v("ids", x.ids), v("count", x.count);
}
void fields(auto& v, Same<GenerateTogether> auto& x) {
  v("prompts", x.prompts), v("count", x.count);
}
void fields(auto& v, Same<Generations> auto& x) { v("generations", x.generations); }
void fields(auto& v, Same<Truncate> auto& x) { v("sequence", x.sequence), v("length", x.length); }
void fields(auto& v, Same<Fork> auto& x) { v("from", x.from), v("to", x.to); }
void fields(auto& v, Same<TensorPlace> auto& x) {
  v("name", x.name), v("type", x.type), v("shape", x.shape), v("offset", x.offset);
}
void fields(auto& v, Same<Inputs> auto& x) { v("inputs", x.inputs); }
void fields(auto& v, Same<Outputs> auto& x) { v("outputs", x.outputs), v("seconds", x.seconds); }
void fields(auto& v, Same<Vocabulary> auto& x) { v("vocabulary", x.vocabulary); }
void fields(auto& v, Same<Encode> auto& x) {
  v("text", x.text), v("add_special", x.add_special), v("parse_special", x.parse_special);
}
void fields(auto& v, Same<Ids> auto& x) { v("ids", x.ids); }
void fields(auto& v, Same<Text> auto& x) { v("text", x.text); }
void fields(auto& v, Same<Chat> auto& x) {
  v("messages", x.messages), v("add_generation_prompt", x.add_generation_prompt);
}

}  // namespace protocol
}  // namespace strop
