// Makes what parity.py compares: an artifact of the demo model for each framework, and how our own
// session in that framework goes on after prompts: greedily chosen ids, and how far the best logit
// lies above the second at each of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "core/files.h"
#include "core/json.h"
#include "core/proxy.h"
#include "formats/model_file.h"
#include "support/built.h"

namespace fs = std::filesystem;
using namespace strop;
using namespace strop::test;

namespace {

const fs::path kOut = STROP_PARITY_FOLDER;
constexpr std::uint32_t kNewTokens = 32;
constexpr float kNearTie = 0.01f;  // as in parity.py
constexpr const char* kPrompts[]{
    "The capital of France is", "def fibonacci(n):", "Once upon a time, there was a",
    "The three laws of thermodynamics are", "Q: Why is the sky blue?\nA:"};

// In f32, so that only the order of sums differs between our session and the framework's own.
const RunOptions kExactOpenVino{
    {"precision_hint", "f32"}, {"kv_cache_precision", "f32"}, {"dynamic_quantization_group", "0"}};
const RunOptions kExactLlama{
    {"threads", "1"}, {"kv_cache_type", "f32"}, {"flash_attention", "off"}};

struct Continuation {
  std::vector<TokenId> ids;
  std::vector<float> gaps;
};

std::size_t place_of_best(std::span<const float> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

float gap_of(std::span<const float> row, TokenId id) {
  const float chosen = row[static_cast<std::size_t>(id)];
  float other = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (static_cast<TokenId>(i) != id) other = std::max(other, row[i]);
  }
  return chosen - other;
}

// What the session says of given new ids, all evaluated at once: its own choice at each place,
// given those before, must be the id. A near-tie ends the continuation.
Continuation confirmed(DecoderSession& session, const std::vector<TokenId>& prompt,
                       const std::vector<TokenId>& ids) {
  auto all = prompt;
  all.insert(all.end(), ids.begin(), ids.end() - 1);
  std::vector<std::uint32_t> wanted(ids.size());
  std::iota(wanted.begin(), wanted.end(), static_cast<std::uint32_t>(prompt.size() - 1));
  Continuation confirmed;
  bool apart = false;
  REQUIRE(session.truncate(0, 0));
  const auto done =
      session.evaluate(0, all, wanted, each_row([&](std::size_t index, std::span<const float> row) {
                         const float gap = gap_of(row, ids[index]);
                         if (!apart && place_of_best(row) != static_cast<std::size_t>(ids[index])) {
                           MESSAGE("token " << index << " is not the best by " << -gap);
                           CHECK(-gap < kNearTie);
                           apart = true;
                         }
                         if (apart) return;
                         confirmed.ids.push_back(ids[index]);
                         confirmed.gaps.push_back(gap);
                       }));
  REQUIRE_MESSAGE(done, done.error().message);
  return confirmed;
}

// Token by token, as generate does it: an engine's kernels for one token may round otherwise than
// those for many.
Continuation generated(DecoderSession& session, const std::vector<TokenId>& prompt) {
  REQUIRE(session.truncate(0, 0));
  Continuation stepped;
  std::vector<TokenId> ids = prompt;
  while (stepped.ids.size() < kNewTokens) {
    const std::vector<std::uint32_t> last{static_cast<std::uint32_t>(ids.size() - 1)};
    const auto done =
        session.evaluate(0, ids, last, each_row([&](std::size_t, std::span<const float> row) {
                           const auto best = static_cast<TokenId>(place_of_best(row));
                           stepped.ids.push_back(best);
                           stepped.gaps.push_back(gap_of(row, best));
                         }));
    REQUIRE_MESSAGE(done, done.error().message);
    ids = {stepped.ids.back()};
  }
  REQUIRE(session.truncate(0, 0));
  CHECK(taken(session.generate(0, prompt, kNewTokens, {})).ids == stepped.ids);
  return stepped;
}

std::unique_ptr<WorkerSession> opened(const std::string& worker, const Artifact& artifact,
                                      const RunOptions& options) {
  return taken(
      WorkerBackend(program(worker), {}).open(artifact, options, {.dir = kOut / "scratch"}));
}

// How one artifact goes on, for parity.py.
Json described(const Artifact& artifact, const std::string& name, const SessionInfo& info,
               Tokenizer& tokenizer,
               const std::function<Continuation(const std::vector<TokenId>&)>& continued) {
  Json cases = Json::array();
  for (const char* prompt : kPrompts) {
    const auto ids = taken(tokenizer.encode(prompt, false, false));
    const Continuation own = continued(ids);
    Json texts = Json::array();  // after each new token
    for (std::size_t count = 1; count <= own.ids.size(); ++count)
      texts.push_back(taken(tokenizer.decode(std::span(own.ids).first(count))));
    cases.push_back({{"prompt", prompt},
                     {"prompt_ids", ids},
                     {"ids", own.ids},
                     {"gaps", own.gaps},
                     {"texts", texts}});
  }
  return {{"name", name},
          {"folder", artifact.folder},
          {"entry", artifact.entry},
          {"cpu_variant", info.cpu_variant},
          {"eos", tokenizer.info().eos},
          {"cases", cases}};
}

void write(const std::string& framework, const Json& artifacts) {
  REQUIRE(write_whole(kOut / framework / "expected.json", artifacts.dump()));
}

Model demo() {
  if (!fs::exists(STROP_DEMO_MODEL)) {
    std::cout << "skipped: the demo model is missing (tools/demo-model makes it)" << std::endl;
    std::exit(77);
  }
  fs::create_directories(kOut / "scratch");
  return taken(read_model(STROP_DEMO_MODEL));
}

std::unique_ptr<Tokenizer> tokenizer_of(const Artifact& artifact) {
  return taken(open_tokenizer(program("text"), fs::path(artifact.folder) / "vocab.gguf", {}));
}

bool built(const std::string& worker) {
  if (fs::exists(program(worker))) return true;
  MESSAGE("strop-worker-" << worker << " is not built");
  return false;
}

void make(const std::string& framework, const std::vector<std::string>& recipes,
          const RunOptions& options) {
  if (!built(framework)) return;
  const Model model = demo();
  Json artifacts = Json::array();
  for (const std::string& name : recipes) {
    const auto artifact =
        made(model, recipe_named(framework, model, name), kOut / framework / name);
    const auto session = opened(framework, artifact, options);
    const auto tokenizer = tokenizer_of(artifact);
    artifacts.push_back(described(artifact, name, session->session().info(), *tokenizer,
                                  [&](const std::vector<TokenId>& prompt) {
                                    return generated(*session->session().decoder(), prompt);
                                  }));
  }
  write(framework, artifacts);
}

}  // namespace

TEST_CASE("GGUF files") { make("llama_cpp", {"q8_0", "q4_k_m"}, {{"threads", "1"}}); }

TEST_CASE("OpenVINO IRs") { make("openvino", {"f16", "int8"}, kExactOpenVino); }

TEST_CASE("ONNX folders") { make("onnxruntime", {"f32", "int8", "int4", "int4_asymmetric"}, {}); }

// MLX takes a second for each token on a CPU. The ids come from the same weights, dequantised, in
// llama.cpp; MLX evaluates each text at once and chooses the same.
TEST_CASE("an MLX folder") {
  if (!built("mlx") || !built("llama_cpp")) return;
  const Model model = demo();
  Recipe recipe = recipe_named("mlx", model, "int4");
  const auto artifact = made(model, recipe, kOut / "mlx" / "int4");
  const std::size_t steps = recipe.steps.size();
  REQUIRE(recipe.stand_in);
  recipe.steps.insert(recipe.steps.end(), recipe.stand_in->steps.begin(),
                      recipe.stand_in->steps.end());
  const auto whole = made(as_input(artifact, model), recipe, kOut / "mlx" / "whole", steps);
  const auto stand_in = opened("llama_cpp", whole, kExactLlama);
  const auto session = opened("mlx", artifact, {});
  const auto tokenizer = tokenizer_of(artifact);
  const Json described_one =
      described(artifact, "int4", session->session().info(), *tokenizer,
                [&](const std::vector<TokenId>& prompt) {
                  const auto ids = generated(*stand_in->session().decoder(), prompt).ids;
                  return confirmed(*session->session().decoder(), prompt, ids);
                });
  write("mlx", Json::array({described_one}));
}
