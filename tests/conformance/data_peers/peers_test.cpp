// Against NumPy's own npz files and Pillow's decoding and resizing.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "formats/mapped_file.h"
#include "formats/npy.h"
#include "image.h"
#include "preprocess.h"
#include "samples.h"

using namespace strop;
using namespace strop::data;

namespace {

namespace fs = std::filesystem;

const fs::path kPeers = STROP_DATA_PEERS;

std::vector<std::string> names() {
  std::vector<std::string> all;
  std::ifstream file(kPeers / "names.txt");
  for (std::string line; std::getline(file, line);) all.push_back(line);
  if (all.empty()) {
    std::cout << "skipped: there is no reference (the test conformance-data-peers-made says why)\n";
    std::exit(77);
  }
  return all;
}

formats::MappedFile opened(const std::string& name) {
  auto file = formats::MappedFile::open(kPeers / name);
  REQUIRE(file);
  return *std::move(file);
}

// Rows of RGB that Pillow gave.
std::vector<std::uint8_t> pixels(const std::string& name) {
  const auto file = opened(name);
  const auto header = formats::read_npy_header(file.bytes(), name);
  REQUIRE(header);
  const std::string_view data = file.bytes().substr(header->data_offset);
  return {data.begin(), data.end()};
}

}  // namespace

TEST_CASE("images decode to Pillow's pixels") {
  for (const std::string& name : names()) {
    CAPTURE(name);
    const auto image = decode_image(opened(name).bytes(), name);
    REQUIRE(image);
    const auto expected = pixels(name + ".rgb.npy");
    REQUIRE(image->rgb.size() == expected.size());
    int most = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      most = std::max(most, std::abs(image->rgb[i] - expected[i]));
    // PNG is exact; two releases of the JPEG decoder may round a colour another way.
    CHECK(most <= (name.ends_with(".png") ? 0 : 1));
  }
}

TEST_CASE("resizing gives what Pillow rounds, smaller and larger") {
  for (const std::string& name : names()) {
    CAPTURE(name);
    const auto image = decode_image(opened(name).bytes(), name);
    REQUIRE(image);
    for (const auto& [width, height] : {std::pair{32u, 24u}, {200u, 150u}}) {
      const auto ours = resized(*image, width, height, true);
      const auto theirs = pixels(str(name, ".", width, "x", height, ".npy"));
      REQUIRE(ours.size() == theirs.size());
      double most = 0;
      for (std::size_t i = 0; i < ours.size(); ++i)
        most = std::max(most, std::abs(double{ours[i]} - theirs[i]));
      // It rounds to whole steps twice, across and down; a JPEG may be one step off before.
      CHECK(most <= (name.ends_with(".png") ? 1.01 : 2.01));
    }
  }
}

TEST_CASE("NumPy's npz files, stored and compressed, become the same samples") {
  names();
  for (const bool packed : {false, true}) {
    const fs::path out = kPeers / (packed ? "packed_samples" : "ours");
    fs::remove_all(out);
    fs::create_directories(out);
    const Request request{.data = kPeers / (packed ? "packed.npz" : "stored.npz"),
                          .inputs = {{.name = "x", .type = "f32", .shape = {-1, 2, 3}}}};
    const auto list = make_samples(request, {.dir = out});
    REQUIRE_MESSAGE(list, (list ? std::string() : list.error().message));
    CHECK(list->available == 40);
    CHECK(list->count == 30);
    for (std::size_t i = 0; i < list->count; ++i) {
      const auto row = std::stol(list->sources[i].substr(list->sources[i].find('#') + 1));
      CHECK(list->labels[i].index == row % 7);
    }
  }
}
