#include "block_quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <thread>

#include "formats/weight_grid.h"

namespace strop::convert {
namespace {

// Four lanes, which every target of ours has; the compiler keeps them in one register.
using Lanes = float __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 4;
// Adding and taking away 1.5 * 2^23 rounds to the nearest whole number, ties to even.
constexpr float kRounder = 12582912.0f;

Lanes all(float value) { return Lanes{value, value, value, value}; }

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

float sum(Lanes lanes) { return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]); }

// Codes of x / scale for one zero point, less the zero point.
Lanes centred(Lanes x, Lanes inverse, Lanes lowest, Lanes highest) {
  Lanes scaled = x * inverse;
  scaled = scaled < lowest ? lowest : scaled;
  scaled = scaled > highest ? highest : scaled;
  return (scaled + all(kRounder)) - all(kRounder);
}

// How well the codes of one scale can reproduce a block: with the best scale for them, xc / cc, the
// squared error is the block's own square less xc^2 / cc.
struct Candidate {
  float inverse = 0;  // of the scale that chose the codes
  std::uint32_t zero_point = 0;
  float xc = 0, cc = 0;
  float gain() const { return cc > 0 ? xc * xc / cc : 0; }
};

Candidate tried(std::span<const float> block, const BlockFormat& format, float inverse,
                std::uint32_t zero_point) {
  const Lanes lowest = all(-static_cast<float>(zero_point)),
              highest = all(static_cast<float>(format.codes() - 1 - zero_point)),
              factor = all(inverse);
  Lanes xc = all(0), cc = all(0);
  for (std::size_t i = 0; i < block.size(); i += kLanes) {
    const Lanes x = load(block.data() + i), c = centred(x, factor, lowest, highest);
    xc += x * c;
    cc += c * c;
  }
  return {inverse, zero_point, sum(xc), sum(cc)};
}

void write_codes(std::span<const float> block, const BlockFormat& format, float inverse,
                 std::uint32_t zero_point, std::span<std::uint8_t> codes) {
  const auto zero = static_cast<float>(zero_point),
             highest = static_cast<float>(format.codes() - 1) - zero;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const float scaled = std::clamp(block[i] * inverse, -zero, highest);
    codes[i] = static_cast<std::uint8_t>((scaled + kRounder) - kRounder + zero);
  }
}

double squared_error(std::span<const float> block, std::span<const std::uint8_t> codes,
                     QuantizedBlock made) {
  double error = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const double off =
        double{block[i]} - (static_cast<double>(codes[i]) - made.zero_point) * made.scale;
    error += off * off;
  }
  return error;
}

// Part of a block's square that sums of up to some hundred floats may be wrong by.
constexpr float kCloseCall = 1e-4f;

struct Range {
  float least = 0, most = 0;  // zero is always inside
  float outermost() const { return most > -least ? most : least; }
};

Range range_of(std::span<const float> block) {
  Range range;
  for (const float value : block) {
    range.least = std::min(range.least, value);
    range.most = std::max(range.most, value);
  }
  return range;
}

// Inverse of round_to_nearest's scale; 0 for a block of zeros, or so small that it has none.
float plain_inverse(const Range& range, const BlockFormat& format) {
  const float inverse = format.symmetric
                            ? -static_cast<float>(format.middle()) / range.outermost()
                            : static_cast<float>(format.codes() - 1) / (range.most - range.least);
  return std::isfinite(inverse) ? inverse : 0;
}

std::uint32_t plain_zero_point(const Range& range, const BlockFormat& format, float inverse) {
  if (format.symmetric) return format.middle();
  return static_cast<std::uint32_t>(std::clamp(std::nearbyint(-range.least * inverse), 0.0f,
                                               static_cast<float>(format.codes() - 1)));
}

QuantizedBlock nothing(const BlockFormat& format, std::span<std::uint8_t> codes) {
  std::fill(codes.begin(), codes.end(), static_cast<std::uint8_t>(format.middle()));
  return {0, format.middle()};
}

// Steps of the plain scale's inverse, in codes at the outermost value. Eight bits leave little to
// gain.
constexpr std::array kFineSteps{-0.8f, -0.6f, -0.4f, -0.2f, 0.2f, 0.4f, 0.6f, 0.8f};
constexpr std::array kCoarseSteps{-0.75f, -0.5f, -0.25f, 0.25f};

std::span<const float> steps(const BlockFormat& format) {
  if (format.bits == 4) return kFineSteps;
  return kCoarseSteps;
}

Candidate best_symmetric(std::span<const float> block, const BlockFormat& format, float plain,
                         Candidate best) {
  const auto consider = [&](float inverse) {
    const Candidate next = tried(block, format, inverse, format.middle());
    if (next.gain() > best.gain()) best = next;
  };
  const auto middle = static_cast<float>(format.middle());
  for (const float step : steps(format)) consider(plain * (middle + step) / middle);
  // The outermost value at the other end, which has one code less.
  consider(-plain * (middle - 1) / middle);
  return best;
}

// The scale of the even grid that the block lies on, if there is one.
void consider_grid(std::span<const float> block, const BlockFormat& format, Candidate& best) {
  const auto grid = formats::even_grid(block);
  if (!grid || grid->levels < 2) return;
  const double zero = std::clamp(std::round(-grid->least / grid->step), 0.0,
                                 static_cast<double>(format.codes() - 1));
  const auto zero_point = format.symmetric ? format.middle() : static_cast<std::uint32_t>(zero);
  const Candidate next = tried(block, format, static_cast<float>(1 / grid->step), zero_point);
  if (next.gain() > best.gain()) best = next;
}

Candidate best_asymmetric(std::span<const float> block, const BlockFormat& format, float plain,
                          const Range& range, Candidate best) {
  const auto most = static_cast<float>(format.codes() - 1);
  const auto consider = [&](float inverse) {
    const float zero = std::clamp(-range.least * inverse, 0.0f, most);
    for (const float candidate : {std::floor(zero), std::ceil(zero)}) {
      const Candidate next =
          tried(block, format, inverse, static_cast<std::uint32_t>(std::min(candidate, most)));
      if (next.gain() > best.gain()) best = next;
    }
  };
  consider(plain);
  for (const float step : steps(format)) consider(plain * (most + 2 * step) / most);
  return best;
}

void pack(std::span<const std::uint8_t> codes, std::uint32_t bits, char* out) {
  if (bits == 8) {
    std::memcpy(out, codes.data(), codes.size());
    return;
  }
  for (std::size_t i = 0; i < codes.size(); i += 2)
    out[i / 2] = static_cast<char>(codes[i] | (i + 1 < codes.size() ? codes[i + 1] << 4 : 0));
}

}  // namespace

QuantizedBlock round_to_nearest(std::span<const float> block, const BlockFormat& format,
                                std::span<std::uint8_t> codes) {
  const Range range = range_of(block);
  const float inverse = plain_inverse(range, format);
  if (inverse == 0) return nothing(format, codes);
  const std::uint32_t zero_point = plain_zero_point(range, format, inverse);
  write_codes(block, format, inverse, zero_point, codes);
  return {1 / inverse, zero_point};
}

QuantizedBlock best_block(std::span<const float> block, const BlockFormat& format,
                          std::span<std::uint8_t> codes) {
  const Range range = range_of(block);
  const float plain = plain_inverse(range, format);
  if (plain == 0) return nothing(format, codes);
  const Candidate first = tried(block, format, plain, plain_zero_point(range, format, plain));
  Candidate best = format.symmetric ? best_symmetric(block, format, plain, first)
                                    : best_asymmetric(block, format, plain, range, first);
  if (format.seek_grid) consider_grid(block, format, best);
  // The scale that fits the codes best may in its turn choose better codes.
  if (best.cc > 0 && best.xc != 0) {
    const Candidate again = tried(block, format, best.cc / best.xc, best.zero_point);
    if (again.gain() > best.gain()) best = again;
  }
  write_codes(block, format, best.inverse, best.zero_point, codes);
  const QuantizedBlock made{best.cc > 0 ? best.xc / best.cc : 0, best.zero_point};
  // Sums in single precision cannot tell differences as small as this; count them then.
  if (best.gain() - first.gain() < kCloseCall * best.gain()) {
    std::array<std::uint8_t, kMaxBlock> buffer{};
    const auto others = std::span(buffer).first(block.size());
    const QuantizedBlock other = round_to_nearest(block, format, others);
    if (squared_error(block, others, other) < squared_error(block, codes, made)) {
      std::copy(others.begin(), others.end(), codes.begin());
      return other;
    }
  }
  return made;
}

std::uint64_t zero_point_bytes(std::uint64_t width, const BlockFormat& format) {
  return (width / format.block * format.bits + 7) / 8;
}

QuantizedRows quantize_rows(std::span<const float> values, std::uint64_t width,
                            const BlockFormat& format, unsigned threads) {
  const std::uint64_t rows = values.size() / width, blocks = width / format.block;
  const std::uint64_t code_bytes = width * format.bits / 8,
                      zero_bytes = format.symmetric ? 0 : zero_point_bytes(width, format);
  QuantizedRows out{.codes = std::string(rows * code_bytes, '\0'),
                    .scales = std::vector<float>(rows * blocks),
                    .zero_points = std::string(rows * zero_bytes, '\0')};
  const auto work = [&](std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint8_t> codes(width), zero_points(blocks);
    for (std::uint64_t row = begin; row < end; ++row) {
      for (std::uint64_t block = 0; block < blocks; ++block) {
        const QuantizedBlock made =
            best_block(values.subspan(row * width + block * format.block, format.block), format,
                       std::span(codes).subspan(block * format.block, format.block));
        out.scales[row * blocks + block] = made.scale;
        zero_points[block] = static_cast<std::uint8_t>(made.zero_point);
      }
      pack(codes, format.bits, out.codes.data() + row * code_bytes);
      if (!format.symmetric)
        pack(zero_points, format.bits, out.zero_points.data() + row * zero_bytes);
    }
  };
  std::vector<std::jthread> helpers;
  const std::uint64_t share = (rows + threads - 1) / threads;
  for (std::uint64_t begin = share; begin < rows; begin += share)
    helpers.emplace_back(work, begin, std::min(rows, begin + share));
  work(0, std::min(rows, share));
  return out;
}

}  // namespace strop::convert
