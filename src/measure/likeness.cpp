#include "measure/likeness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>

#include "core/half.h"

namespace strop::measure {
namespace {

constexpr double kLeastScore = 0.25;  // what detectors are commonly cut at

// Each element of type T, made a number by `value`.
template <class T, class Value>
std::vector<double> each(const Tensor& tensor, const Value& value) {
  std::vector<double> out(tensor.data.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, tensor.data.data() + i * sizeof(T), sizeof(T));
    out[i] = value(element);
  }
  return out;
}

template <class T>
std::vector<double> plain(const Tensor& tensor) {
  return each<T>(tensor, [](T element) { return static_cast<double>(element); });
}

std::vector<double> elements_of(const Tensor& tensor) {
  switch (tensor.type) {
    case ElementType::f32:
      return plain<float>(tensor);
    case ElementType::f16:
      return each<std::uint16_t>(tensor, from_f16);
    case ElementType::bf16:
      return each<std::uint16_t>(tensor, from_bf16);
    case ElementType::i64:
      return plain<std::int64_t>(tensor);
    case ElementType::i32:
      return plain<std::int32_t>(tensor);
    case ElementType::i8:
      return plain<std::int8_t>(tensor);
    case ElementType::u8:
      return plain<std::uint8_t>(tensor);
    case ElementType::boolean:
      return each<std::uint8_t>(tensor, [](std::uint8_t bit) { return bit ? 1.0 : 0.0; });
  }
  return {};
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Where values would stand in order; equal ones share the mean of their places.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + end - 1) / 2;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

std::vector<double> centred(std::vector<double> values) {
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  for (double& value : values) value -= mean;
  return values;
}

double area(const Box& box) {
  return std::max(0.0, box.x2 - box.x1) * std::max(0.0, box.y2 - box.y1);
}

const Tensor* named(std::span<const Tensor> outputs, const std::string& name) {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  return found == outputs.end() ? nullptr : &*found;
}

std::string shape_text(const Tensor& tensor) {
  std::string text = "[";
  for (const auto dimension : tensor.shape) text += str(text.size() > 1 ? ", " : "", dimension);
  return text + "]";
}

// The width of a list of rows, whatever stands before it as long as it is 1; 0 for anything else.
std::size_t width_of_rows(const Tensor& tensor) {
  const auto& shape = tensor.shape;
  if (shape.size() < 2 || shape.back() <= 0) return 0;
  const bool one_list = std::all_of(shape.begin(), shape.end() - 2, [](auto d) { return d == 1; });
  return one_list ? static_cast<std::size_t>(shape.back()) : 0;
}

void keep(std::vector<Box>& boxes, double score, const double* corners, double label) {
  if (score >= kLeastScore)
    boxes.push_back({corners[0], corners[1], corners[2], corners[3], std::llround(label)});
}

std::vector<Box> rows_of_six(std::span<const double> n) {
  std::vector<Box> boxes;
  for (std::size_t i = 0; i + 6 <= n.size(); i += 6) keep(boxes, n[i + 4], &n[i], n[i + 5]);
  return boxes;
}

std::vector<Box> rows_of_seven(std::span<const double> n) {
  std::vector<Box> boxes;
  for (std::size_t i = 0; i + 7 <= n.size() && n[i] >= 0; i += 7)
    keep(boxes, n[i + 2], &n[i + 3], n[i + 1]);
  return boxes;
}

Error no_boxes(const Tensor& tensor, const std::string& rule) {
  return Error{.code = ErrorCode::unsupported,
               .message = str("[measure] the boxes of the output ", tensor.name, " ", rule,
                              ", but its shape is ", shape_text(tensor), "."),
               .hint =
                   "docs/metrics.md lists the layouts. Without a task in data.json the outputs "
                   "are compared as numbers.",
               .field = tensor.name,
               .value = shape_text(tensor)};
}

Result<std::vector<Box>> three_lists(std::span<const Tensor> outputs, const Tensor& boxes) {
  const Tensor* scores = named(outputs, "scores");
  const Tensor* labels = named(outputs, "labels");
  if (!scores || !labels)
    return no_boxes(boxes, "need outputs named scores and labels beside them");
  STROP_TRY(const auto corners, numbers_of(boxes));
  STROP_TRY(const auto score, numbers_of(*scores));
  STROP_TRY(const auto label, numbers_of(*labels));
  if (score.size() != corners.size() / 4 || label.size() != score.size())
    return no_boxes(boxes, str("must be as many as their ", score.size(), " scores and ",
                               label.size(), " labels"));
  std::vector<Box> out;
  for (std::size_t i = 0; i < score.size(); ++i) keep(out, score[i], &corners[4 * i], label[i]);
  return out;
}

}  // namespace

Result<std::vector<double>> numbers_of(const Tensor& tensor) {
  std::vector<double> numbers = elements_of(tensor);
  const bool whole = std::all_of(numbers.begin(), numbers.end(),
                                 [](double number) { return std::isfinite(number); });
  if (!whole)
    return Error{
        .code = ErrorCode::backend,
        .message = str("[measure] the output ", tensor.name, " holds numbers that are not finite"),
        .field = tensor.name};
  std::uint64_t count = 1;
  for (const std::int64_t dimension : tensor.shape) {
    if (dimension < 0 ||
        __builtin_mul_overflow(count, static_cast<std::uint64_t>(dimension), &count))
      count = UINT64_MAX;
  }
  if (count != numbers.size())
    return Error{
        .code = ErrorCode::corrupt,
        .message = str("[measure] the output ", tensor.name, " must hold the ", shape_text(tensor),
                       " numbers of its shape, but holds ", numbers.size()),
        .field = tensor.name};
  return numbers;
}

double cosine(std::span<const double> a, std::span<const double> b) {
  const double lengths = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  if (lengths > 0) return std::clamp(dot(a, b) / lengths, -1.0, 1.0);
  return dot(a, a) == dot(b, b) ? 1 : 0;
}

double noise_ratio(std::span<const double> reference, std::span<const double> candidate) {
  double noise = 0;
  for (std::size_t i = 0; i < reference.size(); ++i)
    noise += (reference[i] - candidate[i]) * (reference[i] - candidate[i]);
  const double signal = dot(reference, reference);
  if (signal > 0) return noise / signal;
  return noise > 0 ? 1 : 0;
}

double decibels(double noise_ratio) {
  const double least = std::pow(10, -kMostDecibels / 10);
  return -10 * std::log10(std::max(noise_ratio, least));
}

std::vector<std::size_t> best_of_rows(std::span<const double> numbers, std::size_t width) {
  std::vector<std::size_t> best;
  for (std::size_t begin = 0; width > 0 && begin + width <= numbers.size(); begin += width) {
    const auto row = numbers.subspan(begin, width);
    best.push_back(
        static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return best;
}

double share_equal(std::span<const std::size_t> a, std::span<const std::size_t> b) {
  if (a.empty()) return 1;
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  STROP_ASSERT(a.size() == b.size() && a.size() >= 2, "ranks of ", a.size(), " and ", b.size());
  return cosine(centred(ranks_of(a)), centred(ranks_of(b)));
}

double explained(std::span<const double> reference, std::span<const double> candidate) {
  double error = 0;
  for (std::size_t i = 0; i < reference.size(); ++i)
    error += (reference[i] - candidate[i]) * (reference[i] - candidate[i]);
  const auto spread = centred({reference.begin(), reference.end()});
  const double variance = dot(spread, spread);
  if (variance > 0) return 1 - error / variance;
  return error > 0 ? 0 : 1;
}

double overlap(const Box& a, const Box& b) {
  const double both = area({std::max(a.x1, b.x1), std::max(a.y1, b.y1), std::min(a.x2, b.x2),
                            std::min(a.y2, b.y2), a.label});
  const double either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

double mean_overlap(std::span<const Box> a, std::span<const Box> b) {
  if (a.empty() && b.empty()) return 1;
  std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      const double common = a[i].label == b[j].label ? overlap(a[i], b[j]) : 0;
      if (common > 0) pairs.emplace_back(-common, i, j);  // the largest first, then the first
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::vector<bool> taken_a(a.size()), taken_b(b.size());
  double sum = 0;
  for (const auto& [common, i, j] : pairs) {
    if (taken_a[i] || taken_b[j]) continue;
    taken_a[i] = taken_b[j] = true;
    sum -= common;
  }
  return sum / static_cast<double>(std::max(a.size(), b.size()));
}

Result<std::vector<Box>> boxes_of(std::span<const Tensor> outputs, const std::string& output) {
  const Tensor* tensor = named(outputs, output);
  if (!tensor)
    return Error{.code = ErrorCode::backend,
                 .message = str("[measure] there is no output named ", output),
                 .field = output};
  const std::size_t width = width_of_rows(*tensor);
  if (width == 4 && tensor->name == "boxes") return three_lists(outputs, *tensor);
  if (width != 6 && width != 7)
    return no_boxes(*tensor, "must be rows of 6 or 7 numbers, or an output named boxes of 4");
  STROP_TRY(const auto numbers, numbers_of(*tensor));
  return width == 6 ? rows_of_six(numbers) : rows_of_seven(numbers);
}

}  // namespace strop::measure
