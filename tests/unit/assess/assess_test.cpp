#include "assess/assess.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "assess/instructions.h"
#include "assess/machine.h"
#include "core/files.h"

using namespace strop;

namespace {

const std::filesystem::path kTargets = std::filesystem::path(STROP_SOURCE_DIR) / "share/targets";

std::string strategy(const std::string& platform, std::optional<std::uint64_t> parameters) {
  return assess(Model{.parameter_count = parameters}, Target{.platform = platform}, {}, {})
      .strategy;
}

Target machine(DeviceKind kind, const std::string& vendor, const std::string& arch,
               TargetForm form = TargetForm::server) {
  return {.arch = arch,
          .devices = {{.kind = DeviceKind::cpu, .vendor = kind == DeviceKind::cpu ? vendor : "amd"},
                      {.kind = kind, .vendor = vendor}},
          .form = form};
}

}  // namespace

TEST_CASE("the strategy is the first rule that fits") {
  CHECK(strategy("apple", 70'000'000'000) == "apple");
  CHECK(strategy("intel", 70'000'000'000) == "intel");
  CHECK(strategy("nvidia", 7'000'000'001) == "enterprise");
  CHECK(strategy("nvidia", 7'000'000'000) == "lightweight");
  CHECK(strategy("other_x86", {}) == "lightweight");
}

TEST_CASE("an original larger than the target's memory is bound by capacity and warned of") {
  const Model model{.kind = ModelKind::llm, .weight_bytes = 4ull << 30};
  const auto tight = assess(model, {.memory_bytes = 2ull << 30}, {}, {});
  CHECK(tight.bottleneck == Bottleneck::capacity);
  CHECK(std::count(tight.warnings.begin(), tight.warnings.end(),
                   "The original needs about 4.4 GiB, more than the 2.0 GiB of the target.") == 1);
  CHECK(assess(model, {.memory_bytes = 8ull << 30}, {}, {}).bottleneck == Bottleneck::bandwidth);
}

TEST_CASE("an unknown size gives no estimate instead of zero") {
  CHECK_FALSE(assess(Model{}, Target{}, {}, {}).memory_estimate_bytes);
}

TEST_CASE("the platform is the row of the hardware matrix") {
  CHECK(platform_of(machine(DeviceKind::cpu, "intel", "x86_64")) == "intel");
  CHECK(platform_of(machine(DeviceKind::cpu, "amd", "x86_64")) == "other_x86");
  CHECK(platform_of(machine(DeviceKind::cpu, "apple", "aarch64")) == "apple");
  CHECK(platform_of(machine(DeviceKind::gpu, "nvidia", "x86_64")) == "nvidia");
  CHECK(platform_of(machine(DeviceKind::tpu, "google", "aarch64")) == "edge_tpu");
  CHECK(platform_of(machine(DeviceKind::cpu, "arm", "aarch64", TargetForm::phone)) == "arm_mobile");
  CHECK(platform_of(machine(DeviceKind::cpu, "arm", "aarch64", TargetForm::embedded)) ==
        "embedded_arm");
}

TEST_CASE("this machine has processors, memory and a name that stays") {
  const auto folder = std::filesystem::path(STROP_BUILD_DIR);
  const auto target = probe_machine(folder / "not/there/yet");
  REQUIRE(target);
  CHECK(target->local);
  REQUIRE_FALSE(target->devices.empty());
  CHECK(target->devices[0].cores.value_or(0) >= 1);
  CHECK_FALSE(target->devices[0].name.empty());
  CHECK(target->memory_bytes > 0);
  CHECK(target->storage_bytes > 0);
  CHECK_FALSE(target->platform.empty());
  const auto again = probe_machine("/");
  REQUIRE(again);
  CHECK(again->id == target->id);
}

TEST_CASE("instruction sets are the same each time they are tried") {
  CHECK(working_instruction_sets() == working_instruction_sets());
}

TEST_CASE("law: free storage and the network do not change the target's id, its memory does") {
  Target target{.arch = "x86_64", .memory_bytes = 1, .storage_bytes = 1};
  const std::string id = id_of_target(target);
  target.storage_bytes = 2;
  target.network.offline = false;
  CHECK(id_of_target(target) == id);
  target.memory_bytes = 2;
  CHECK(id_of_target(target) != id);
}

TEST_CASE("every shipped profile loads and says where it belongs") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kTargets)) {
    const std::string name = entry.path().stem().string();
    const auto target = load_target(name, kTargets);
    REQUIRE_MESSAGE(target, name);
    CHECK(target->name == name);
    CHECK_FALSE(target->local);
    CHECK_MESSAGE(target->platform == platform_of(*target), name);
    ++count;
  }
  CHECK(count == 7);
}

TEST_CASE("an unknown target is refused with the known ones") {
  const auto refused = load_target("toaster", kTargets);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::not_found);
  CHECK(refused.error().hint ==
        "Profiles: android-phone, intel-laptop, intel-server, iphone, mac, nvidia-edge, "
        "raspberry-pi-5.");
}

TEST_CASE("a profile with an unknown field is refused") {
  const auto file = std::filesystem::path(STROP_BUILD_DIR) / "tests/odd_target.json";
  REQUIRE(write_whole(file, R"({"name": "odd", "wheels": 4})"));
  CHECK_FALSE(load_target(file.string(), kTargets));
}
