#include "plan/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/files.h"
#include "plan/candidates.h"
#include "plan/ranking.h"

using namespace strop;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(STROP_SOURCE_DIR) / "share/plan";

const Rules& rules() {
  static const Rules loaded = *load_rules(kFolder);
  return loaded;
}

Recipe recipe(const std::string& backend, const std::string& name, double bits,
              bool lossless = false) {
  return {.name = name,
          .backend = backend,
          .steps = {{"convert", Operation::quantize, {{"type", name}}}},
          .bits_per_weight = bits,
          .lossless = lossless};
}

BackendFit fit(const std::string& backend, std::vector<Recipe> recipes) {
  BackendFit made{.backend = backend, .version = "1", .fit = {.supported = true, .score = 0.5}};
  made.space.recipes = std::move(recipes);
  made.space.run_presets = {{"default", {}, ""}, {"flash_off", {{"flash_attention", "off"}}, ""}};
  return made;
}

BackendFit llama_cpp() {
  const auto r = [](const char* name, double bits, bool lossless = false) {
    return recipe("llama_cpp", name, bits, lossless);
  };
  return fit("llama_cpp", {r("f32", 32, true), r("bf16", 16, true), r("q8_0", 8.5), r("q6_k", 8.2),
                           r("q5_k_m", 6.7), r("q4_k_m", 6.3), r("iq4_nl", 4.5), r("q4_0", 4.5),
                           r("q4_1", 5), r("q5_0", 5.5), r("q3_k_m", 5.6)});
}

BackendFit openvino() {
  return fit("openvino", {recipe("openvino", "f16", 16, true), recipe("openvino", "int8", 8.5),
                          recipe("openvino", "int4", 4.5)});
}

struct Case {
  Goal goal;
  Model model{.id = "m",
              .kind = ModelKind::llm,
              .parameter_count = 134'515'008,
              .weight_bytes = 269'000'000,
              .precision = "bf16"};
  Target target{.id = "t",
                .platform = "intel",
                .devices = {{.kind = DeviceKind::cpu, .cores = 2}},
                .memory_bytes = 8ull << 30};
  Assessment assessment{.strategy = "intel",
                        .fits = {llama_cpp(), openvino(), {.backend = "convert"}}};

  Result<Plan> plan() const { return make_plan(goal, model, target, assessment, rules()); }
};

std::vector<std::string> names(const Plan& plan, Role role) {
  std::vector<std::string> found;
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.role == role) found.push_back(trial.recipe.backend + " " + trial.recipe.name);
  }
  return found;
}

std::vector<std::string> order(const Plan& plan) {
  std::vector<std::string> backends;
  for (const Choice& choice : plan.choices) backends.push_back(choice.backend);
  return backends;
}

bool has_reason(const Choice& choice, const std::string& rule) {
  return std::any_of(choice.reasons.begin(), choice.reasons.end(),
                     [&](const Reason& reason) { return reason.rule == rule; });
}

std::vector<std::string> backends_of(std::size_t table, const Facts& facts) {
  const Preference* row = first_that_holds(rules().authority[table], facts);
  return row ? row->backends : std::vector<std::string>{};
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the decision tree is the specification's") {
  CHECK(backends_of(0, {.platform = "apple", .kind = "llm"}) == Names{"mlx"});
  CHECK(backends_of(0, {.platform = "intel", .kind = "llm"}) == Names{"openvino"});
  CHECK(backends_of(0, {.platform = "nvidia", .kind = "llm", .use_case = "enterprise"}) ==
        Names{"onnxruntime"});
  CHECK(backends_of(0, {.platform = "arm_mobile", .kind = "llm"}) == Names{"llama_cpp"});
  CHECK(backends_of(0, {.platform = "other_x86", .kind = "multimodal"}) ==
        Names{"openvino", "onnxruntime"});
}

TEST_CASE("the strategy rule is the specification's") {
  CHECK(backends_of(1, {.strategy = "apple"}) == Names{"mlx"});
  CHECK(backends_of(1, {.strategy = "intel"}) == Names{"openvino"});
  CHECK(backends_of(1, {.strategy = "enterprise"}) == Names{"onnxruntime"});
  CHECK(backends_of(1, {.strategy = "lightweight"}) == Names{"llama_cpp"});
}

TEST_CASE("the hardware platform matrix is the specification's") {
  CHECK(backends_of(2, {.platform = "intel"}) == Names{"openvino", "onnxruntime"});
  CHECK(backends_of(2, {.platform = "nvidia"}) == Names{"onnxruntime", "openvino"});
  CHECK(backends_of(2, {.platform = "apple"}) == Names{"mlx", "llama_cpp"});
  CHECK(backends_of(2, {.platform = "arm_mobile"}) == Names{"llama_cpp", "openvino"});
  CHECK(backends_of(2, {.platform = "edge_tpu"}) == Names{"openvino", "onnxruntime"});
  CHECK(backends_of(2, {.platform = "embedded_arm"}) == Names{"llama_cpp", "openvino"});
  CHECK(backends_of(2, {.platform = "other_x86"}) == Names{"llama_cpp", "onnxruntime"});
}

TEST_CASE("the workflow preference is the specification's") {
  CHECK(backends_of(4, {.profile = "prototype"}) ==
        Names{"llama_cpp", "mlx", "onnxruntime", "openvino"});
  CHECK(backends_of(4, {.profile = "production"}) ==
        Names{"onnxruntime", "openvino", "mlx", "llama_cpp"});
}

TEST_CASE("every rule has an id of its own and a reason") {
  std::set<std::string> ids;
  for (const PreferenceTable& table : rules().authority) {
    for (const Preference& row : table.rows) {
      CHECK_MESSAGE(ids.insert(row.id).second, row.id);
      CHECK_MESSAGE(!row.reason.empty(), row.id);
      CHECK_MESSAGE(!row.backends.empty(), row.id);
    }
  }
}

TEST_CASE("a rule file with an unknown field is refused by file and field") {
  const auto folder = std::filesystem::path(STROP_BUILD_DIR) / "tests/plan_rules";
  std::filesystem::remove_all(folder);
  std::filesystem::copy(kFolder, folder);
  REQUIRE(write_whole(
      folder / "tree.json",
      R"({"rows": [{"id": "x", "when": {"planet": ["mars"]}, "backends": [], "reason": ""}]})"));
  const auto refused = load_rules(folder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::corrupt);
  CHECK(refused.error().message == "[rules] tree.json.rows[0].when.planet is no known field.");
}

TEST_CASE("Intel comes first by the tree, and says so") {
  const Plan plan = *Case().plan();
  CHECK(order(plan) == Names{"openvino", "llama_cpp"});
  CHECK(plan.choices[0].rank == 1);
  CHECK(has_reason(plan.choices[0], "tree.intel"));
  CHECK(has_reason(plan.choices[1], "workflow.prototype"));
  CHECK(plan.choices[1].would_change.find(
            "OpenVINO is above it by tree.intel; tree.language would turn that round") == 0);
  CHECK(plan.choices[0].budget_share + plan.choices[1].budget_share == doctest::Approx(1));
}

TEST_CASE("the user's own order is above the tree") {
  Case c;
  c.goal.frameworks = {"llama_cpp", "openvino"};
  const Plan plan = *c.plan();
  CHECK(order(plan) == Names{"llama_cpp", "openvino"});
  CHECK(has_reason(plan.choices[0], "user.framework"));
}

TEST_CASE("a framework that the user leaves out is not tried, but stays the reference") {
  Case c;
  c.goal.frameworks = {"openvino"};
  const Plan plan = *c.plan();
  CHECK(order(plan) == Names{"openvino"});
  CHECK(names(plan, Role::baseline) == Names{"llama_cpp bf16"});
  CHECK(names(plan, Role::candidate) == Names{"openvino int8", "openvino int4", "openvino f16"});
  CHECK(plan.not_tried[0].backend == "llama_cpp");
}

TEST_CASE("an unknown framework is refused with the known ones") {
  Case c;
  c.goal.frameworks = {"tensorflow"};
  const auto refused = c.plan();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_input);
  CHECK(refused.error().message ==
        "[plan] --framework must be one of llama_cpp, onnxruntime, openvino, mlx, but got "
        "\"tensorflow\".");
}

TEST_CASE(
    "baseline and quality reference run on the reference engine's defaults, the original once more "
    "with all") {
  const Plan plan = *Case().plan();
  REQUIRE(plan.trials.size() > 4);
  CHECK(names(plan, Role::baseline) == Names{"llama_cpp bf16"});
  CHECK(names(plan, Role::quality_reference) == Names{"llama_cpp f32"});
  CHECK(plan.trials[0].run_presets.size() == 1);
  CHECK(plan.trials[1].run_presets.size() == 1);
  // Behind the most useful recipe of each framework, which is all that a small budget pays for.
  CHECK(plan.trials[4].recipe.id == plan.trials[0].recipe.id);
  CHECK(plan.trials[4].role == Role::candidate);
  CHECK(plan.trials[4].run_presets.size() == 2);
}

TEST_CASE("candidates go from 8 bits to 4 to between, over all frameworks") {
  const Plan plan = *Case().plan();
  CHECK(names(plan, Role::candidate) == Names{"openvino int8", "llama_cpp q8_0", "llama_cpp bf16",
                                              "openvino int4", "llama_cpp iq4_nl",
                                              "llama_cpp q5_k_m", "openvino f16"});
  CHECK(plan.not_tried.size() == 6);
}

TEST_CASE("a tiny model has many candidates within seconds, a large one still one per framework") {
  Case c;
  c.model.parameter_count = 1'000'000;
  c.goal.budget.wall_seconds = 20;
  CHECK(names(*c.plan(), Role::candidate).size() >= 6);
  c.model.parameter_count = 3'000'000'000;
  const auto few = names(*c.plan(), Role::candidate);
  CHECK(few.size() == 3);
  CHECK(std::count_if(few.begin(), few.end(),
                      [](const std::string& name) { return name.starts_with("openvino"); }) >= 1);
  c.goal.budget.trials = 1;
  CHECK(names(*c.plan(), Role::candidate).size() == 1);
}

TEST_CASE("a size limit leaves out what cannot meet it, with the reason") {
  Case c;
  c.goal.limits.size_bytes = 100ull << 20;
  const Plan plan = *c.plan();
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.role == Role::candidate) CHECK(trial.recipe.bits_per_weight < 7);
  }
  const auto left_out = std::find_if(plan.not_tried.begin(), plan.not_tried.end(),
                                     [](const NotTried& item) { return item.recipe == "q8_0"; });
  REQUIRE(left_out != plan.not_tried.end());
  CHECK(left_out->reason ==
        "its weights alone take about 129.5 MiB, more than the size limit of 100.0 MiB");
}

TEST_CASE("a limit that no recipe can meet is refused") {
  Case c;
  c.goal.limits.memory_bytes = 50ull << 20;
  const auto refused = c.plan();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_input);
  CHECK(
      refused.error().message ==
      "[plan] memory limit 50.0 MiB is below the 68.6 MiB of the smallest recipe (openvino int4).");
  CHECK(refused.error().hint == "Raise --max-memory or take a smaller model.");
}

TEST_CASE("a recipe on the source's grid is marked") {
  Case c;
  c.model.source_grid = "q4_1";
  for (Recipe& offered : c.assessment.fits[0].space.recipes) {
    if (offered.name == "q8_0") offered.source_grid = "q4_1";
  }
  const Plan plan = *c.plan();
  const auto found =
      std::find_if(plan.trials.begin(), plan.trials.end(),
                   [](const PlannedTrial& trial) { return trial.recipe.name == "q8_0"; });
  REQUIRE(found != plan.trials.end());
  CHECK(found->recipe.note.find("source grid") != std::string::npos);
}

TEST_CASE("no recipe of a framework is twice a candidate, and every id is set") {
  Case c;
  c.assessment.fits[1].space.recipes.push_back(recipe("openvino", "int8", 8.5));
  c.goal.budget.wall_seconds = 3000;
  std::set<std::string> ids;
  const Plan plan = *c.plan();
  for (const PlannedTrial& trial : plan.trials) {
    CHECK(trial.recipe.id.size() == 64);
    if (trial.role == Role::candidate) CHECK(ids.insert(trial.recipe.id).second);
  }
}

TEST_CASE("without a framework that can run there is no plan but the reasons") {
  Case c;
  c.assessment.fits = {
      {.backend = "openvino", .fit = {.supported = false, .reasons = {"no such operation"}}}};
  const auto refused = c.plan();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::unsupported);
  CHECK(refused.error().message ==
        "[plan] no framework can run this model here (openvino: no such operation).");
}

TEST_CASE("the reference engine may be missing") {
  Case c;
  c.assessment.fits = {openvino()};
  const Plan plan = *c.plan();
  CHECK(names(plan, Role::baseline) == Names{"openvino f16"});
  CHECK(names(plan, Role::quality_reference) == Names{"openvino f16"});
  CHECK_FALSE(plan.fallbacks.empty());
}

TEST_CASE("the same values give the same plan, other goals another") {
  Case c;
  CHECK(*c.plan() == *c.plan());
  Case other;
  other.goal.budget.trials = 2;
  CHECK(c.plan()->id != other.plan()->id);
}

TEST_CASE("the rank does not depend on the order in which workers answered") {
  Case c;
  Case turned;
  std::reverse(turned.assessment.fits.begin(), turned.assessment.fits.end());
  CHECK(c.plan()->choices == turned.plan()->choices);
}

TEST_CASE("recipes of a worker that is missing are not tried, and say what would enable them") {
  Case c;
  c.goal.budget.wall_seconds = 600;
  Recipe compressed = recipe("openvino", "compressed", 4.25);
  compressed.steps.push_back({.worker = "absent", .op = Operation::quantize, .params = {}});
  c.assessment.fits[1].space.recipes.push_back(compressed);
  const auto tried = names(*c.plan(), Role::candidate);
  CHECK(std::find(tried.begin(), tried.end(), "openvino compressed") != tried.end());

  const Plan plan = *make_plan(c.goal, c.model, c.target, c.assessment, rules(),
                               {{"absent", "absent is not installed; install it"}});
  const auto left = names(plan, Role::candidate);
  CHECK(std::find(left.begin(), left.end(), "openvino compressed") == left.end());
  CHECK(std::count(plan.not_tried.begin(), plan.not_tried.end(),
                   NotTried{"openvino", "compressed", "absent is not installed; install it"}) == 1);
}

TEST_CASE("recipes that learn from samples are not tried where there are none") {
  Case c;
  c.goal.budget.wall_seconds = 600;
  Recipe calibrated = recipe("openvino", "calibrated", 8);
  calibrated.steps.push_back(
      {.worker = "openvino", .op = Operation::quantize, .params = {{"calibration", "128"}}});
  c.assessment.fits[1].space.recipes.push_back(calibrated);
  const auto tried = names(*c.plan(), Role::candidate);
  CHECK(std::find(tried.begin(), tried.end(), "openvino calibrated") != tried.end());

  const Plan plan =
      *make_plan(c.goal, c.model, c.target, c.assessment, rules(), {}, "needs --data");
  const auto left = names(plan, Role::candidate);
  CHECK(std::find(left.begin(), left.end(), "openvino calibrated") == left.end());
  CHECK(std::count(plan.not_tried.begin(), plan.not_tried.end(),
                   NotTried{"openvino", "calibrated", "needs --data"}) == 1);
}
