#include "sample.h"

#include <array>
#include <cmath>

#include "report/figures.h"
#include "report/milestones.h"
#include "report/summary.h"

namespace strop::sample {
namespace {

constexpr const char* kDate = "2026-01-15T10:12:00Z";

// Value, and half the width of its interval as a share of it.
Metric metric(std::string name, std::string unit, double value, double spread,
              std::uint32_t samples = 20) {
  Metric out;
  out.metric = std::move(name);
  out.unit = std::move(unit);
  out.value = value;
  if (spread > 0) out.interval = Interval{value * (1 - spread), value * (1 + spread), 0.95};
  out.samples = samples;
  out.samples_path = "samples/" + out.metric + ".jsonl";
  return out;
}

struct Figures {
  double kl = 0;  // 0: the quality reference itself
  double accuracy = 1;
  double first_token_ms = 0;
  double per_token_ms = 0;
  double speedup = 1;
  double peak_mb = 0;
  double speed_spread = 0.03;
};

void add_positions(Measurement& measurement, double kl) {
  for (std::uint32_t bucket = 0; bucket < 8; ++bucket) {
    Metric part = metric("kl_mean", "nats",
                         kl * (1.25 - 0.06 * bucket + 0.04 * std::sin(3.0 * bucket)), 0.08, 1400);
    part.context.position_begin = bucket * 256;
    part.context.position_end = (bucket + 1) * 256;
    measurement.metrics.push_back(part);
  }
}

Measurement measurement(const Trial& trial, const Figures& figures) {
  Measurement out;
  out.artifact_id = trial.artifact->id;
  out.target_id = "t1";
  out.run_options = trial.run_options;
  out.conditions = {.engine_version = trial.recipe.backend == "openvino" ? "2026.4.1" : "0.5.0-dev",
                    .cpu_variant = "sapphirerapids+amx",
                    .threads = 2,
                    .foreign_load = 0.03,
                    .steal_ratio = 0.001,
                    .confinement = {"no network", "read-only file system", "seccomp"},
                    .seed = 1,
                    .date = kDate};
  const double request_ms = figures.first_token_ms + 63 * figures.per_token_ms;
  out.metrics = {metric("request_time", "s", request_ms / 1e3, figures.speed_spread),
                 metric("time_to_first_token", "ms", figures.first_token_ms, 0.04),
                 metric("inter_token_latency_p50", "ms", figures.per_token_ms, 0.02, 1280),
                 metric("inter_token_latency_p95", "ms", figures.per_token_ms * 1.12, 0.05, 1280),
                 metric("speedup", "ratio", figures.speedup, figures.speed_spread),
                 metric("peak_memory", "bytes", figures.peak_mb * 1e6, 0, 3),
                 metric("load_time", "s", 0.21, 0.1, 6)};
  out.metrics.push_back(metric("accuracy", "ratio", figures.accuracy, 0.002, 11264));
  if (figures.kl == 0) return out;
  out.metrics.push_back(metric("kl_mean", "nats", figures.kl, 0.04, 11264));
  out.metrics.push_back(metric("kl_p99", "nats", figures.kl * 9, 0.15, 11264));
  out.metrics.push_back(
      metric("top1_agreement", "ratio", 1 - std::sqrt(figures.kl) / 4, 0.004, 11264));
  add_positions(out, figures.kl);
  return out;
}

Trial trial(std::string backend, std::string recipe, double megabytes, const Figures& figures,
            std::string preset = "default") {
  Trial out;
  out.id = backend + "-" + recipe + "-" + preset;
  out.recipe.id = "r-" + backend + "-" + recipe;
  out.recipe.name = recipe;
  out.recipe.backend = backend;
  out.recipe.steps = {{"convert", Operation::convert, {{"type", recipe}}}};
  out.run_preset = preset;
  out.run_options = {{"threads", "2"}, {"flash_attention", preset == "flash_q8" ? "on" : "auto"}};
  out.status = TrialStatus::ok;
  out.wall_seconds = 24 + megabytes / 30;
  Artifact artifact;
  artifact.id = "a-" + backend + "-" + recipe;
  artifact.backend = backend;
  artifact.backend_version = backend == "openvino" ? "2026.4.1" : "0.5.0-dev";
  artifact.format = backend == "openvino" ? "openvino_ir" : "gguf";
  artifact.entry = backend == "openvino" ? "model.xml" : "model.gguf";
  artifact.total_bytes = static_cast<std::uint64_t>(megabytes * 1e6);
  artifact.build_seconds = 3 + megabytes / 60;
  out.artifact = artifact;
  out.measurement = measurement(out, figures);
  return out;
}

Trial failed_trial() {
  Trial out = trial("llama_cpp", "iq4_nl", 92, {});
  out.artifact.reset();
  out.measurement.reset();
  out.status = TrialStatus::failed;
  out.error = Error{ErrorCode::crashed,
                    "[optimize] the worker convert died: signal 4 (illegal instruction)"};
  out.reason = "the worker convert died: signal 4 (illegal instruction), after \"blk.11.ffn_down\"";
  out.wall_seconds = 4.1;
  return out;
}

Trial dominated_trial(const std::string& backend, const std::string& recipe, double megabytes,
                      const std::string& preset, const std::string& reason) {
  Trial out = trial(
      backend, recipe, megabytes,
      {.kl = 0.006, .first_token_ms = 150, .per_token_ms = 9.4, .speedup = 1.9, .peak_mb = 300},
      preset);
  out.measurement.reset();
  out.status = TrialStatus::dominated;
  out.reason = reason;
  out.wall_seconds = 6.5;
  return out;
}

Trial with_role(Trial trial, Role role) {
  trial.role = role;
  trial.recipe.lossless = true;
  if (role == Role::baseline)
    std::erase_if(trial.measurement->metrics,
                  [](const Metric& m) { return m.metric == "speedup"; });
  return trial;
}

Trial lossless(Trial trial) {
  trial.recipe.lossless = true;
  return trial;
}

std::vector<Trial> trials() {
  std::vector<Trial> out;
  out.push_back(with_role(trial("llama_cpp", "bf16", 272, {0.0002, 0.9999, 402, 13.4, 1, 640}),
                          Role::baseline));
  out.push_back(with_role(trial("llama_cpp", "f32", 541, {0, 1, 338, 21.1, 0.74, 980}),
                          Role::quality_reference));
  out.push_back(trial("llama_cpp", "q8_0", 146, {0.0041, 0.9968, 149, 7.1, 2.09, 397}, "flash_q8"));
  out.push_back(trial("llama_cpp", "q4_k_m", 107, {0.0934, 0.931, 431, 12.1, 1.05, 282}));
  out.push_back(trial("llama_cpp", "q4_0", 93, {0.371, 0.781, 158, 5.3, 2.54, 262, 0.02}));
  out.push_back(lossless(trial("openvino", "f16", 275, {0.0012, 0.9991, 102, 22.4, 0.82, 992})));
  out.push_back(trial("openvino", "q8_0", 148, {0.0033, 0.9974, 112, 14.6, 1.21, 717}));
  out.push_back(failed_trial());
  out.push_back(dominated_trial("llama_cpp", "q8_0", 146, "default",
                                "slower than flash_q8 with the same artifact"));
  out.push_back(dominated_trial("llama_cpp", "q8_0", 146, "no_flash",
                                "slower than flash_q8 with the same artifact"));
  // Two groups of rounds: the last artifact was timed by itself.
  for (Trial& timed : out)
    if (timed.measurement && timed.status == TrialStatus::ok)
      timed.measurement->control = Control{"request_time", 1.002, {0.991, 1.012, 0.95}, 12, true};
  out[6].measurement->control = Control{"request_time", 0.999, {0.996, 1.003, 0.95}, 16, true};
  for (Metric& part : out[6].measurement->metrics)
    if (part.metric == "time_to_first_token") part.noisy = true;
  return out;
}

Gate gate(std::string name, std::string metric, Comparison comparison, double threshold,
          double observed, double spread, Verdict verdict, std::string reason) {
  Gate out{name,     metric, comparison, threshold, true,
           observed, {},     {},         verdict,   "samples/" + name + ".jsonl",
           reason};
  if (spread > 0) out.interval = Interval{observed - spread, observed + spread, 0.95};
  return out;
}

Gate unmeasured_gate(std::string name, std::string metric, std::string reason) {
  Gate out;
  out.name = std::move(name);
  out.metric = std::move(metric);
  out.comparison = Comparison::at_most;
  out.threshold = 0.2;
  out.reason = std::move(reason);
  return out;
}

GateReport gates(const Trial& trial, double accuracy, double speed, double memory,
                 bool speed_noisy = false) {
  const auto verdict = [](bool good) { return good ? Verdict::pass : Verdict::fail; };
  const Verdict speed_verdict = speed_noisy ? Verdict::noisy : verdict(speed * 0.97 >= 2);
  GateReport out;
  out.trial_id = trial.id;
  out.artifact_id = trial.artifact->id;
  out.gates = {
      gate("accuracy", "accuracy", Comparison::at_least, 0.95, accuracy, 0.002,
           verdict(accuracy >= 0.952), "the interval's lower end is compared with the threshold"),
      gate("speed", "speedup", Comparison::at_least, 2, speed, speed * 0.03, speed_verdict,
           "the interval's lower end is compared with the threshold"),
      gate("memory", "memory_ratio", Comparison::at_most, 0.5, memory, 0, verdict(memory <= 0.5),
           "memory is " + fixed(memory, 2) + " of the baseline, asked is at most 0.5"),
      unmeasured_gate("stability", "latency_variation", "the profile prototype runs no soak test")};
  out.passed = accuracy >= 0.952 && speed_verdict == Verdict::pass && memory <= 0.5;
  return out;
}

Plan plan() {
  Plan out;
  out.id = "p1";
  out.choices = {{"llama_cpp",
                  1,
                  0.6,
                  {{"tree.cross_platform.llm", "a language model for a cross-platform target"},
                   {"hardware.other_x86", "first choice of the row other x86"}},
                  "a target with an Intel accelerator would have put openvino first"},
                 {"openvino",
                  2,
                  0.4,
                  {{"coverage", "every framework that can run gets at least one recipe"}},
                  "an Intel CPU (this one says AMD) would have ranked it first"}};
  out.not_tried = {{"mlx", "", "needs Apple hardware to be timed"},
                   {"onnx", "int4", "no worker is installed"},
                   {"openvino", "nncf_int4", "the time budget of 300 s was spent"}};
  out.fallbacks = {"llama_cpp q8_0 when the openvino worker cannot start"};
  return out;
}

Front front(const std::vector<Trial>& trials) {
  return {{{"total_bytes", false}, {"kl_mean", false}, {"speedup", true}},
          {trials[4].id, trials[3].id, trials[2].id, trials[6].id, trials[5].id},
          trials[2].id,
          "fastest artifact that keeps accuracy above 0.95; openvino q8_0 is closer to the "
          "original (KL 0.0033 "
          "against 0.0041) but takes 1.7 times as long per request"};
}

}  // namespace

Report report() {
  Report out;
  out.run_id = "20260115-101200-7f3a";
  out.tool_version = "0.1.0";
  out.started_at = kDate;
  out.finished_at = "2026-01-15T10:17:41Z";
  out.finished_stage = Stage::report;
  Model model;
  model.id = "m-4f1d";
  model.path = "/models/SmolLM2-135M-Instruct";
  model.format = "huggingface";
  model.architecture = "llama";
  model.kind = ModelKind::llm;
  model.parameter_count = 134515008;
  model.weight_bytes = 269030016;
  model.precision = "bf16";
  model.context_length = 8192;
  model.vocabulary_size = 49152;
  out.model = model;
  Target target;
  target.id = "t1";
  target.name = "this machine";
  target.os = "linux";
  target.arch = "x86_64";
  target.platform = "other_x86";
  target.devices = {
      {DeviceKind::cpu, "amd", "AMD EPYC 9B45", {"avx2", "avx512f", "avx512_bf16"}, {}, {}, 2}};
  target.memory_bytes = 25'769'803'776;
  out.target = target;
  Assessment assessment;
  assessment.strategy = "llama_cpp";
  assessment.strategy_reason = "135 M parameters: below 7,000,000,000, so the lightweight route";
  out.assessment = assessment;
  out.plan = plan();
  out.trials = trials();
  out.front = front(out.trials);
  out.gates = {gates(out.trials[2], 0.9968, 2.09, 0.62), gates(out.trials[3], 0.931, 1.05, 0.44),
               gates(out.trials[4], 0.781, 2.54, 0.41), gates(out.trials[5], 0.9991, 0.82, 1.55),
               gates(out.trials[6], 0.9974, 1.21, 1.12, true)};
  out.milestones = milestones(out);
  out.warnings = {
      "the demo model's weights lie on a 4-bit grid: q4_1 and its like would look better than they "
      "are"};
  return out;
}

Report tensor_report() {
  Report out = report();
  out.model->kind = ModelKind::vision;
  out.model->architecture = "resnet";
  out.model->inputs = {{"pixel_values", "f32", {-1, 3, 224, 224}}};
  out.model->outputs = {{"logits", "f32", {-1, 1000}}};
  out.front->why = "the fastest of those that pass";
  out.request = "20 inferences of pixel_values f32 [1, 3, 224, 224]";
  for (Trial& trial : out.trials) {
    if (!trial.measurement) continue;
    for (Metric& metric : trial.measurement->metrics) {
      if (metric.metric == "kl_mean") metric.metric = "noise_ratio", metric.unit = "ratio";
      if (metric.metric == "time_to_first_token") metric.metric = "inference_time_p50";
      if (metric.metric == "inter_token_latency_p50") {
        metric = {.metric = "throughput",
                  .unit = "samples/s",
                  .context = {.batch = 8},
                  .value = 312,
                  .samples = 5};
      }
    }
    std::erase_if(trial.measurement->metrics, [](const Metric& metric) {
      return metric.metric.starts_with("inter_token") || metric.context.position_begin;
    });
  }
  const Metric near{.metric = "noise_ratio", .unit = "ratio", .value = 0.012, .samples = 4};
  const Metric far{.metric = "noise_ratio", .unit = "ratio", .value = 1.5, .samples = 4};
  out.matrix = {
      {out.trials[2].id, "llama_cpp", {}, near, Verdict::pass, ""},
      {out.trials[2].id, "openvino", {}, far, Verdict::fail, ""},
      {out.trials[3].id, "llama_cpp", {}, near, Verdict::pass, ""},
      {out.trials[3].id, "openvino", {}, {}, Verdict::not_measured, "does not open gguf"}};
  return out;
}

Report hostile_report() {
  Report out = report();
  const std::string attack =
      "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\x9b\xff\u202e";
  out.model->path = "/models/" + attack;
  out.model->architecture = attack;
  out.target->name = attack;
  out.front->why = attack;
  out.warnings.push_back(attack);
  for (Trial& trial : out.trials) {
    trial.recipe.name += attack;
    trial.reason += attack;
  }
  for (GateReport& gates : out.gates) gates.gates.front().reason = attack;
  return out;
}

RawSamples raw_samples() {
  RawSamples samples;
  for (const Trial& trial : report().trials) {
    const Metric* median = overall(trial, "inter_token_latency_p50");
    if (!median || trial.status != TrialStatus::ok) continue;
    std::vector<double>& times = samples.inter_token_ms[trial.id];
    for (int i = 0; i < 1260; ++i) {
      const double wave = std::sin(i * 0.7) + std::sin(i * 1.9);
      const double hiccup = i % 97 == 0 ? 0.4 + 0.01 * (i % 31) : 0;
      times.push_back(median->value * (1 + 0.03 * wave + hiccup));
    }
  }
  return samples;
}

Report empty_report() {
  Report out;
  out.run_id = "r0";
  out.tool_version = "0.1.0";
  out.finished_stage = Stage::plan;
  return out;
}

}  // namespace strop::sample
