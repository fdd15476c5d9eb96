#include "formats/mlx.h"

#include "core/half.h"
#include "core/json.h"
#include "formats/checked.h"
#include "formats/mapped_file.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 16u << 20;
constexpr std::string_view kScales = ".scales";

Error refuse(const std::string& field, const std::string& rule, const Json& value) {
  const std::string got = value.is_null() ? "nothing" : shown(value);
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[formats] config.json: ", field, " ", rule, ", but is ", got),
               .field = field,
               .value = got};
}

Result<std::uint32_t> small_number(const Json& json, const std::string& place, const char* field) {
  const Json value = json.value(field, Json());
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= 1024)
    return value.get<std::uint32_t>();
  return refuse(str(place, ".", field), "must be a small whole number", value);
}

Result<AffineGrid> read_grid(const Json& json, const std::string& place) {
  const Json mode = json.value("mode", Json("affine"));
  if (mode != "affine") return refuse(str(place, ".mode"), "must be affine", mode);
  AffineGrid grid;
  STROP_TRY(grid.bits, small_number(json, place, "bits"));
  STROP_TRY(grid.group, small_number(json, place, "group_size"));
  STROP_CHECK(check_grid(grid));
  return grid;
}

Error broken(const std::string& tensor, const std::string& rule) {
  return Error{.code = ErrorCode::corrupt,
               .message = str("[formats] the tensor ", tensor, " ", rule),
               .hint = "The folder is damaged, or its config.json is of another model.",
               .field = tensor};
}

// Nothing when the module is stored whole.
std::optional<AffineGrid> grid_of(const MlxQuantization& quantization, const std::string& module) {
  const auto own = quantization.modules.find(module);
  return own == quantization.modules.end() ? quantization.grid : own->second;
}

Result<MlxMatrix> read_matrix(const MlxQuantization& quantization, const SafetensorsModel& weights,
                              const SafeTensor& scales) {
  const std::string module = scales.name.substr(0, scales.name.size() - kScales.size());
  const SafeTensor* weight = weights.find(module + ".weight");
  const SafeTensor* biases = weights.find(module + ".biases");
  if (!weight || !biases) return broken(scales.name, "has no weight or no biases beside it");
  const auto grid = grid_of(quantization, module);
  if (!grid) return broken(scales.name, "is of a module that config.json calls not quantised");
  if (!is_float(scales.type) || biases->type != scales.type || biases->shape != scales.shape ||
      scales.shape.size() != 2)
    return broken(scales.name, "must be f32, f16 or bf16 of two dimensions, like its biases");
  if (weight->type != "u32" || weight->shape.size() != 2 || weight->shape[0] != scales.shape[0])
    return broken(weight->name, "must be u32 with a row for each row of its scales");
  const Checked columns = Checked(scales.shape[1]) * grid->group;
  const auto bits = (columns * grid->bits).value();
  if (!bits || *bits != (Checked(weight->shape[1]) * 32).value())
    return broken(weight->name,
                  str("has ", weight->shape[1], " words a row, which is not what ", scales.shape[1],
                      " groups of ", grid->group, " values of ", grid->bits, " bits need"));
  return MlxMatrix{*weight, scales, *biases, *grid, scales.shape[0], *columns.value()};
}

}  // namespace

Result<std::optional<MlxQuantization>> read_mlx_quantization(const fs::path& folder) {
  STROP_TRY(const MappedFile file, MappedFile::open_inside(folder, "config.json"));
  if (file.bytes().size() > kMaxConfigBytes)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[formats] ", file.path().string(), " must be at most ",
                                kMaxConfigBytes, " bytes"),
                 .field = "config.json"};
  STROP_TRY(const Json config, parse_json(file.bytes(), file.path().string()));
  const Json stated = config.is_object() ? config.value("quantization", Json()) : Json();
  if (stated.is_null()) return std::optional<MlxQuantization>();
  if (!stated.is_object()) return refuse("quantization", "must be an object", stated);
  MlxQuantization quantization;
  STROP_TRY(quantization.grid, read_grid(stated, "quantization"));
  for (const auto& [name, value] : stated.items()) {
    if (name == "bits" || name == "group_size" || name == "mode") continue;
    const std::string place = str("quantization.", name);
    if (value.is_object()) {
      STROP_TRY(quantization.modules[name], read_grid(value, place));
    } else if (value == Json(false)) {
      quantization.modules[name] = std::nullopt;
    } else if (value != Json(true)) {
      return refuse(place, "must be an object, true or false", value);
    }
  }
  return std::optional(std::move(quantization));
}

Result<std::map<std::string, MlxMatrix>> read_mlx_matrices(const MlxQuantization& quantization,
                                                           const SafetensorsModel& weights) {
  std::map<std::string, MlxMatrix> matrices;
  for (const SafeTensor& tensor : weights.tensors) {
    if (!tensor.name.ends_with(kScales)) continue;
    STROP_TRY(MlxMatrix matrix, read_matrix(quantization, weights, tensor));
    matrices.emplace(matrix.weight.name, std::move(matrix));
  }
  for (const SafeTensor& tensor : weights.tensors) {
    if (tensor.type == "u32" && !matrices.contains(tensor.name))
      return broken(tensor.name, "is packed, but has no scales");
  }
  return matrices;
}

bool is_sensitive_layer(std::uint32_t layer, std::uint32_t layers) {
  const std::uint64_t eighth = layers / 8;
  return layer < eighth || layer >= 7ull * layers / 8 || (layer - eighth) % 3 == 2;
}

}  // namespace strop::formats
