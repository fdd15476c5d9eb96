// An image as the tensor that a model takes.
#pragma once

#include <cstdint>
#include <vector>

#include "image.h"
#include "strop/backend.h"

namespace strop::data {

enum class Fitting { stretch, crop, pad };
enum class Channels { rgb, bgr, gray };
enum class Layout { nchw, nhwc };

// value = (pixel * scale - mean) / std, where a pixel is 0 to 255. In f32.
struct ImagePlan {
  std::string input;
  ElementType type = ElementType::f32;  // f32, f16 or u8
  std::uint32_t width = 0, height = 0;
  // stretch: to width x height, whatever that does to the proportions. crop: so that the shorter
  // side is `shorter` (0: so that the size is just covered), then the middle. pad: so that all of
  // it is inside, in the middle, or at the top left.
  Fitting fit = Fitting::stretch;
  std::uint32_t shorter = 0;
  bool pad_centred = true;
  std::uint8_t pad = 0;   // pixel around an image that is padded
  bool antialias = true;  // a triangle as wide as the reduction; false: always two pixels
  Channels channels = Channels::rgb;
  Layout layout = Layout::nchw;
  float scale = 1.0f / 255;
  std::vector<float> mean = {0}, deviation = {1};  // one, or one per channel

  std::uint32_t channel_count() const { return channels == Channels::gray ? 1 : 3; }
};

// Where the picture went: x in the tensor = x in the image * scale + offset.
struct Placement {
  double scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
};

struct Prepared {
  Tensor tensor;
  Placement placement;
};

// invalid_input where the picture would have to be made larger than 2^25 pixels on the way.
Result<Prepared> prepare(const Image& image, const ImagePlan& plan, const std::string& what);

// Rows of 3 values, resized by a separable triangle filter with its centre between pixels, first
// across, then down, in f32 and without rounding in between.
std::vector<float> resized(const Image& image, std::uint32_t width, std::uint32_t height,
                           bool antialias);

// To nearest, ties to even; too large becomes infinite.
std::uint16_t half(float value);

}  // namespace strop::data
