// The proxy against a worker that misbehaves: each fault is an Error with its cause, and nothing
// else happens.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "core/lock.h"
#include "core/proxy.h"

namespace fs = std::filesystem;
using namespace strop;
using namespace std::chrono_literals;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / str("strop-worker-test-", ::getpid());
  Folder() { fs::create_directories(path / "work"); }
  ~Folder() { fs::remove_all(path); }
};

WorkerBackend fault_worker(WorkerPolicy policy = {.memory_limit_bytes = {}, .patience = 3s}) {
  return {STROP_FAULT_WORKER, policy};
}

Result<Artifact> build(const std::string& fault, const Folder& folder,
                       WorkerPolicy policy = {.memory_limit_bytes = {}, .patience = 3s},
                       Progress* progress = nullptr, std::stop_token stop = {}) {
  Recipe recipe{.name = fault, .backend = "fault"};
  recipe.steps = {{.worker = "fault", .op = Operation::convert, .params = {}}};
  Model model;
  model.path = folder.path.string();
  return fault_worker(policy).build(
      model, recipe, 0, {.dir = folder.path / "work", .progress = progress, .stop = stop});
}

Result<std::unique_ptr<WorkerSession>> open(const std::string& fault, const Folder& folder) {
  Artifact artifact;
  artifact.folder = folder.path.string();
  artifact.entry = "fault.txt";
  return fault_worker().open(artifact, {{"fault", fault}},
                             {.dir = folder.path / "work", .progress = nullptr, .stop = {}});
}

struct FaultCase {
  const char* fault;
  ErrorCode code;
  const char* words;  // that the message must hold
};

}  // namespace

TEST_CASE("each fault of a worker is told apart and carries its last words") {
  const Folder folder;
  for (const FaultCase& expected :
       {FaultCase{"crash", ErrorCode::crashed, "about to dereference null"},
        FaultCase{"abort", ErrorCode::crashed, "GGML_ASSERT"},
        FaultCase{"exit", ErrorCode::crashed, "exit code 7"},
        FaultCase{"throw", ErrorCode::backend, "an exception of the engine"},
        FaultCase{"hang", ErrorCode::timeout, "did not answer 'build'"},
        FaultCase{"spin", ErrorCode::timeout, "did not answer 'build'"},
        FaultCase{"flood_output", ErrorCode::crashed, "of a flood"},
        FaultCase{"garbage", ErrorCode::corrupt, "broke the protocol"},
        FaultCase{"huge_message", ErrorCode::corrupt, "at most"},
        FaultCase{"wrong_id", ErrorCode::corrupt, "not an answer"},
        FaultCase{"truncated_message", ErrorCode::crashed, "left without an answer"}}) {
    CAPTURE(expected.fault);
    const auto result = build(expected.fault, folder);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == expected.code);
    CAPTURE(result.error().message);
    CHECK(result.error().message.find(expected.words) != std::string::npos);
  }
}

TEST_CASE("a worker over its memory limit is ended and named so") {
  const Folder folder;
  const auto result = build("leak", folder, {.memory_limit_bytes = 256u << 20, .patience = 20s});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::out_of_memory);
  CHECK(result.error().message.find("256 MiB") != std::string::npos);
}

TEST_CASE("a message flood does not stop the answer") {
  const Folder folder;
  CHECK(build("flood_messages", folder, {.memory_limit_bytes = {}, .patience = 60s}));
}

TEST_CASE("cancelling ends a build that listens and one that does not") {
  const Folder folder;
  for (const char* fault : {"wait_for_stop", "hang"}) {
    CAPTURE(fault);
    std::stop_source source;
    std::jthread later([&] {
      std::this_thread::sleep_for(100ms);
      source.request_stop();
    });
    const auto result = build(fault, folder, {.memory_limit_bytes = {}, .patience = 60s}, nullptr,
                              source.get_token());
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::cancelled);
  }
}

TEST_CASE("progress arrives in order") {
  const Folder folder;
  struct Recorder : Progress {
    std::vector<double> seen;
    void report(double fraction, std::string_view) override { seen.push_back(fraction); }
  } recorder;
  REQUIRE(build("progress", folder, {.memory_limit_bytes = {}, .patience = 3s}, &recorder));
  CHECK(recorder.seen.size() == 10);
  CHECK(std::is_sorted(recorder.seen.begin(), recorder.seen.end()));
}

TEST_CASE("sessions that lie are refused") {
  const Folder folder;
  const std::vector<TokenId> ids{1, 2, 3, 4};
  const std::vector<std::uint32_t> wanted{0, 1, 2, 3};
  const auto ignore = [](const LogitRows&) { return Result<void>{}; };
  {
    auto session = open("too_few_rows", folder);
    REQUIRE(session);
    const auto result = (*session)->session().decoder()->evaluate(0, ids, wanted, ignore);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::corrupt);
  }
  for (const char* fault :
       {"foreign_ids", "time_backwards", "no_time", "time_stands", "long_time"}) {
    CAPTURE(fault);
    auto session = open(fault, folder);
    REQUIRE(session);
    const auto result = (*session)->session().decoder()->generate(0, ids, 4, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("a session whose worker died answers with the same error again") {
  const Folder folder;
  auto session = open("generate:crash", folder);
  REQUIRE(session);
  for (int i = 0; i < 2; ++i) {
    const auto result =
        (*session)->session().decoder()->generate(0, std::vector<TokenId>{1}, 2, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::crashed);
  }
}

TEST_CASE("rows cross the shared block unchanged, in calls that fit it") {
  const Folder folder;
  auto session = open("", folder);
  REQUIRE(session);
  std::vector<TokenId> ids(9000);
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<TokenId>(i % 64);
    if (i % 3 == 0) wanted.push_back(i);
  }
  std::size_t next = 0;
  bool right = true;
  REQUIRE((*session)->session().decoder()->evaluate(
      0, ids, wanted, each_row([&](std::size_t index, std::span<const float> row) {
        right = right && index == next++ && row.size() == 64 &&
                row[5] == static_cast<float>((35 + ids[wanted[index]]) % 13);
      })));
  CHECK(right);
  CHECK(next == wanted.size());
}

TEST_CASE("a row that is shared is looked at in a copy") {
  std::vector<float> values{1, 2, 3, 4}, room;
  LogitRows rows{.first = 0, .width = 2, .values = values};
  CHECK(rows.row(1, room).data() == values.data() + 2);
  rows.shared = true;
  const auto row = rows.row(1, room);
  values[3] = 9;
  CHECK(std::vector<float>(row.begin(), row.end()) == std::vector<float>{3, 4});
}

TEST_CASE("what the sink fails with ends the call") {
  const Folder folder;
  auto session = open("", folder);
  REQUIRE(session);
  const std::vector<TokenId> ids(9000, 1);
  std::vector<std::uint32_t> wanted(ids.size());
  std::iota(wanted.begin(), wanted.end(), 0u);
  const Error full{ErrorCode::no_space, "full"};
  std::size_t calls = 0;
  const auto ended = (*session)->session().decoder()->evaluate(
      0, ids, wanted,
      [&](const LogitRows&) { return ++calls < 3 ? Result<void>{} : Result<void>{full}; });
  REQUIRE_FALSE(ended);
  CHECK(ended.error() == full);
  CHECK(calls == 3);
}

TEST_CASE("tensors cross the shared block in both directions") {
  const Folder folder;
  auto session = open("tensors", folder);
  REQUIRE(session);
  Tensor input{.name = "x", .type = ElementType::f32, .shape = {2, 3}, .data = {}};
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  input.data.resize(values.size() * sizeof(float));
  std::memcpy(input.data.data(), values.data(), input.data.size());
  const auto inference = (*session)->session().tensors()->infer(std::vector<Tensor>{input});
  REQUIRE(inference);
  const auto& outputs = inference->outputs;
  REQUIRE(outputs.size() == 1);
  std::vector<float> doubled(6);
  std::memcpy(doubled.data(), outputs[0].data.data(), outputs[0].data.size());
  CHECK(doubled == std::vector<float>{2, 4, 6, 8, 10, 12});
  CHECK(inference->seconds == 1e-6);  // the worker's clock, not the time that the answer took
}

TEST_CASE("an inference that took no time, or longer than its call, is a broken protocol") {
  const Folder folder;
  for (const char* fault : {"tensors_in_no_time", "tensors_at_once", "tensors_too_long"}) {
    CAPTURE(fault);
    auto session = open(fault, folder);
    REQUIRE(session);
    const auto inference = (*session)->session().tensors()->infer({});
    REQUIRE_FALSE(inference);
    CHECK(inference.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("what a worker started does not outlive it") {
  const Folder folder;
  const auto result = build("orphan", folder);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::crashed);
  bool gone = false;
  for (int i = 0; i < 100 && !gone; ++i) {
    gone = static_cast<bool>(Lock::try_acquire(folder.path / "work" / "alive", "the child"));
    if (!gone) std::this_thread::sleep_for(20ms);
  }
  CHECK(gone);
}

TEST_CASE("an engine sees the files that the artifact lists, and nothing else beside them") {
  const Folder folder;
  for (const char* name : {"fault.txt", "secret"}) std::ofstream(folder.path / name) << "x";
  fs::create_symlink("/etc/passwd", folder.path / "link");
  Artifact artifact{.folder = folder.path.string(), .entry = "fault.txt"};
  const auto seen = [&] {
    const auto opened =
        fault_worker().open(artifact, {{"fault", "look_around"}}, {.dir = folder.path / "work"});
    REQUIRE(opened);
    return (*opened)->session().info().notes;
  };
  using Notes = std::vector<std::string>;
  CHECK(seen() == Notes{"fault.txt=ALLOWED", "secret=ALLOWED", "link=denied"});
  artifact.files = {{.path = "fault.txt"}, {.path = "link"}, {.path = "../../etc/passwd"}};
  CHECK(seen() == Notes{"fault.txt=ALLOWED", "secret=denied", "link=denied"});
}

TEST_CASE("a confined worker cannot reach outside of its workspace") {
  const Folder folder;
  const Descriptor foreign(::fcntl(STDERR_FILENO, F_DUPFD, 177));
  REQUIRE(foreign.get() == 177);
  const auto result = build("escape", folder);
  REQUIRE(result);
  for (const std::string& line : result->notes) {
    CAPTURE(line);
    CHECK(line.find("ALLOWED") == std::string::npos);
    CHECK(line.find("BROKEN") == std::string::npos);
  }
}

TEST_CASE("a missing worker is named") {
  const auto result = WorkerBackend("/nowhere/strop-worker-none", {}).info();
  CHECK(result.unavailable_reason.find("missing") != std::string::npos);
}
