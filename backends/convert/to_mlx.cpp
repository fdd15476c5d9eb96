#include "to_mlx.h"

#include <algorithm>
#include <charconv>
#include <iomanip>
#include <set>
#include <sstream>

#include "core/files.h"
#include "core/json.h"
#include "core/stop.h"
#include "formats/mlx.h"
#include "formats/safetensors_writer.h"
#include "to_gguf.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;

constexpr std::size_t kChunkBytes = 8u << 20;
constexpr std::uint64_t kShardBytes = 5ull << 30;  // as mlx-lm's
constexpr const char* kIndex = "model.safetensors.index.json";

Error bad(const std::string& field, const std::string& rule, const std::string& value) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[optimize] ", field, " must be ", rule, ", but is ", value),
               .field = field,
               .value = value};
}

Result<std::uint32_t> number(const std::string& field, std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return bad(field, "a whole number", std::string(text));
}

// "6/64": bits and group.
Result<std::optional<AffineGrid>> read_grid(std::string_view text) {
  if (text == "whole") return std::optional<AffineGrid>();
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return bad("modules", "PATTERN=BITS/GROUP or whole", std::string(text));
  AffineGrid grid;
  STROP_TRY(grid.bits, number("modules", text.substr(0, slash)));
  STROP_TRY(grid.group, number("modules", text.substr(slash + 1)));
  STROP_CHECK(check_grid(grid));
  return std::optional(grid);
}

Result<std::vector<MlxOverride>> read_overrides(const std::string& text) {
  std::vector<MlxOverride> overrides;
  std::istringstream entries(text);
  for (std::string entry; std::getline(entries, entry, ',');) {
    const std::size_t equals = entry.find('=');
    if (equals == entry.npos || equals == 0)
      return bad("modules", "a list of PATTERN=BITS/GROUP", entry);
    STROP_TRY(const auto grid, read_grid(std::string_view(entry).substr(equals + 1)));
    overrides.push_back({entry.substr(0, equals), grid});
  }
  return overrides;
}

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  for (std::size_t skip = star; skip <= name.size(); ++skip) {
    if (matches(pattern.substr(star + 1), name.substr(skip))) return true;
  }
  return false;
}

// What becomes of one tensor.
struct Stored {
  const TensorPlan* plan = nullptr;
  const SafeTensor* source = nullptr;
  std::string module;               // without .weight
  std::optional<AffineGrid> grid;   // nothing: whole
  FloatType type = FloatType::f32;  // of scales and biases, or of the whole tensor
};

std::string word(FloatType type) {
  return type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16";
}

// The layer in model.layers.N.x; nothing for what is in no layer.
std::optional<std::uint32_t> layer_of(std::string_view module) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!module.starts_with(kLayers)) return std::nullopt;
  std::uint32_t layer = 0;
  std::from_chars(module.data() + kLayers.size(), module.data() + module.size(), layer);
  return layer;
}

AffineGrid usual_grid(std::string_view module, const DecoderSource& source,
                      const MlxOptions& options) {
  if (!options.sensitive_bits) return options.grid;
  const auto layer = layer_of(module);
  const bool may_be = module.ends_with(".v_proj") || module.ends_with(".down_proj");
  const bool more =
      module == "lm_head" || (layer && may_be && is_sensitive_layer(*layer, source.config.layers));
  return {more ? *options.sensitive_bits : options.grid.bits, options.grid.group};
}

// mlx-lm asks the usual group before it looks at a module's own.
Result<Stored> stored(const TensorPlan& plan, const DecoderSource& source,
                      const MlxOptions& options, std::set<const MlxOverride*>& used) {
  Stored made{.plan = &plan};
  STROP_TRY(made.source, expected_tensor(source.weights, plan));
  made.type = options.type.value_or(*float_type(made.source->type));
  made.module = plan.source.substr(0, plan.source.rfind('.'));
  if (plan.shape.size() != 2) return made;
  const auto own =
      std::find_if(options.modules.begin(), options.modules.end(),
                   [&](const MlxOverride& one) { return matches(one.pattern, made.module); });
  if (own != options.modules.end()) used.insert(&*own);
  if (plan.shape[1] % options.grid.group != 0) return made;
  made.grid = own == options.modules.end() ? usual_grid(made.module, source, options) : own->grid;
  if (made.grid && plan.shape[1] % made.grid->group != 0)
    return bad("modules",
               str("a group that divides the ", plan.shape[1], " columns of ", made.module),
               str(made.grid->group));
  return made;
}

Result<std::vector<Stored>> plan_tensors(const DecoderSource& source, const MlxOptions& options) {
  std::vector<Stored> tensors;
  std::set<const MlxOverride*> used;
  for (const TensorPlan& plan : source.plan) {
    STROP_TRY(Stored one, stored(plan, source, options, used));
    tensors.push_back(std::move(one));
  }
  for (const MlxOverride& one : options.modules) {
    if (!used.contains(&one)) return bad("modules", "patterns of modules that exist", one.pattern);
  }
  const bool any = std::any_of(tensors.begin(), tensors.end(),
                               [](const Stored& tensor) { return tensor.grid.has_value(); });
  if (!any)
    return bad("group_size", str("a divisor of the model's width, ", source.config.width),
               str(options.grid.group));
  return tensors;
}

// As they stand in the file: the packed values, then what they are scaled by.
std::vector<DeclaredTensor> declared(const Stored& tensor) {
  const auto& shape = tensor.plan->shape;
  if (!tensor.grid) return {{tensor.plan->source, word(tensor.type), shape}};
  const std::uint64_t words = shape[1] * tensor.grid->bits / 32;
  const std::vector<std::uint64_t> groups{shape[0], shape[1] / tensor.grid->group};
  return {{tensor.module + ".weight", "u32", {shape[0], words}},
          {tensor.module + ".scales", word(tensor.type), groups},
          {tensor.module + ".biases", word(tensor.type), groups}};
}

std::uint64_t bytes_of(const std::vector<DeclaredTensor>& tensors) {
  std::uint64_t bytes = 0;
  for (const DeclaredTensor& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

using Shard = std::vector<Stored>;

std::vector<Shard> make_shards(const std::vector<Stored>& tensors) {
  std::vector<Shard> shards(1);
  std::uint64_t bytes = 0;
  for (const Stored& tensor : tensors) {
    const std::uint64_t more = bytes_of(declared(tensor));
    if (bytes + more > kShardBytes && !shards.back().empty()) shards.emplace_back(), bytes = 0;
    shards.back().push_back(tensor);
    bytes += more;
  }
  return shards;
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  std::ostringstream name;
  name << std::setfill('0') << "model-" << std::setw(5) << index + 1 << "-of-" << std::setw(5)
       << count << ".safetensors";
  return name.str();
}

class TensorWriter {
 public:
  TensorWriter(SafetensorsWriter& writer, const SafetensorsModel& weights)
      : writer_(writer), weights_(weights) {}

  Result<void> write(const Stored& tensor) {
    STROP_CHECK(tensor.grid ? quantised(tensor) : whole(tensor));
    weights_.files[tensor.source->file].release(tensor.source->data);
    return {};
  }

 private:
  Error not_finite(const Stored& tensor) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[optimize] the tensor ", tensor.plan->source,
                                " holds a value that is not finite, or not in the range of ",
                                word(tensor.type)),
                 .hint = "The weights are damaged; no artifact made of them could be right.",
                 .field = tensor.plan->source};
  }

  Result<void> whole(const Stored& tensor) {
    const FloatType from = *float_type(tensor.source->type);
    std::string buffer;
    for (std::size_t begin = 0; begin < tensor.source->data.size(); begin += kChunkBytes) {
      buffer.clear();
      if (!append_converted(tensor.source->data.substr(begin, kChunkBytes), from, tensor.type,
                            buffer))
        return not_finite(tensor);
      STROP_CHECK(writer_.append(buffer));
    }
    return {};
  }

  Result<void> quantised(const Stored& tensor) {
    const FloatType from = *float_type(tensor.source->type);
    const std::uint64_t rows = tensor.plan->shape[0], columns = tensor.plan->shape[1];
    const std::uint64_t row_bytes = tensor.source->data.size() / rows;
    std::vector<float> scales(columns / tensor.grid->group), biases(scales.size());
    std::string packed, stored_scales, stored_biases, values;
    for (std::uint64_t row = 0; row < rows; ++row) {
      values.clear();
      // Rounded to the stored type first, as mlx-lm casts the model before it quantises.
      if (!append_rounded(tensor.source->data.substr(row * row_bytes, row_bytes), from, tensor.type,
                          values))
        return not_finite(tensor);
      const auto* numbers = reinterpret_cast<const float*>(values.data());
      quantise_row({numbers, columns}, *tensor.grid, packed, scales, biases);
      if (!append_converted(bytes_of_floats(scales), FloatType::f32, tensor.type, stored_scales) ||
          !append_converted(bytes_of_floats(biases), FloatType::f32, tensor.type, stored_biases))
        return not_finite(tensor);
      if (packed.size() < kChunkBytes) continue;
      STROP_CHECK(writer_.append(packed));
      packed.clear();
    }
    STROP_CHECK(writer_.append(packed));
    STROP_CHECK(writer_.append(stored_scales));
    return writer_.append(stored_biases);
  }

  static std::string_view bytes_of_floats(const std::vector<float>& floats) {
    return {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)};
  }

  bool append_rounded(std::string_view from, FloatType type, FloatType through, std::string& out) {
    if (through == type || through == FloatType::f32)
      return append_converted(from, type, FloatType::f32, out);
    rounded_.clear();
    return append_converted(from, type, through, rounded_) &&
           append_converted(rounded_, through, FloatType::f32, out);
  }

  SafetensorsWriter& writer_;
  const SafetensorsModel& weights_;
  std::string rounded_;
};

Json grid_json(const AffineGrid& grid) {
  return {{"bits", grid.bits}, {"group_size", grid.group}, {"mode", "affine"}};
}

// config.json of the original with what mlx-lm reads: the usual grid, and modules that differ.
Result<std::string> config_text(const fs::path& folder, const MlxOptions& options,
                                const DecoderSource& source, const std::vector<Stored>& tensors) {
  STROP_TRY(const std::string text, read_text(folder / "config.json"));
  STROP_TRY(Json config, parse_json(text, (folder / "config.json").string()));
  Json quantization = grid_json(options.grid);
  for (const Stored& tensor : tensors) {
    if (tensor.grid && *tensor.grid != options.grid)
      quantization[tensor.module] = grid_json(*tensor.grid);
    if (!tensor.grid && tensor.plan->shape.size() == 2) quantization[tensor.module] = false;
  }
  config["quantization"] = quantization;
  config["quantization_config"] = quantization;
  if (options.type) {
    config.erase("dtype");
    config["torch_dtype"] = *options.type == FloatType::f32   ? "float32"
                            : *options.type == FloatType::f16 ? "float16"
                                                              : "bfloat16";
  }
  // Stated, because mlx-lm takes other values than the original's library where they are missing.
  config["tie_word_embeddings"] = source.config.tied_embeddings;
  config["rms_norm_eps"] = source.config.norm_epsilon;
  config["rope_theta"] = source.config.rope_base;
  if (source.config.rope_scaling && config.contains("rope_parameters"))
    config["rope_scaling"] = config["rope_parameters"];
  config.erase("_name_or_path");
  return text_of(config, 4) + "\n";
}

std::vector<std::string> notes_of(const std::vector<Stored>& tensors, const MlxOptions& options) {
  std::uint64_t bytes = 0, parameters = 0, whole = 0;
  for (const Stored& tensor : tensors) {
    bytes += bytes_of(declared(tensor));
    parameters += tensor.source->elements();
    if (!tensor.grid && tensor.plan->shape.size() == 2 &&
        tensor.plan->shape[1] % options.grid.group != 0)
      ++whole;
  }
  std::ostringstream bits;
  bits.precision(3);
  bits << "bits per weight: " << 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters);
  std::vector<std::string> notes{bits.str()};
  if (whole > 0)
    notes.push_back(
        str(whole, " matrices stay whole: their rows are no multiple of ", options.grid.group));
  return notes;
}

Result<void> write_shard(const fs::path& path, const Shard& shard, const DecoderSource& source,
                         std::size_t& done, const Workspace& workspace) {
  std::vector<DeclaredTensor> tensors;
  for (const Stored& tensor : shard) {
    for (DeclaredTensor& one : declared(tensor)) tensors.push_back(std::move(one));
  }
  SafetensorsWriter writer;
  STROP_CHECK(writer.begin(path, tensors, {{"format", "mlx"}}));
  TensorWriter copier(writer, source.weights);
  for (const Stored& tensor : shard) {
    STROP_CHECK(check_stop(workspace.stop));
    if (workspace.progress)
      workspace.progress->report(
          static_cast<double>(done) / static_cast<double>(source.plan.size()), tensor.module);
    STROP_CHECK(copier.write(tensor));
    ++done;
  }
  return writer.finish();
}

}  // namespace

Result<MlxOptions> mlx_options(const std::map<std::string, std::string>& params) {
  MlxOptions options;
  for (const auto& [name, value] : params) {
    if (name == "to") continue;
    if (name == "bits") {
      STROP_TRY(options.grid.bits, number(name, value));
    } else if (name == "sensitive_bits") {
      STROP_TRY(options.sensitive_bits, number(name, value));
    } else if (name == "group_size") {
      STROP_TRY(options.grid.group, number(name, value));
    } else if (name == "modules") {
      STROP_TRY(options.modules, read_overrides(value));
    } else if (name == "type") {
      options.type = float_type(value);
      if (!options.type && value != "auto") return bad(name, "auto, f32, f16 or bf16", value);
    } else {
      return bad("a parameter", "to, bits, sensitive_bits, group_size, modules or type", name);
    }
  }
  STROP_CHECK(check_grid(options.grid));
  if (options.sensitive_bits && (!check_grid({*options.sensitive_bits, options.grid.group}) ||
                                 *options.sensitive_bits < options.grid.bits))
    return bad("sensitive_bits", str("2, 3, 4, 5, 6 or 8, and at least ", options.grid.bits),
               str(*options.sensitive_bits));
  return options;
}

Result<MlxFolder> huggingface_to_mlx(const fs::path& folder, const MlxOptions& options,
                                     const Workspace& workspace) {
  STROP_TRY(const DecoderSource source, read_decoder(folder));
  STROP_TRY(const std::vector<Stored> tensors, plan_tensors(source, options));
  STROP_TRY(const std::string config, config_text(folder, options, source, tensors));
  const std::vector<Shard> shards = make_shards(tensors);
  MlxFolder made{.files = {"config.json"}, .notes = notes_of(tensors, options)};
  Json places = Json::object();
  std::uint64_t bytes = 0, parameters = 0;
  std::size_t done = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    STROP_CHECK(write_shard(workspace.dir / name, shards[i], source, done, workspace));
    made.files.push_back(name);
    for (const Stored& tensor : shards[i]) {
      for (const DeclaredTensor& one : declared(tensor)) {
        places[one.name] = name;
        bytes += one.bytes();
      }
      parameters += tensor.source->elements();
    }
  }
  const Json index{{"metadata", {{"total_size", bytes}, {"total_parameters", parameters}}},
                   {"weight_map", places}};
  STROP_CHECK(write_whole(workspace.dir / kIndex, text_of(index, 4) + "\n"));
  STROP_CHECK(write_vocabulary(source, folder, workspace.dir / "vocab.gguf"));
  STROP_CHECK(write_whole(workspace.dir / "config.json", config));
  made.files.insert(made.files.end(), {kIndex, "vocab.gguf"});
  return made;
}

}  // namespace strop::convert
