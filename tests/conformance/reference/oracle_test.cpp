// Our own fp32 forward pass, the converter and llama.cpp agree on the demo model: three independent
// readings of the same weights.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "core/proxy.h"
#include "formats/model_file.h"

namespace fs = std::filesystem;
using namespace strop;

namespace {

const std::vector<TokenId> kIds{504, 3575, 282, 4649, 314, 260, 2240, 282, 28, 284, 357, 506};

struct Folder {
  fs::path path = fs::temp_directory_path() / str("strop-oracle-", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

WorkerBackend worker(const std::string& name) {
  return {fs::path(STROP_WORKERS_FOLDER) / ("strop-worker-" + name), {}};
}

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? std::string() : result.error().message;
}

using Rows = std::vector<std::vector<float>>;

Rows rows_of(const std::string& backend, const Artifact& artifact, const RunOptions& options,
             const fs::path& scratch) {
  auto session =
      worker(backend).open(artifact, options, {.dir = scratch, .progress = nullptr, .stop = {}});
  REQUIRE_MESSAGE(session, message_of(session));
  std::vector<std::uint32_t> wanted(kIds.size());
  for (std::uint32_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
  Rows rows;
  const auto done = (*session)->session().decoder()->evaluate(
      0, kIds, wanted, each_row([&](std::size_t, std::span<const float> row) {
        rows.emplace_back(row.begin(), row.end());
      }));
  REQUIRE_MESSAGE(done, message_of(done));
  return rows;
}

// Squared error over squared size.
double normalised_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{a[i]} * a[i];
  }
  return error / size;
}

}  // namespace

TEST_CASE("the oracle and llama.cpp give the same logits in f32") {
  if (!fs::exists(STROP_DEMO_MODEL)) {
    std::cout << "skipped: the demo model is missing (tools/demo-model makes it)" << std::endl;
    std::exit(77);
  }
  const Folder folder;
  fs::create_directories(folder.path / "scratch");
  auto model = read_model(STROP_DEMO_MODEL);
  REQUIRE_MESSAGE(model, message_of(model));
  Recipe recipe{.name = "f32", .backend = "llama_cpp"};
  recipe.steps = {
      {.worker = "convert", .op = Operation::convert, .params = {{"to", "gguf"}, {"type", "f32"}}}};
  auto artifact = worker("convert").build(*model, recipe, 0,
                                          {.dir = folder.path, .progress = nullptr, .stop = {}});
  REQUIRE_MESSAGE(artifact, message_of(artifact));
  artifact->folder = folder.path.string();

  const Rows ours = rows_of("reference", *artifact, {}, folder.path / "scratch");
  const Rows engine = rows_of(
      "llama_cpp", *artifact,
      {{"threads", "1"}, {"kv_cache_type", "f32"}, {"flash_attention", "off"}, {"context", "512"}},
      folder.path / "scratch");
  REQUIRE(ours.size() == kIds.size());
  REQUIRE(engine.size() == kIds.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(normalised_error(ours[i], engine[i]) < 1e-6);
  }
}
