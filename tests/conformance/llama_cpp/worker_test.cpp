// The worker program, confined and behind the protocol, gives what the engine gives.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "core/proxy.h"

namespace {

// Why it failed; doctest wants the words even when nothing did.
template <class T>
std::string message_of(const strop::Result<T>& result) {
  return result ? std::string() : result.error().message;
}

using namespace strop;

const std::filesystem::path kModel = STROP_DEMO_GGUF;

std::unique_ptr<WorkerSession> opened(RunOptions options) {
  if (!std::filesystem::exists(kModel)) {
    std::cout << "skipped: the demo model is missing (tools/setup fetches it)" << std::endl;
    std::exit(77);
  }
  options.insert({{"context", "512"}, {"threads", "1"}});
  const WorkerBackend backend(STROP_LLAMA_WORKER, {});
  const Artifact artifact{.backend = "llama_cpp",
                          .format = "gguf",
                          .folder = kModel.parent_path(),
                          .entry = kModel.filename()};
  auto session = backend.open(artifact, options, {.dir = std::filesystem::temp_directory_path()});
  REQUIRE_MESSAGE(session, message_of(session));
  return *std::move(session);
}

std::vector<TokenId> generated(const RunOptions& options) {
  const auto session = opened(options);
  const std::vector<TokenId> ids{1, 4093, 198, 504, 3575, 282, 4649, 314};
  const auto generation = session->session().decoder()->generate(0, ids, 12, {});
  REQUIRE_MESSAGE(generation, message_of(generation));
  return generation->ids;
}

}  // namespace

TEST_CASE("the worker says what it is") {
  const auto info = WorkerBackend(STROP_LLAMA_WORKER, {}).info();
  CHECK(info.name == "llama_cpp");
  CHECK(info.unavailable_reason.empty());
  CHECK_FALSE(info.version.empty());
  REQUIRE(info.devices.size() == 1);
  CHECK_FALSE(info.devices[0].features.empty());
}

TEST_CASE("two CPU variants write the same text") {
  const WorkerBackend backend(STROP_LLAMA_WORKER, {});
  const Model model{
      .format = "gguf", .architecture = "llama", .kind = ModelKind::llm, .precision = "q4_1"};
  const auto fit = backend.fit(model, Target{});
  REQUIRE_MESSAGE(fit, message_of(fit));
  for (const auto& knob : fit->space.run_knobs) {
    if (knob.name != "cpu_variant" || knob.values.size() < 2) continue;
    CHECK(generated({{"cpu_variant", knob.values[0]}}) ==
          generated({{"cpu_variant", knob.values[1]}}));
  }
}

TEST_CASE("rows of logits arrive through the shared block") {
  const auto session = opened({});
  auto* decoder = session->session().decoder();
  const std::vector<TokenId> ids(300, 504);
  std::vector<std::uint32_t> wanted(ids.size());
  for (std::uint32_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
  std::size_t rows = 0;
  const auto done = decoder->evaluate(0, ids, wanted,
                                      each_row([&](std::size_t index, std::span<const float> row) {
                                        CHECK(index == rows++);
                                        CHECK(row.size() == 49152);
                                      }));
  REQUIRE_MESSAGE(done, message_of(done));
  CHECK(rows == ids.size());
}
