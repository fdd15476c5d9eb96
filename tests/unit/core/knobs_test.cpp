// Every way in which a run option can be wrong, by the kind of its rule.
#include "core/knobs.h"

#include <doctest/doctest.h>

using namespace strop;

namespace {

const std::vector<KnobRule> kRules{{{"level", {"low", "high"}, "low", ""}},
                                   {{"threads", {}, "2", ""}, 8},
                                   {{"streams", {"default"}, "default", ""}, 4},
                                   {{"shape", {}, "", ""}}};

std::string refused(const std::string& name, const std::string& value) {
  const auto options = options_in_force("engine", kRules, {{name, value}});
  REQUIRE_FALSE(options);
  CHECK(options.error().code == ErrorCode::invalid_input);
  CHECK(options.error().field == name);
  return options.error().message;
}

}  // namespace

TEST_CASE("options that hold to their rules are in force, the others at their defaults") {
  const auto options =
      options_in_force("engine", kRules, {{"streams", "4"}, {"shape", "x[1]"}, {"threads", "8"}});
  REQUIRE(options);
  CHECK(*options ==
        RunOptions{{"level", "low"}, {"threads", "8"}, {"streams", "4"}, {"shape", "x[1]"}});
  CHECK(number_of(*options, "streams") == 4);
}

TEST_CASE("others are refused with the rule") {
  CHECK(refused("level", "middle") == "[engine] level must be one of low, high, but got middle.");
  CHECK(refused("threads", "9") ==
        "[engine] threads must be a whole number from 1 to 8, but got 9.");
  CHECK(refused("threads", "two").find("whole number") != std::string::npos);
  CHECK(refused("streams", "0") ==
        "[engine] streams must be one of default, or a whole number from 1 to 4, but got 0.");
  CHECK(refused("depth", "1") ==
        "[engine] there is no run option depth: known are level, threads, streams, shape.");
}

TEST_CASE("a context is as asked, or as is usual, and never longer than the model's own") {
  CHECK(*context_in_force("engine", "", 4096, 8192) == 4096u);
  CHECK(*context_in_force("engine", "8192", 4096, 8192) == 8192u);
  const auto more = context_in_force("engine", "8193", 4096, 8192);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::invalid_input);
  CHECK(more.error().field == "context");
  CHECK(more.error().value == "8193");
}
