// The profile's reader against hostile files, and what a session says of its placement.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "placement.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using namespace strop::onnxruntime;

Result<std::vector<Placement>> read(const std::string& text) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "profile.json", std::ios::binary) << text;
  return placement_of(folder.path() / "profile.json");
}

std::string event(const std::string& name, const std::string& provider) {
  return R"({"cat":"Node","pid":1,"tid":2,"dur":3,"ts":4,"ph":"X","name":")" + name +
         R"(_kernel_time","args":{"op_name":"Add","provider":")" + provider +
         R"(","input_type_shape":[{"float":[1,2]}],"node_index":"0"}})";
}

const std::string kCpu = "CPUExecutionProvider", kCuda = "CUDAExecutionProvider";

}  // namespace

TEST_CASE("nodes are counted once by provider, the largest part first") {
  const auto placement =
      read("[" + event("a", kCpu) + "," + event("b", kCuda) + "," + event("c", kCuda) + "," +
           event("a", kCpu) + R"(,{"cat":"Session","name":"model_run","args":{}}])");
  REQUIRE_MESSAGE(placement, placement.error().message);
  CHECK(*placement == std::vector<Placement>{{"cuda", 2}, {"cpu", 1}});
}

TEST_CASE("a profile that is not one is refused") {
  const std::string deep(2000, '[');
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[1]"), std::string("[[]]"),
        std::string("[]"), "[" + event("a", kCpu), "[" + event("a", "") + "]", "[" + deep,
        std::string(R"([{"cat":"Node","name":"x_kernel_time"}])"),
        std::string(R"([{"cat":"Node","cat":"Node","name":"x"}])"),
        "[" + event("a", kCpu) + "] more", "[{\"" + std::string(5000, 'k') + "\":1}]"}) {
    CAPTURE(text.substr(0, 60));
    const auto placement = read(text);
    REQUIRE_FALSE(placement);
    CHECK(placement.error().field == "profile");
  }
}

TEST_CASE("a profile with too many providers is refused") {
  std::string text = "[";
  for (int i = 0; i < 100; ++i) text += (i ? "," : "") + event("n", "P" + std::to_string(i));
  CHECK_FALSE(read(text + "]"));
}

TEST_CASE("a profile that is missing is an error of the file") {
  CHECK_FALSE(placement_of("/nonexistent/profile.json"));
}
