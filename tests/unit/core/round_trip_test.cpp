// Every domain type, with every field set to something: written, read back, held against its
// schema.
#include <doctest/doctest.h>

#include "core/fields.h"
#include "core/json.h"
#include "support/schema.h"

using namespace strop;

namespace {

// Sets every field to a value that no default has, another one each time. A field that the list of
// fields lacks stays at its default, and the comparison cannot see it: the count of bytes does.
struct Filler {
  int next = 1;
  bool may_repeat = true;  // lists get two items, but not without end

  template <class T>
  void fill(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = ++next % 2 == 0;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(1);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = 0.5 + ++next;
    } else if constexpr (std::is_arithmetic_v<T>) {
      value = static_cast<T>(++next % 100 + 1);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = "text " + std::to_string(++next);
    } else if constexpr (std::is_same_v<T, RunOptions>) {
      value = {{"a", "1"}, {"b", std::to_string(++next)}};
    } else {
      fields(*this, value);
    }
  }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <class T>
  void fill(std::vector<T>& list) {
    list.clear();
    for (int i = 0; i < 2; ++i) {
      T item{};
      fill(item);
      list.push_back(std::move(item));
    }
  }
  template <class T>
  void operator()(const char*, T& value) {
    fill(value);
  }
};

template <class T>
void survives() {
  T value{};
  Filler{}.fill(value);
  CHECK_FALSE(value == T{});
  const Json json = encode(value);
  const auto back = decode<T>(json, "it");
  REQUIRE_MESSAGE(back, back.error().message);
  CHECK(*back == value);
  CHECK(encode(*back) == json);
  for (const auto& [kind, written] : {std::pair("full", json), std::pair("empty", encode(T{}))})
    for (const std::string& problem : test::violations(written, schema<T>()))
      FAIL_CHECK(kind << ": " << problem);
}

}  // namespace

TEST_CASE_TEMPLATE("a value with every field set survives the round trip and holds to its schema",
                   T, Model, Target, Goal, Recipe, RunPreset, RecipeSpace, Fit, BackendFit,
                   Assessment, Plan, Artifact, Metric, Measurement, Trial, Front, Gate, GateReport,
                   Control, Report, LockFile, Repeat, SideBySide, StoreListing, StoreCheck,
                   StoreCleaning, BackendInfo, SessionInfo, Generation, TokenizerInfo) {
  survives<T>();
}

TEST_CASE("the schema refuses what the reader refuses") {
  Report report;
  Filler{}.fill(report);
  Json json = encode(report);
  const Json rules = schema<Report>();
  CHECK(test::violations(json, rules).empty());
  json["goal"]["bugdet"] = 1;
  CHECK(test::violations(json, rules).size() == 1);
  json["goal"].erase("bugdet");
  json["goal"]["seed"] = -1;
  CHECK(test::violations(json, rules).size() == 1);
  json["goal"].erase("seed");
  CHECK(test::violations(json, rules).size() == 1);
}
