// JSON text from outside that is broken on purpose.
#include "core/json.h"

#include "attacks/refused.h"

using namespace strop;

namespace {

bool refused(const std::string& text) {
  const auto json = parse_json(text, "text");
  return !json && json.error().code == ErrorCode::corrupt;
}

}  // namespace

TEST_CASE("json: numbers that no type holds") {
  for (const char* number : {"1e999", "-1e999", "1e18446744073709551615", "[1e400]"}) {
    CAPTURE(number);
    CHECK(refused(number));
  }
}

TEST_CASE("json: nesting that would exhaust a stack") {
  CHECK(refused(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK(refused(objects));
  CHECK(refused(std::string(100, '[') + std::string(100, ']')));
}

TEST_CASE("json: a key twice, at any depth") {
  CHECK(refused(R"({"a":1,"a":1})"));
  CHECK(refused(R"([{"b":{"a":1,"c":2,"a":3}}])"));
  CHECK(refused(R"({"a":1,"\u0061":2})"));
  CHECK_FALSE(refused(R"([{"a":1},{"a":2},{"b":{"a":3}}])"));
}

TEST_CASE("json: what is no JSON") {
  for (const char* text : {"", " ", "{", "nul", "NaN", "Infinity", "01", "'a'", "{}x", "[1,]",
                           "{\"a\":1,}", "\"\xff\"", "\"\xed\xa0\x80\"", "/* */ {}"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
}
