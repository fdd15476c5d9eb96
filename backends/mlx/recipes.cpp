#include "recipes.h"

#include "formats/affine.h"
#include "formats/mlx.h"
#include "strop/result.h"

namespace strop::mlx {
namespace {

using formats::AffineGrid;

constexpr std::size_t kScaleBytes = 2;        // scales in the original's 16 bits
constexpr std::uint32_t kStandInTokens = 64;  // some 10 seconds of MLX on two CPU cores
// Of a llama-type layer's weights, those of its value and down projections.
constexpr double kSensitiveShare = 0.28;

// A model in f32 keeps its scales in f32.
std::size_t scale_bytes(const Model& model) { return model.precision == "f32" ? 4 : kScaleBytes; }

Recipe quantised(const Model& model, const std::string& name, const AffineGrid& grid,
                 const std::string& note) {
  return {.name = name,
          .backend = "mlx",
          .steps = {{"convert",
                     Operation::quantize,
                     {{"to", "mlx"}, {"bits", str(grid.bits)}, {"group_size", str(grid.group)}}}},
          .bits_per_weight = formats::bits_per_weight(grid, scale_bytes(model)),
          .note = note};
}

// More bits for the value and down projections of sensitive layers, as in mlx-lm's recipe of that
// name.
Recipe mixed(const Model& model, const AffineGrid& low, std::uint32_t high) {
  Recipe recipe =
      quantised(model, str("mixed_", low.bits, "_", high), low,
                str(low.bits, " bits, value and down projections of half the layers at ", high));
  recipe.steps[0].params["sensitive_bits"] = str(high);
  std::uint32_t more = 0;
  for (std::uint32_t layer = 0; layer < *model.layer_count; ++layer)
    more += formats::is_sensitive_layer(layer, *model.layer_count);
  const double layers_share = model.parameter_count && model.vocabulary_size && model.width
                                  ? 1 - static_cast<double>(*model.vocabulary_size) * *model.width /
                                            static_cast<double>(*model.parameter_count)
                                  : 1;
  recipe.bits_per_weight +=
      (high - low.bits) * layers_share * kSensitiveShare * more / *model.layer_count;
  return recipe;
}

}  // namespace

std::vector<Recipe> recipes_for(const Model& model, bool stand_in) {
  const std::uint32_t width = model.width.value_or(64);
  if (width % 32 != 0) return {};
  const std::uint32_t group = width % 64 == 0 ? 64 : 32;
  const AffineGrid four{4, group};
  std::vector<Recipe> recipes{
      quantised(model, "int4", four, str("4 bits, groups of ", group, ": the usual choice")),
      quantised(model, "int8", {8, group}, str("8 bits, groups of ", group, ": near the original")),
      quantised(model, "int6", {6, group}, str("6 bits, groups of ", group))};
  const bool has_layers = model.layer_count && *model.layer_count > 0;
  if (has_layers) recipes.push_back(mixed(model, four, 6));
  recipes.push_back(quantised(model, "int5", {5, group}, str("5 bits, groups of ", group)));
  if (has_layers) recipes.push_back(mixed(model, {3, group}, 6));
  recipes.push_back(quantised(model, "int3", {3, group}, str("3 bits, groups of ", group)));
  if (width % 128 == 0)
    recipes.push_back(quantised(model, "int4_g128", {4, 128}, "4 bits, groups of 128: smaller"));
  if (group == 64)
    recipes.push_back(quantised(model, "int4_g32", {4, 32}, "4 bits, groups of 32: finer, larger"));
  if (has_layers) recipes.push_back(mixed(model, {2, group}, 6));
  recipes.push_back(quantised(model, "int2", {2, group}, str("2 bits, groups of ", group)));
  for (Recipe& recipe : recipes) {
    if (stand_in)
      recipe.stand_in =
          StandIn{"llama_cpp",
                  {{"convert", Operation::convert, {{"to", "gguf"}, {"type", "f32"}}}},
                  kStandInTokens};
  }
  return recipes;
}

}  // namespace strop::mlx
