#include "report/figures.h"

#include <doctest/doctest.h>

#include <cmath>

#include "report/characters.h"

using namespace strop;

namespace {

Quantity of(double value, double low, double high, std::string unit = {}) {
  return {value, Interval{low, high, 0.95}, std::move(unit), false};
}

Metric metric(std::string name, std::string unit, double value) {
  Metric out;
  out.metric = std::move(name);
  out.unit = std::move(unit);
  out.value = value;
  return out;
}

}  // namespace

TEST_CASE("the first uncertain digit is the last one shown") {
  CHECK(value_text(of(2.3146, 2.18, 2.44, "x")) == "2.3x");
  CHECK(interval_text(of(2.3146, 2.18, 2.44, "x")) == "2.2-2.4");
  CHECK(value_text(of(0.99121, 0.9893, 0.9931)) == "0.991");
  CHECK(value_text(of(402.7, 386, 418, "ms")) == "403 ms");
  CHECK(value_text(of(0, -0.02, 0.02)) == "0.00");
}

TEST_CASE("without an interval three digits are shown") {
  CHECK(value_text({0.0041234, {}, {}, false}) == "0.00412");
  CHECK(value_text({146.4, {}, "MB", false}) == "146 MB");
}

TEST_CASE("units are those people read") {
  CHECK(value_text(quantity(metric("request_time", "s", 0.6))) == "600 ms");
  CHECK(value_text(quantity(metric("time_to_first_token", "ms", 1490))) == "1.49 s");
  CHECK(value_text(quantity(metric("peak_memory", "bytes", 335e6))) == "335 MB");
  CHECK(value_text(quantity(metric("speedup", "ratio", 2.5))) == "2.50x");
  CHECK(value_text(bytes_quantity(25'769'803'776)) == "25.8 GB");
}

TEST_CASE("a noisy figure never shows its value") {
  Quantity noisy = of(2.3, 1.1, 3.9, "x");
  noisy.noisy = true;
  CHECK(full_text(noisy) == "noisy (1-4x)");
  CHECK(noisy_text(noisy) == "1-4x");
  noisy.interval.reset();
  CHECK(noisy_text(noisy) == "noisy");
}

TEST_CASE("what is not a number says so") {
  CHECK(fixed(NAN, 2) == "not a number");
  CHECK(fixed(-0.001, 1) == "0.0");
  CHECK(value_text({INFINITY, {}, {}, false}) == "not a number");
}

TEST_CASE("control characters, direction overrides and broken UTF-8 are replaced") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(printable("a\x1b[2Jb") == "a" + mark + "[2Jb");
  CHECK(printable("a\nb") == "a b");
  CHECK(printable("\xff\xc3") == mark + mark);
  CHECK(printable("\xe2\x80\xae") == mark);
  CHECK(printable("\xc0\xaf") == mark + mark);
  CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("width counts columns, not bytes") {
  CHECK(display_width("caf\xc3\xa9") == 4);
  CHECK(display_width("\xe6\xbc\xa2") == 2);
  CHECK(clipped("\xe6\xbc\xa2\xe6\xbc\xa2x", 4, "") == "\xe6\xbc\xa2\xe6\xbc\xa2");
  CHECK(clipped("abcdef", 4, "..") == "ab..");
  CHECK(clipped("abc", 4, "..") == "abc");
}
