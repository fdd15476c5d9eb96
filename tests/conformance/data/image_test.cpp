// Decoding and preparing of images.
#include "image.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "conformance/data/pictures.h"
#include "preprocess.h"

using namespace strop;
using namespace strop::data;
using namespace strop::test;

namespace {

Image image(std::uint32_t width, std::uint32_t height, std::uint8_t value) {
  return {.width = width,
          .height = height,
          .rgb = std::vector<std::uint8_t>(std::size_t{width} * height * 3, value)};
}

// Each pixel of another colour: 10 x + y, x, y.
Image ramp(std::uint32_t width, std::uint32_t height) {
  Image picture = image(width, height, 0);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      std::uint8_t* const pixel = &picture.rgb[(std::size_t{y} * width + x) * 3];
      pixel[0] = static_cast<std::uint8_t>(10 * x + y);
      pixel[1] = static_cast<std::uint8_t>(x);
      pixel[2] = static_cast<std::uint8_t>(y);
    }
  }
  return picture;
}

std::vector<float> floats(const Tensor& tensor) {
  std::vector<float> values(tensor.data.size() / 4);
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

ImagePlan plan(std::uint32_t width, std::uint32_t height) {
  return {.input = "x", .width = width, .height = height, .scale = 1};
}

std::vector<float> prepared(const Image& picture, const ImagePlan& how) {
  const auto made = prepare(picture, how, "test");
  REQUIRE(made);
  return floats(made->tensor);
}

ErrorCode code_of(const Result<Image>& decoded) {
  REQUIRE_FALSE(decoded);
  CHECK(!decoded.error().field.empty());
  return decoded.error().code;
}

}  // namespace

TEST_CASE("png: grey, RGB and alpha become RGB") {
  const auto rgb = decode_image(png(2, 1, 3, {1, 2, 3, 4, 5, 6}), "a");
  REQUIRE(rgb);
  CHECK(rgb->width == 2);
  CHECK(rgb->height == 1);
  CHECK(rgb->rgb == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  const auto grey = decode_image(png(2, 1, 1, {9, 200}), "a");
  REQUIRE(grey);
  CHECK(grey->rgb == std::vector<std::uint8_t>{9, 9, 9, 200, 200, 200});
  const auto alpha = decode_image(png(1, 1, 4, {1, 2, 3, 255}), "a");
  REQUIRE(alpha);
  CHECK(alpha->rgb == std::vector<std::uint8_t>{1, 2, 3});
}

TEST_CASE("jpeg: colours within a step or two, grey exactly alike in all channels") {
  const std::vector<std::uint8_t> pixels(16 * 16 * 3, 120);
  const auto rgb = decode_image(jpeg(16, 16, 3, pixels), "a");
  REQUIRE(rgb);
  for (const std::uint8_t value : rgb->rgb) CHECK(std::abs(value - 120) <= 2);
  const auto grey = decode_image(jpeg(8, 8, 1, std::vector<std::uint8_t>(64, 50)), "a");
  REQUIRE(grey);
  CHECK(grey->rgb == std::vector<std::uint8_t>(64 * 3, 50));
  CHECK(code_of(decode_image(jpeg(8, 8, 4, std::vector<std::uint8_t>(256, 50)), "a")) ==
        ErrorCode::unsupported);
}

TEST_CASE("images cut at every byte are refused, never filled up") {
  const Image picture = ramp(12, 9);
  const std::string whole_png = png(12, 9, 3, picture.rgb);
  const std::string whole_jpeg = jpeg(12, 9, 3, picture.rgb);
  REQUIRE(decode_image(whole_png, "a"));
  REQUIRE(decode_image(whole_jpeg, "a"));
  for (std::size_t size = 0; size < whole_png.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_image(whole_png.substr(0, size), "a"));
  }
  for (std::size_t size = 0; size < whole_jpeg.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_image(whole_jpeg.substr(0, size), "a"));
  }
}

TEST_CASE("images with any byte changed decode or are refused, and no more") {
  const Image picture = ramp(12, 9);
  for (std::string whole : {png(12, 9, 3, picture.rgb), jpeg(12, 9, 3, picture.rgb)}) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const char before = whole[i];
      for (const int change : {0x01, 0x80, 0xff}) {
        whole[i] = static_cast<char>(before ^ change);
        if (const auto decoded = decode_image(whole, "a"))
          CHECK(decoded->rgb.size() == std::size_t{decoded->width} * decoded->height * 3);
      }
      whole[i] = before;
    }
  }
}

TEST_CASE("images of impossible sizes and of other formats") {
  std::string huge = png(2, 2, 1, {1, 2, 3, 4});
  huge[16] = '\x7f';  // width; its checksum is wrong now too
  CHECK_FALSE(decode_image(huge, "a"));
  const std::vector<std::uint8_t> row(20000, 1);
  CHECK(code_of(decode_image(png(20000, 1, 1, row), "a")) != ErrorCode::backend);
  CHECK(code_of(decode_image("GIF89a....", "a")) == ErrorCode::unsupported);
  CHECK(code_of(decode_image("", "a")) == ErrorCode::unsupported);
}

TEST_CASE("stretch: the same size changes no pixel, and layouts and channels are only orders") {
  const Image picture = ramp(5, 4);
  ImagePlan how = plan(5, 4);
  how.layout = Layout::nhwc;
  const auto rgb = prepared(picture, how);
  for (std::size_t i = 0; i < rgb.size(); ++i) CHECK(rgb[i] == picture.rgb[i]);
  how.channels = Channels::bgr;
  const auto bgr = prepared(picture, how);
  how.layout = Layout::nchw;
  const auto planes = prepared(picture, how);
  for (std::size_t i = 0; i < 20; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(bgr[3 * i + c] == rgb[3 * i + 2 - c]);
      CHECK(planes[20 * c + i] == bgr[3 * i + c]);
    }
  }
  how.channels = Channels::gray;
  const auto grey = prepared(picture, how);
  REQUIRE(grey.size() == 20);
  CHECK(grey[1] == doctest::Approx(0.299 * 10 + 0.587 * 1));
}

TEST_CASE("values: scale, mean and deviation, in that order") {
  ImagePlan how = plan(1, 1);
  how.scale = 0.5f;
  how.mean = {10, 20, 30};
  how.deviation = {2, 4, 8};
  const auto values = prepared(image(1, 1, 100), how);
  CHECK(values == std::vector<float>{20, 7.5f, 2.5f});
}

TEST_CASE("resizing keeps what is even, and the mean of what is not") {
  for (const bool antialias : {true, false}) {
    for (const auto& [width, height] : {std::pair{3u, 7u}, {64u, 50u}, {1u, 1u}}) {
      for (const float value : resized(image(20, 30, 77), width, height, antialias))
        CHECK(value == doctest::Approx(77));
    }
  }
  const auto half_size = resized(ramp(8, 8), 4, 4, true);
  const auto whole = ramp(8, 8);
  double before = 0, after = 0;
  for (const std::uint8_t value : whole.rgb) before += value;
  for (const float value : half_size) after += value;
  CHECK(after / 48 == doctest::Approx(before / 192).epsilon(0.01));
}

TEST_CASE("antialiasing sees every pixel, plain bilinear two") {
  Image picture = image(16, 1, 0);
  for (const std::size_t x : {0u, 3u, 5u, 9u}) picture.rgb[3 * x] = 255;
  double weight = 0;
  for (std::size_t x = 0; x < 16; ++x) {
    Image one = image(16, 1, 0);
    one.rgb[3 * x] = 255;
    CHECK(resized(one, 2, 1, true)[0] + resized(one, 2, 1, true)[3] > 0);
    weight += resized(one, 2, 1, false)[0] > 0 ? 1 : 0;
  }
  CHECK(weight == 2);
}

TEST_CASE("crop: the middle, from the shorter side that is asked for") {
  ImagePlan how = plan(4, 4);
  how.fit = Fitting::crop;
  how.layout = Layout::nhwc;
  const auto wide = prepare(ramp(8, 4), how, "a");
  REQUIRE(wide);
  CHECK(floats(wide->tensor)[0] == 20);  // two columns cut off on each side
  CHECK(wide->placement.offset_x == -2);
  how.shorter = 8;
  const auto larger = prepare(ramp(8, 4), how, "a");
  REQUIRE(larger);
  CHECK(larger->placement.scale_x == 2);
  CHECK(larger->placement.offset_x == -6);
  CHECK(larger->placement.offset_y == -2);
}

TEST_CASE("pad: all of it, with the rest around") {
  ImagePlan how = plan(8, 8);
  how.fit = Fitting::pad;
  how.pad = 114;
  how.layout = Layout::nhwc;
  const auto centred = prepare(ramp(8, 4), how, "a");
  REQUIRE(centred);
  const auto values = floats(centred->tensor);
  CHECK(values[0] == 114);
  CHECK(values[(2 * 8 + 1) * 3] == 10);
  CHECK(values[(6 * 8) * 3] == 114);
  CHECK(centred->placement.offset_y == 2);
  how.pad_centred = false;
  const auto corner = prepare(ramp(8, 4), how, "a");
  REQUIRE(corner);
  CHECK(floats(corner->tensor)[3] == 10);
  CHECK(corner->placement.offset_y == 0);
}

TEST_CASE("an image that would become too large on the way is refused") {
  ImagePlan how = plan(4096, 4096);
  how.fit = Fitting::crop;
  const auto made = prepare(image(16000, 1, 1), how, "long.png");
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::invalid_input);
  CHECK(made.error().message.find("long.png") != std::string::npos);
}

TEST_CASE("u8 and f16 hold what f32 holds, rounded") {
  ImagePlan how = plan(2, 1);
  how.type = ElementType::u8;
  const auto bytes = prepare(ramp(4, 1), how, "a");
  REQUIRE(bytes);
  CHECK(bytes->tensor.data.size() == 6);
  CHECK(half(0) == 0);
  CHECK(half(1) == 0x3c00);
  CHECK(half(-2) == 0xc000);
  CHECK(half(65504) == 0x7bff);
  CHECK(half(65520) == 0x7c00);
  CHECK(half(5.9604645e-8f) == 1);
  CHECK(half(2.9802322e-8f) == 0);
  CHECK(half(1.0009765625f) == 0x3c01);
  CHECK(half(1.00048828125f) == 0x3c00);  // a tie, to even
  CHECK(half(1.00146484375f) == 0x3c02);
  CHECK(half(std::nanf("")) == 0x7e00);
}
