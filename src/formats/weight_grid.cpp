#include "formats/weight_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "core/half.h"

namespace strop::formats {
namespace {

constexpr std::size_t kGroup = 32;     // values that share a scale, or a part of them
constexpr std::uint32_t kLevels = 16;  // of 4 bits
constexpr std::size_t kMostValues = 256;
constexpr std::size_t kMatrices = 8, kPlaces = 4, kGroupsInPlace = 16;
// Levels of a group's grid on average: fewer are weights of 1 or 2 bits, or constants.
constexpr double kLeastLevels = 6;
constexpr double kSlack = 0.1;  // of a step: what 16 bits round away

using Group = std::array<float, kGroup>;

// How far the value farthest from the grid is off it, in steps.
double farthest(const EvenGrid& grid, std::span<const float> values) {
  double most = 0;
  for (const float value : values) {
    const double place = (value - grid.least) / grid.step;
    most = std::max(most, std::abs(place - std::round(place)));
  }
  return most;
}

float element(std::string_view type, const char* at) {
  if (type == "f32") {
    float value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return type == "f16" ? from_f16(bits) : from_bf16(bits);
}

bool is_counted(const WeightMatrix& matrix) {
  if (!is_float(matrix.type) || matrix.columns < kGroup || matrix.columns % kGroup != 0)
    return false;
  const auto has = [&](std::string_view part) {
    return matrix.name.find(part) != matrix.name.npos;
  };
  return !has("embed") && !has("embd") && !matrix.name.starts_with("lm_head") &&
         !matrix.name.starts_with("output.");
}

Group group_at(const WeightMatrix& matrix, std::size_t index) {
  const std::size_t size = safetensors_element_bytes(matrix.type);
  Group group;
  for (std::size_t i = 0; i < kGroup; ++i)
    group[i] = element(matrix.type, matrix.data.data() + (index * kGroup + i) * size);
  return group;
}

// What was seen of the groups looked at.
struct Seen {
  std::size_t groups = 0, levels = 0;
  bool zero_on_grid = true;  // in every group
};

bool has_zero(const EvenGrid& grid) {
  if (grid.levels < 2) return true;
  const double place = grid.least / grid.step;
  return std::abs(place - std::round(place)) <= kSlack;
}

// False when a group lies on no grid.
bool look_at(const WeightMatrix& matrix, Seen& seen) {
  const std::size_t groups = matrix.data.size() / (kGroup * safetensors_element_bytes(matrix.type));
  for (std::size_t place = 0; place < kPlaces; ++place) {
    const std::size_t begin = groups / kPlaces * place;
    const std::size_t end = std::min(groups, begin + kGroupsInPlace);
    for (std::size_t index = begin; index < end; ++index) {
      const auto grid = even_grid(group_at(matrix, index));
      if (!grid) return false;
      ++seen.groups;
      seen.levels += grid->levels;
      seen.zero_on_grid = seen.zero_on_grid && has_zero(*grid);
    }
  }
  return true;
}

}  // namespace

std::optional<EvenGrid> even_grid(std::span<const float> values) {
  std::array<float, kMostValues> buffer{};
  const auto sorted = std::span(buffer).first(values.size());
  std::copy(values.begin(), values.end(), sorted.begin());
  if (!std::all_of(sorted.begin(), sorted.end(), [](float value) { return std::isfinite(value); }))
    return std::nullopt;
  std::sort(sorted.begin(), sorted.end());
  const auto count =
      static_cast<std::size_t>(std::unique(sorted.begin(), sorted.end()) - sorted.begin());
  if (count > kLevels) return std::nullopt;
  const double width = double{sorted[count - 1]} - sorted[0];
  if (count == 1) return EvenGrid{.least = sorted[0]};
  EvenGrid best;
  double least = kSlack;
  for (auto levels = static_cast<std::uint32_t>(count); levels <= kLevels; ++levels) {
    const EvenGrid grid{sorted[0], width / (levels - 1), levels};
    const double off = farthest(grid, sorted.first(count));
    if (off >= least) continue;
    least = off;
    best = grid;
  }
  return best.levels > 1 ? std::optional(best) : std::nullopt;
}

std::string grid_of(std::span<const WeightMatrix> matrices) {
  std::vector<const WeightMatrix*> counted;
  for (const WeightMatrix& matrix : matrices) {
    if (is_counted(matrix)) counted.push_back(&matrix);
  }
  const std::size_t looked_at = std::min(kMatrices, counted.size());
  Seen seen;
  for (std::size_t i = 0; i < looked_at; ++i) {
    if (!look_at(*counted[i * counted.size() / looked_at], seen)) return {};
  }
  const bool few =
      static_cast<double>(seen.levels) < kLeastLevels * static_cast<double>(seen.groups);
  if (seen.groups == 0 || few) return {};
  return seen.zero_on_grid ? kIntegerGrid : kOffsetGrid;
}

std::string grid_of(const SafetensorsModel& weights) {
  std::vector<WeightMatrix> matrices;
  for (const SafeTensor& tensor : weights.tensors) {
    if (tensor.shape.size() == 2)
      matrices.push_back({tensor.name, tensor.type, tensor.shape.back(), tensor.data});
  }
  return grid_of(matrices);
}

std::string grid_of(const GgufFile& file) {
  std::vector<WeightMatrix> matrices;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.shape.size() == 2)
      matrices.push_back({tensor.name, tensor.type->name, tensor.shape.front(), tensor.data});
  }
  return grid_of(matrices);
}

}  // namespace strop::formats
