#include <doctest/doctest.h>

#include "core/json.h"
#include "strop/json.h"

using namespace strop;

TEST_CASE("a report with every part survives the round trip") {
  Report report;
  report.run_id = "r";
  report.model.emplace().path = "m";
  report.target.emplace().devices.push_back({.kind = DeviceKind::gpu,
                                             .vendor = "nvidia",
                                             .name = "x",
                                             .features = {"a"},
                                             .memory_bytes = 5});
  report.assessment.emplace().fits.push_back(
      {.backend = "b",
       .version = "1",
       .fit = {.supported = true, .score = 0.5, .reasons = {"r"}},
       .space = {}});
  report.plan.emplace().trials.push_back(
      {.recipe = {.id = "i", .name = "n"}, .role = Role::baseline, .run_presets = {}});
  Trial trial;
  trial.artifact.emplace().files.push_back({.path = "f", .bytes = 1, .sha256 = "x"});
  trial.measurement.emplace().metrics.push_back(
      {.metric = "kl_mean",
       .unit = "nats",
       .context = {.position_begin = 0, .position_end = 256},
       .value = 0.1,
       .interval = Interval{.low = 0.05, .high = 0.2}});
  trial.error = Error{.code = ErrorCode::crashed, .message = "m", .offset = 7};
  report.trials.push_back(trial);
  report.front.emplace().recommended_id = "t";
  report.gates.push_back({.trial_id = "t",
                          .artifact_id = "a",
                          .gates = {{.name = "speed", .observed = 2.5}},
                          .passed = true});
  const auto back = report_from_json(to_json(report));
  REQUIRE(back);
  CHECK(*back == report);
}

TEST_CASE("words that are not UTF-8 do not keep a report from being written") {
  Report report;
  report.model.emplace().provenance = "caf\xe9";
  const auto back = report_from_json(to_json(report));
  REQUIRE(back);
  CHECK(back->model->provenance == "caf\xEF\xBF\xBD");
  CHECK(parse_json(to_json(Error{.message = "\xff", .value = "\xc3"}), "x"));
}

TEST_CASE("absent values are left out") {
  const Json json = encode(Metric{.metric = "x"});
  CHECK_FALSE(json.contains("interval"));
  CHECK(json["context"].empty());
}

TEST_CASE("what is wrong is named with its path") {
  Json json = encode(Report{});
  SUBCASE("unknown field") {
    json["goal"]["bugdet"] = 1;
    const auto result = report_from_json(json.dump());
    REQUIRE_FALSE(result);
    CHECK(result.error().field == "goal.bugdet");
  }
  SUBCASE("wrong type") {
    json["goal"]["seed"] = -1;
    const auto result = report_from_json(json.dump());
    REQUIRE_FALSE(result);
    CHECK(result.error().field == "goal.seed");
  }
  SUBCASE("unknown enumerator") {
    json["goal"]["profile"] = "prod";
    const auto result = report_from_json(json.dump());
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("prototype, production") != std::string::npos);
  }
  SUBCASE("another version") {
    json["schema_version"] = 99;
    const auto result = report_from_json(json.dump());
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::unsupported);
  }
  SUBCASE("integer out of range") {
    json["goal"]["workload"]["threads"] = 5'000'000'000;
    const auto result = report_from_json(json.dump());
    REQUIRE_FALSE(result);
    CHECK(result.error().field == "goal.workload.threads");
  }
}

TEST_CASE("text from outside is parsed strictly") {
  CHECK_FALSE(parse_json("{\"a\":1,\"a\":2}", "x"));
  CHECK_FALSE(parse_json("{\"a\":1", "x"));
  CHECK_FALSE(parse_json("", "x"));
  CHECK_FALSE(parse_json(std::string(100, '[') + std::string(100, ']'), "x"));
  CHECK_FALSE(parse_json("\"\xff\"", "x"));
  CHECK(parse_json("{\"a\":{\"a\":[1,2,{\"b\":null}]}}", "x"));
  CHECK(parse_json(std::string(64, '[') + std::string(64, ']'), "x"));
}

TEST_CASE("the same value has the same id whatever the order of its keys") {
  CHECK(id_of(Json::parse("{\"a\":1,\"b\":2}")) == id_of(Json::parse("{\"b\":2,\"a\":1}")));
  CHECK(id_of(Json(1)) != id_of(Json(2)));
}

TEST_CASE("the schema names every field") {
  const Json json = Json::parse(report_schema());
  CHECK(json["properties"].contains("trials"));
  CHECK(json["properties"]["trials"]["items"]["properties"].contains("artifact"));
}
