#include "preprocess.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace strop::data {
namespace {

constexpr std::uint64_t kMaxResized = 1ull << 25;

// The pixels that one output pixel is made of.
struct Taps {
  std::size_t first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps_of(std::uint32_t from, std::uint32_t to, bool antialias) {
  const double scale = static_cast<double>(from) / to;
  const double reach = antialias ? std::max(scale, 1.0) : 1.0;
  std::vector<Taps> all(to);
  for (std::uint32_t i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const double first = std::max(0.0, std::floor(centre - reach + 0.5));
    const double last = std::min<double>(from, std::floor(centre + reach + 0.5));
    all[i].first = static_cast<std::size_t>(first);
    double sum = 0;
    for (double x = first; x < last; ++x) {
      const double weight = std::max(0.0, 1 - std::abs((x - centre + 0.5) / reach));
      all[i].weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : all[i].weights) weight = static_cast<float>(weight / sum);
  }
  return all;
}

struct Size {
  std::uint32_t width = 0, height = 0;
};

std::uint32_t rounded(double value) {
  return static_cast<std::uint32_t>(std::clamp(std::floor(value + 0.5), 1.0, 1e9));
}

// The picture's size before it is cut or framed.
Size inner_size(const Image& image, const ImagePlan& plan) {
  if (plan.fit == Fitting::stretch) return {plan.width, plan.height};
  const double across = static_cast<double>(plan.width) / image.width;
  const double down = static_cast<double>(plan.height) / image.height;
  if (plan.fit == Fitting::pad) {
    const double ratio = std::min(across, down);
    return {std::min(plan.width, rounded(image.width * ratio)),
            std::min(plan.height, rounded(image.height * ratio))};
  }
  if (plan.shorter > 0) {
    // The longer side is cut to whole pixels, as torchvision does.
    const double ratio = static_cast<double>(plan.shorter) / std::min(image.width, image.height);
    const auto longer = [&](std::uint32_t side) {
      return std::max(plan.shorter, static_cast<std::uint32_t>(std::min(side * ratio, 1e9)));
    };
    return image.width <= image.height ? Size{plan.shorter, longer(image.height)}
                                       : Size{longer(image.width), plan.shorter};
  }
  const double ratio = std::max(across, down);
  return {std::max(plan.width, rounded(image.width * ratio)),
          std::max(plan.height, rounded(image.height * ratio))};
}

// Where the picture begins in the frame; negative: pixels cut off.
std::int64_t offset_of(std::uint32_t frame, std::uint32_t inner, const ImagePlan& plan) {
  if (plan.fit == Fitting::pad && !plan.pad_centred) return 0;
  const auto room = static_cast<std::int64_t>(frame) - inner;
  if (room >= 0) return room / 2;
  return -static_cast<std::int64_t>(std::nearbyint(static_cast<double>(-room) / 2));
}

// ITU-R 601 luma.
float grey(const float* rgb) { return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]; }

float channel(const float* rgb, std::uint32_t index, Channels channels) {
  if (channels == Channels::gray) return grey(rgb);
  return rgb[channels == Channels::bgr ? 2 - index : index];
}

void store(Tensor& tensor, std::size_t index, float value) {
  if (tensor.type == ElementType::u8) {
    tensor.data[index] =
        static_cast<std::byte>(static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)));
  } else if (tensor.type == ElementType::f16) {
    const std::uint16_t bits = half(value);
    std::memcpy(tensor.data.data() + 2 * index, &bits, 2);
  } else {
    std::memcpy(tensor.data.data() + 4 * index, &value, 4);
  }
}

std::size_t bytes_of(ElementType type) {
  return type == ElementType::u8 ? 1 : type == ElementType::f16 ? 2 : 4;
}

Tensor empty_tensor(const ImagePlan& plan) {
  const std::int64_t width = plan.width, height = plan.height, channels = plan.channel_count();
  Tensor tensor{.name = plan.input,
                .type = plan.type,
                .shape = plan.layout == Layout::nchw
                             ? std::vector<std::int64_t>{1, channels, height, width}
                             : std::vector<std::int64_t>{1, height, width, channels},
                .data = {}};
  tensor.data.resize(static_cast<std::size_t>(channels * width * height) * bytes_of(plan.type));
  return tensor;
}

}  // namespace

std::uint16_t half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00);
  if (rest >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);
  if (rest < 0x33000001) return sign;  // at most half of the smallest
  const bool normal = rest >= 0x38800000;
  const std::uint32_t shift = normal ? 13 : 126 - (rest >> 23);
  const std::uint32_t mantissa = normal ? rest - 0x38000000 : ((rest & 0x7fffff) | 0x800000);
  const std::uint32_t kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1);
  const std::uint32_t tie = 1u << (shift - 1);
  const bool up = lost > tie || (lost == tie && (kept & 1));
  return static_cast<std::uint16_t>(sign | (kept + (up ? 1 : 0)));
}

std::vector<float> resized(const Image& image, std::uint32_t width, std::uint32_t height,
                           bool antialias) {
  const std::vector<Taps> across = taps_of(image.width, width, antialias),
                          down = taps_of(image.height, height, antialias);
  std::vector<float> wide(std::size_t{width} * image.height * 3);
  for (std::size_t y = 0; y < image.height; ++y) {
    const std::uint8_t* const row = image.rgb.data() + y * image.width * 3;
    float* out = wide.data() + y * width * 3;
    for (std::uint32_t x = 0; x < width; ++x, out += 3) {
      float sum[3] = {0, 0, 0};
      const std::uint8_t* pixel = row + across[x].first * 3;
      for (const float weight : across[x].weights) {
        for (int c = 0; c < 3; ++c) sum[c] += weight * static_cast<float>(pixel[c]);
        pixel += 3;
      }
      std::copy(sum, sum + 3, out);
    }
  }
  const std::size_t row_values = std::size_t{width} * 3;
  std::vector<float> out(row_values * height);
  for (std::uint32_t y = 0; y < height; ++y) {
    float* const to = out.data() + y * row_values;
    const float* from = wide.data() + down[y].first * row_values;
    for (const float weight : down[y].weights) {
      for (std::size_t i = 0; i < row_values; ++i) to[i] += weight * from[i];
      from += row_values;
    }
  }
  return out;
}

Result<Prepared> prepare(const Image& image, const ImagePlan& plan, const std::string& what) {
  const Size inner = inner_size(image, plan);
  if (std::uint64_t{inner.width} * inner.height > kMaxResized ||
      std::uint64_t{inner.width} * image.height > kMaxResized)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[data] ", what, ": an image of ", image.width, " x ", image.height,
                                " would become ", inner.width, " x ", inner.height,
                                " on the way, more than ", kMaxResized, " pixels"),
                 .hint = "Leave it out, or choose another fit in data.json.",
                 .field = "images.fit",
                 .value = what};
  const std::vector<float> pixels = resized(image, inner.width, inner.height, plan.antialias);
  const std::int64_t left = offset_of(plan.width, inner.width, plan),
                     top = offset_of(plan.height, inner.height, plan);
  Prepared prepared{.tensor = empty_tensor(plan),
                    .placement = {.scale_x = static_cast<double>(inner.width) / image.width,
                                  .scale_y = static_cast<double>(inner.height) / image.height,
                                  .offset_x = static_cast<double>(left),
                                  .offset_y = static_cast<double>(top)}};
  const float around = plan.pad;
  const float frame[3] = {around, around, around};
  const std::uint32_t channels = plan.channel_count();
  for (std::uint32_t y = 0; y < plan.height; ++y) {
    for (std::uint32_t x = 0; x < plan.width; ++x) {
      const std::int64_t from_x = x - left, from_y = y - top;
      const bool inside =
          from_x >= 0 && from_y >= 0 && from_x < inner.width && from_y < inner.height;
      const float* const rgb =
          inside ? pixels.data() + (static_cast<std::size_t>(from_y) * inner.width +
                                    static_cast<std::size_t>(from_x)) *
                                       3
                 : frame;
      for (std::uint32_t c = 0; c < channels; ++c) {
        const float mean = plan.mean[plan.mean.size() == 1 ? 0 : c];
        const float deviation = plan.deviation[plan.deviation.size() == 1 ? 0 : c];
        const float value = (channel(rgb, c, plan.channels) * plan.scale - mean) / deviation;
        const std::size_t pixel = std::size_t{y} * plan.width + x;
        store(prepared.tensor,
              plan.layout == Layout::nchw ? std::size_t{c} * plan.width * plan.height + pixel
                                          : pixel * channels + c,
              value);
      }
    }
  }
  return prepared;
}

}  // namespace strop::data
