// data.json: what the user says about the data. docs/data.md lists its fields.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "preprocess.h"
#include "strop/model.h"

namespace strop::data {

constexpr std::uint64_t kMaxConfig = 1u << 20;

// As written; what is left out stays empty until it is settled with the model's ports.
struct ImageConfig {
  std::string input;
  std::optional<std::uint32_t> width, height, shorter;
  std::optional<Fitting> fit;
  std::optional<bool> antialias, pad_centred;
  std::optional<std::uint8_t> pad;
  std::optional<Channels> channels;
  std::optional<Layout> layout;
  std::optional<double> scale;
  std::vector<float> mean, deviation;
};

struct DataConfig {
  std::string task, output, labels;
  std::vector<std::string> classes;
  std::optional<bool> rows;  // each: "row" or "file"
  std::map<std::string, Json> constants;
  std::optional<ImageConfig> images;
};

// Refuses unknown fields, wrong types and values out of range, by the field's path.
Result<DataConfig> read_data_config(const Json& json);

// What the model says fills what data.json leaves out; what neither says is asked for.
Result<ImagePlan> settle(const ImageConfig& config, const std::vector<Port>& inputs);

// The plan in a sentence, for the notes.
std::string in_words(const ImagePlan& plan);

// "pixel_values f32 [1, 3, ?, ?], ..."
std::string in_words(const std::vector<Port>& ports);
std::string in_words(const std::vector<std::int64_t>& shape);

}  // namespace strop::data
