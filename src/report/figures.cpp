#include "report/figures.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "strop/result.h"

namespace strop {
namespace {

struct Prefix {
  double factor;
  std::string_view unit;
};

constexpr std::array kBytes{Prefix{1e12, "TB"}, Prefix{1e9, "GB"}, Prefix{1e6, "MB"},
                            Prefix{1e3, "kB"}, Prefix{1, "B"}};
constexpr std::array kSeconds{Prefix{1, "s"}, Prefix{1e-3, "ms"}, Prefix{1e-6, "us"}};

template <std::size_t N>
Quantity scaled(Quantity base, const std::array<Prefix, N>& prefixes) {
  const auto fits = [&](const Prefix& prefix) { return std::abs(base.value) >= prefix.factor; };
  auto prefix = std::find_if(prefixes.begin(), prefixes.end(), fits);
  if (prefix == prefixes.end()) prefix = std::prev(prefixes.end());
  base.value /= prefix->factor;
  if (base.interval) {
    base.interval->low /= prefix->factor;
    base.interval->high /= prefix->factor;
  }
  base.unit = prefix->unit;
  return base;
}

Quantity times(Quantity base, double factor) {
  base.value *= factor;
  if (base.interval) {
    base.interval->low *= factor;
    base.interval->high *= factor;
  }
  return base;
}

int leading_place(double value) {
  return static_cast<int>(std::floor(std::log10(std::abs(value))));
}

std::string with_unit(const std::string& number, const std::string& unit) {
  if (unit.empty() || unit == "x") return number + unit;
  return number + " " + unit;
}

}  // namespace

Quantity quantity(const Metric& metric) {
  const Quantity base{metric.value, metric.interval, metric.unit, metric.noisy};
  if (metric.unit == "bytes") return scaled(base, kBytes);
  if (metric.unit == "s") return scaled(base, kSeconds);
  if (metric.unit == "ms") return scaled(times(base, 1e-3), kSeconds);
  Quantity plain = base;
  if (metric.metric == "speedup")
    plain.unit = "x";
  else if (metric.unit == "ratio" || metric.unit == "nats")
    plain.unit.clear();
  else if (metric.unit == "tokens/s")
    plain.unit = "tok/s";
  else if (metric.unit == "samples/s")
    plain.unit = metric.context.batch ? str("/s at ", *metric.context.batch) : "/s";
  return plain;
}

Quantity bytes_quantity(std::uint64_t bytes) {
  return scaled({static_cast<double>(bytes), {}, {}, false}, kBytes);
}

Quantity seconds_quantity(double seconds) { return scaled({seconds, {}, {}, false}, kSeconds); }

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "not a number";
  std::array<char, 512> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::fixed, std::clamp(decimals, 0, 12))
                       .ptr;
  std::string text(buffer.data(), end);
  // "-0.00" would claim a sign that the digits do not show.
  if (text.starts_with('-') && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

int decimals(double value, const std::optional<Interval>& interval, int significant) {
  if (!std::isfinite(value)) return 0;
  const double half_width = interval ? (interval->high - interval->low) / 2 : 0;
  const bool bounded = half_width > 0 && std::isfinite(half_width);
  int digits = value == 0 ? 0 : significant - 1 - leading_place(value);
  if (bounded)
    digits =
        value == 0 ? -leading_place(half_width) : std::min(digits + 1, -leading_place(half_width));
  return std::clamp(digits, 0, 6);
}

std::string value_text(const Quantity& quantity) {
  return with_unit(fixed(quantity.value, decimals(quantity.value, quantity.interval)),
                   quantity.unit);
}

std::string interval_text(const Quantity& quantity) {
  if (!quantity.interval) return {};
  const int digits = decimals(quantity.value, quantity.interval);
  return fixed(quantity.interval->low, digits) + "-" + fixed(quantity.interval->high, digits);
}

std::string deviation_text(const Quantity& quantity) {
  if (!quantity.interval) return {};
  const double farther =
      std::max(quantity.interval->high - quantity.value, quantity.value - quantity.interval->low);
  return fixed(farther, decimals(quantity.value, quantity.interval));
}

std::string noisy_text(const Quantity& quantity) {
  const std::string interval = interval_text(quantity);
  return interval.empty() ? "noisy" : with_unit(interval, quantity.unit);
}

std::string full_text(const Quantity& quantity) {
  const std::string interval = interval_text(quantity);
  if (quantity.noisy)
    return interval.empty() ? "noisy" : "noisy (" + with_unit(interval, quantity.unit) + ")";
  return interval.empty() ? value_text(quantity) : value_text(quantity) + " (" + interval + ")";
}

std::string ceiling_text(const Ceiling& ceiling) {
  const Quantity share{ceiling.share * 100, {}, "%", false};
  std::string text = ceiling.phase + " reaches " + value_text(share);
  if (ceiling.interval)
    text += " (" +
            interval_text({ceiling.share * 100,
                           Interval{ceiling.interval->low * 100, ceiling.interval->high * 100}, "%",
                           false}) +
            ")";
  const auto rate = [](double per_second) {
    return value_text(bytes_quantity(static_cast<std::uint64_t>(per_second))) + "/s";
  };
  text += ceiling.binds == Bottleneck::bandwidth
              ? " of what the memory's bandwidth of " + rate(ceiling.bytes_per_second) +
                    " allows at " + value_text(bytes_quantity(ceiling.bytes)) + " per token"
              : " of what " + fixed(ceiling.operations_per_second / 1e9, 0) +
                    " Gflop/s in f32 allow at " +
                    fixed(static_cast<double>(ceiling.operations) / 1e9, 2) + " Gflop per token";
  if (ceiling.share <= 1) return text;
  return text + (ceiling.binds == Bottleneck::compute
                     ? "; kernels in fewer bits may pass that"
                     : "; what the processor's caches hold may pass that");
}

}  // namespace strop
