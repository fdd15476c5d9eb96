// MLX's own forward pass against the fp32 reference on the same weights, dequantised, and the laws
// of a decoder session.
#include <algorithm>

#include "conformance/decoder_laws.h"
#include "folders.h"

namespace {

using namespace strop;
using namespace strop::mlx::test;

constexpr double kClose = 2e-3;  // two orders of summation in f32

const Artifact& small() {
  static const Artifact artifact = quantised(small_model(), {{"bits", "4"}}, "small");
  return artifact;
}

void check_against_reference(const std::map<std::string, std::string>& params,
                             const std::string& name) {
  CAPTURE(name);
  const auto artifact = quantised(small_model(), params, name);
  const auto ids = prompt(100, 128);
  const auto session = opened(artifact);
  const double difference = largest_difference(
      evaluated(*session, 0, ids), reference_rows(dequantised(artifact, name + "-gguf"), ids));
  MESSAGE(name << ": largest difference of a logit " << difference);
  CHECK(difference < kClose);
}

}  // namespace

TEST_CASE("every grid gives the reference's logits on the dequantised weights") {
  for (const auto* bits : {"2", "3", "4", "5", "6", "8"})
    check_against_reference({{"bits", bits}}, str("small-int", bits));
  check_against_reference({{"bits", "4"}, {"group_size", "32"}}, "small-g32");
  check_against_reference({{"bits", "3"}, {"group_size", "128"}}, "small-g128");
  check_against_reference({{"bits", "2"}, {"sensitive_bits", "6"}}, "small-sensitive");
  check_against_reference({{"type", "bf16"}}, "small-bf16");
  check_against_reference({{"modules", "*.v_proj=8/32,*.layers.1.*=6/64,lm_head=whole"}},
                          "small-mixed");
}

TEST_CASE("the demo model: 64 tokens against the reference on the dequantised weights") {
  const auto artifact = quantised(demo(), {{"bits", "4"}}, "demo-int4");
  const auto ids = prompt(64, 49152);
  const auto session = opened(artifact);
  const auto rows = evaluated(*session, 0, ids);
  const double difference =
      largest_difference(rows, reference_rows(dequantised(artifact, "demo-gguf"), ids));
  MESSAGE("largest difference of a logit " << difference << ", loaded in "
                                           << session->info().load_seconds << " s");
  CHECK(difference < 1e-2);
}

// What mlx_lm_check.py reads: folders by the way mlx-lm is asked for the same, and what our worker
// makes of some. The name is BITS/GROUP or one of mlx-lm's mixed recipes.
TEST_CASE("folders for mlx-lm") {
  const std::filesystem::path out = STROP_MLX_LM_FOLDER;
  std::filesystem::remove_all(out);
  std::filesystem::create_directories(out);
  auto folders = nlohmann::json::array();
  const auto keep = [&](const Artifact& artifact, const char* original, nlohmann::json how) {
    const std::string name = str(original, "-", folders.size());
    std::filesystem::copy(artifact.folder, out / name, std::filesystem::copy_options::recursive);
    how["folder"] = name;
    how["original"] = original;
    folders.push_back(std::move(how));
  };
  const auto logits = [](const Artifact& artifact, const std::vector<TokenId>& ids) {
    const auto session = opened(artifact);
    return evaluated(*session, 0, ids, {static_cast<std::uint32_t>(ids.size() - 1)}).at(0);
  };

  const auto model = demo();
  for (const auto& recipe : strop::mlx::MlxBackend().space(model, {}).recipes) {
    if (recipe.name != "int4" && recipe.name != "mixed_4_6" && recipe.name != "mixed_3_6") continue;
    const auto artifact = step(model, recipe, 0, "lm-" + recipe.name);
    nlohmann::json how{{"bits", 4}, {"group_size", 64}};
    if (recipe.name != "int4") how["mixed"] = recipe.name;
    if (recipe.name == "int4") {
      const auto ids = prompt(16, 49152);
      how["prompt"] = ids;
      how["logits"] = logits(artifact, ids);
    }
    keep(artifact, "demo", how);
  }

  std::filesystem::copy(small_model().path, out / "small",
                        std::filesystem::copy_options::recursive);
  const auto ids = prompt(16, 128);
  const auto add = [&](std::map<std::string, std::string> params, nlohmann::json how) {
    const auto artifact = quantised(small_model(), params, str("lm-small-", folders.size()));
    how["prompt"] = ids;
    how["logits"] = logits(artifact, ids);
    keep(artifact, "small", how);
  };
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128})
      add({{"bits", str(bits)}, {"group_size", str(group)}},
          {{"bits", bits}, {"group_size", group}});
  }
  for (const auto& [low, high] : {std::pair{2, 6}, {3, 4}, {3, 6}, {4, 6}})
    add({{"bits", str(low)}, {"sensitive_bits", str(high)}},
        {{"bits", 4}, {"group_size", 64}, {"mixed", str("mixed_", low, "_", high)}});
  std::ofstream(out / "expected.json") << folders;
}

TEST_CASE("the laws of a decoder session") {
  const laws::Open open = [](const RunOptions& options) { return opened(small(), options); };
  laws::sequences(open, kClose, 300);  // more than a chunk, and a cache that grows
  laws::generation(open, kClose);
  laws::together(open, kClose);
  laws::refusals(open);
}

TEST_CASE("a copied sequence and its original do not touch each other") {
  const auto session = opened(small());
  const auto ids = prompt(40, 128);
  const auto whole = evaluated(*session, 0, ids, {39});
  REQUIRE(session->decoder()->truncate(0, 20));
  REQUIRE(session->decoder()->fork(0, 3));
  evaluated(*session, 3, prompt(7, 128));
  CHECK(largest_difference(whole, evaluated(*session, 0, std::span(ids).subspan(20), {19})) <
        kClose);
}

TEST_CASE("run options outside their range are refused by name") {
  for (const auto& [name, value] : RunOptions{
           {"threads", "1"}, {"precision_hint", "f8"}, {"context", "513"}, {"context ", "1"}}) {
    const auto session = strop::mlx::MlxBackend().open(small(), {{name, value}}, {});
    REQUIRE_FALSE(session);
    CHECK(session.error().field == name);
  }
  const auto info = opened(small(), {{"precision_hint", "bf16"}})->info();
  CHECK(info.run_options.at("precision_hint") == "bf16");
  CHECK(info.run_options.at("context") == "512");
}

TEST_CASE("a folder that is not what its config.json says never reaches MLX") {
  const auto artifact = quantised(small_model(), {{"bits", "4"}}, "small-broken");
  const auto config = std::filesystem::path(artifact.folder) / "config.json";
  std::ifstream file(config);
  const auto right = nlohmann::json::parse(file);
  for (const auto& [field, value] :
       {std::pair<const char*, nlohmann::json>{"hidden_size", 64},
        {"num_attention_heads", 3},
        {"head_dim", 17},
        {"vocab_size", 127},
        {"intermediate_size", 4096},
        {"num_hidden_layers", 3},
        {"hidden_act", "gelu"},
        {"quantization", {{"bits", 8}, {"group_size", 64}}},
        {"quantization", {{"bits", 7}, {"group_size", 64}}},
        {"quantization", {{"bits", 4}, {"group_size", 64}, {"mode", "mxfp4"}}},
        {"quantization", nullptr}}) {
    CAPTURE(field);
    auto wrong = right;
    wrong[field] = value;
    std::ofstream(config) << wrong.dump();
    const auto session = strop::mlx::MlxBackend().open(artifact, {}, {});
    REQUIRE_FALSE(session);
    CHECK(!session.error().field.empty());
  }
}

TEST_CASE("what is offered, and what is said of a machine without an Apple GPU") {
  const strop::mlx::MlxBackend backend;
  const auto model = demo();
  const auto fit = backend.assess(model, {.local = true, .platform = "intel"});
  CHECK(fit.supported);
  const auto space = backend.space(model, {});
  REQUIRE(!space.recipes.empty());
  CHECK(space.recipes[0].name == "int4");
  CHECK(space.recipes[0].bits_per_weight == 4.5);
  const bool has_gpu = backend.info().devices.at(0).kind == DeviceKind::gpu;
  CHECK(fit.untimed_reason.empty() == has_gpu);
  for (const auto& recipe : space.recipes) {
    CHECK(recipe.stand_in.has_value() != has_gpu);
    CHECK(recipe.source_grid.empty());
  }
  const auto has_wide_groups = [&](const Model& one) {
    const auto recipes = backend.space(one, {}).recipes;
    return std::any_of(recipes.begin(), recipes.end(),
                       [](const Recipe& recipe) { return recipe.name == "int4_g128"; });
  };
  CHECK_FALSE(has_wide_groups(model));
  CHECK(has_wide_groups(small_model()));
  auto other = model;
  other.architecture = "qwen2";
  CHECK_FALSE(backend.assess(other, {}).supported);
  CHECK(backend.space(other, {}).recipes.empty());
}

TEST_CASE("the nominal bits of every recipe are near the true ones") {
  const auto model = demo();
  for (const auto& recipe : strop::mlx::MlxBackend().space(model, {}).recipes) {
    CAPTURE(recipe.name);
    const auto artifact = step(model, recipe, 0, "bits-" + recipe.name);
    const auto made = taken(read_model(artifact.folder));
    CHECK(made.format == "mlx");
    CHECK(made.parameter_count == model.parameter_count);
    const double bits =
        8.0 * static_cast<double>(made.weight_bytes) / static_cast<double>(*made.parameter_count);
    CHECK(recipe.bits_per_weight == doctest::Approx(bits).epsilon(0.01));
    std::filesystem::remove_all(artifact.folder);
  }
}

TEST_CASE("the confined worker gives what the engine gives") {
  const WorkerBackend worker(STROP_MLX_WORKER, {});
  CHECK(worker.info().unavailable_reason.empty());
  const auto session = taken(worker.open(small(), {}, {.dir = scratch()}));
  CHECK(taken(session->session().decoder()->generate(0, prompt(10, 128), 8, {})).ids ==
        taken(opened(small())->decoder()->generate(0, prompt(10, 128), 8, {})).ids);
}
