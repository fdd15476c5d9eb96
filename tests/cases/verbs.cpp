#include "cases/verbs.h"

#include "assess/assess.h"
#include "gate/gate.h"
#include "plan/plan.h"
#include "search/pareto.h"
#include "search/recommend.h"

namespace strop::cases {
namespace {

// The part of that name, over the type's defaults.
template <class T>
Result<T> part(const Json& given, const char* name) {
  Json json = encode(T{});
  json.merge_patch(given.value(name, Json::object()));
  return decode<T>(json, name);
}

// {"llama_cpp": {"supported": true, "recipes": {"q8_0": 8.5}, "lossless": {"f32": 32}}}
BackendFit fit_of(const std::string& backend, const Json& given) {
  BackendFit fit{.backend = backend, .version = "1"};
  fit.fit.supported = given.value("supported", true);
  fit.fit.score = given.value("score", 0.5);
  fit.fit.reasons = given.value("reasons", std::vector<std::string>());
  for (const char* kind : {"lossless", "recipes"}) {
    const Json recipes = given.value(kind, Json::object());
    for (const auto& [name, bits] : recipes.items()) {
      Recipe recipe{.name = name,
                    .backend = backend,
                    .bits_per_weight = bits,
                    .lossless = kind == std::string("lossless"),
                    .source_grid = name};
      recipe.steps = {{backend, Operation::quantize, {{"type", name}}}};
      fit.space.recipes.push_back(recipe);
    }
  }
  fit.space.run_presets = {{"default", {}, ""}};
  return fit;
}

struct Question {
  Goal goal;
  Model model;
  Target target;
  Assessment assessment;
};

Result<Question> assessed(const Json& given) {
  Question question;
  STROP_TRY(question.goal, part<Goal>(given, "goal"));
  STROP_TRY(question.model, part<Model>(given, "model"));
  STROP_TRY(question.target, part<Target>(given, "target"));
  std::vector<BackendFit> fits;
  const Json described = given.value("fits", Json::object());
  for (const auto& [backend, fit] : described.items()) fits.push_back(fit_of(backend, fit));
  question.assessment = assess(question.model, question.target, question.goal, fits);
  return question;
}

Result<Json> run_assess(const Json& given, const std::filesystem::path&) {
  STROP_TRY(const Question question, assessed(given));
  return encode(question.assessment);
}

Result<Json> run_plan(const Json& given, const std::filesystem::path& share) {
  STROP_TRY(const Question question, assessed(given));
  STROP_TRY(const Rules rules, load_rules(share / "plan"));
  STROP_TRY(const Plan plan,
            make_plan(question.goal, question.model, question.target, question.assessment, rules));
  Json answer = encode(plan);
  // The order at a glance: "baseline llama_cpp bf16".
  for (const PlannedTrial& trial : plan.trials)
    answer["order"].push_back(
        str(name_of(trial.role), " ", trial.recipe.backend, " ", trial.recipe.name));
  return answer;
}

// A number, or [value, low, high], or the same with "noisy" at the end.
Metric metric_of(const std::string& name, const Json& given) {
  Metric metric;
  metric.metric = name;
  if (given.is_number()) {
    metric.value = given;
    return metric;
  }
  metric.value = given.at(0);
  if (given.size() > 2) metric.interval = Interval{given.at(1), given.at(2)};
  metric.noisy = given.back() == "noisy";
  return metric;
}

// Of [low, high].
std::optional<Control> control_of(const Json& given) {
  if (given.is_null()) return {};
  const double low = given.at(0);
  const double high = given.at(1);
  return Control{.metric = "request_time",
                 .ratio = (low + high) / 2,
                 .interval = {low, high},
                 .pairs = 20,
                 .contains_one = low <= 1 && 1 <= high};
}

// {"bytes": 100, "metrics": {"accuracy": 0.99}, "source_grid": "q4_1"}
Trial trial_of(const std::string& id, const Json& given) {
  Trial trial{.id = id, .role = id == "baseline" ? Role::baseline : Role::candidate};
  trial.recipe = {.name = id, .backend = "engine", .source_grid = given.value("source_grid", "")};
  trial.status = TrialStatus::ok;
  trial.artifact = Artifact{.id = id, .total_bytes = given.value("bytes", std::uint64_t{100})};
  trial.measurement = Measurement{};
  const Json metrics = given.value("metrics", Json::object());
  for (const auto& [name, value] : metrics.items())
    trial.measurement->metrics.push_back(metric_of(name, value));
  return trial;
}

Result<GateReport> judged(const Json& given, const Trial& candidate,
                          const std::filesystem::path& share) {
  STROP_TRY(const Goal goal, part<Goal>(given, "goal"));
  STROP_TRY(const GateRules rules, load_gate_rules(share / "plan/gates.json"));
  const Trial baseline = trial_of("baseline", given.at("trials").at("baseline"));
  Trial controlled = candidate;
  controlled.measurement->control = control_of(given.value("control", Json()));
  return judge(goal, controlled, baseline, rules);
}

Result<Json> run_gate(const Json& given, const std::filesystem::path& share) {
  const Trial candidate = trial_of("candidate", given.at("trials").at("candidate"));
  STROP_TRY(const GateReport report, judged(given, candidate, share));
  Json answer{{"passed", report.passed}, {"gates", Json::object()}};
  for (const Gate& gate : report.gates) answer["gates"][gate.name] = encode(gate);
  return answer;
}

Result<Json> run_recommend(const Json& given, const std::filesystem::path& share) {
  STROP_TRY(const Goal goal, part<Goal>(given, "goal"));
  STROP_TRY(const Model model, part<Model>(given, "model"));
  std::vector<Trial> trials;
  std::vector<GateReport> gates;
  for (const auto& [id, description] : given.at("trials").items()) {
    trials.push_back(trial_of(id, description));
    if (trials.back().role == Role::baseline) continue;
    STROP_TRY(GateReport report, judged(given, trials.back(), share));
    gates.push_back(std::move(report));
  }
  return encode(recommend(pareto_front(trials, model), trials, gates, goal, model));
}

}  // namespace

Result<Json> run(const std::string& verb, const Json& given, const std::filesystem::path& share) {
  if (verb == "assess") return run_assess(given, share);
  if (verb == "plan") return run_plan(given, share);
  if (verb == "gate") return run_gate(given, share);
  if (verb == "recommend") return run_recommend(given, share);
  return Error{.code = ErrorCode::invalid_input, .message = str("[cases] no verb ", verb, ".")};
}

}  // namespace strop::cases
