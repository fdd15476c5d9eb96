#include "self_test.h"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpp.h>
#include <ggml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <random>

#include "child.h"
#include "engine_log.h"
#include "strop/result.h"

namespace strop::llama_cpp {
namespace {

constexpr std::array kTypes{GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16,  GGML_TYPE_Q8_0,
                            GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_IQ4_NL};

// Normalised squared error that rounding the activations to 8 bits may cause; the bound of ggml's
// own tests.
constexpr double kTolerance = 5e-4;

// weights [rows, depth] x input [columns, depth] -> [columns, rows]
struct Shape {
  std::int64_t rows, columns, depth;
};
// A decode step and a prompt; the odd column counts reach the kernels' remainders.
constexpr std::array kShapes{Shape{32, 1, 256}, Shape{64, 7, 512}, Shape{96, 33, 512}};

struct Product {
  ggml_type type;
  Shape shape;
  std::vector<std::uint8_t> weights;  // in the type's layout
  std::vector<float> input;
  std::vector<float> expected;
};

std::vector<float> random_values(std::size_t count, std::mt19937& generator) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

// Dequantises one row at a time with ggml's scalar code, which is the same in every CPU variant.
std::vector<float> multiply_plainly(const Product& product) {
  const auto [rows, columns, depth] = product.shape;
  const auto row_bytes = ggml_row_size(product.type, depth);
  const auto to_float = ggml_get_type_traits(product.type)->to_float;
  std::vector<float> result(static_cast<std::size_t>(rows * columns));
  std::vector<float> row(static_cast<std::size_t>(depth));
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto* source = product.weights.data() + static_cast<std::size_t>(r) * row_bytes;
    if (to_float != nullptr) {
      to_float(source, row.data(), depth);
    } else {
      std::copy_n(reinterpret_cast<const float*>(source), depth, row.begin());
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      const float* input = product.input.data() + c * depth;
      double sum = 0;
      for (std::int64_t d = 0; d < depth; ++d)
        sum += double{row[static_cast<std::size_t>(d)]} * input[d];
      result[static_cast<std::size_t>(c * rows + r)] = static_cast<float>(sum);
    }
  }
  return result;
}

Product make_product(ggml_type type, Shape shape, std::mt19937& generator) {
  Product product{type, shape, {}, {}, {}};
  const auto weights = random_values(static_cast<std::size_t>(shape.rows * shape.depth), generator);
  product.input = random_values(static_cast<std::size_t>(shape.columns * shape.depth), generator);
  product.weights.resize(static_cast<std::size_t>(shape.rows) * ggml_row_size(type, shape.depth));
  ggml_quantize_chunk(type, weights.data(), product.weights.data(), 0, shape.rows, shape.depth,
                      nullptr);
  product.expected = multiply_plainly(product);
  return product;
}

double squared_error(const std::vector<float>& got, const std::vector<float>& expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = double{got[i]} - expected[i];
    error += difference * difference;
    norm += double{expected[i]} * expected[i];
  }
  return error / norm;
}

ggml_context_ptr new_context() {
  return ggml_context_ptr(
      ggml_init({ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true}));
}

// The kernels' own weight layouts (AMX tiles, repacked rows) are buffer types of their own.
std::vector<ggml_backend_buffer_type_t> weight_layouts(ggml_backend_dev_t device) {
  std::vector<ggml_backend_buffer_type_t> layouts{ggml_backend_dev_buffer_type(device)};
  const auto extra =
      reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
  if (extra == nullptr) return layouts;
  for (auto* layout = extra(device); layout != nullptr && *layout != nullptr; ++layout)
    layouts.push_back(*layout);
  return layouts;
}

// The engine's product with the weights in that layout; nothing when the layout does not take the
// type.
std::optional<std::vector<float>> multiply(ggml_backend_t backend,
                                           ggml_backend_buffer_type_t layout,
                                           const Product& product) {
  const auto [rows, columns, depth] = product.shape;
  const auto weight_context = new_context();
  const auto context = new_context();
  auto* weights = ggml_new_tensor_2d(weight_context.get(), product.type, depth, rows);
  auto* input = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, depth, columns);
  auto* result = ggml_mul_mat(context.get(), weights, input);

  // Whether a layout takes an operation can only be asked with the weights in such a buffer.
  const ggml_backend_buffer_ptr probe(ggml_backend_buft_alloc_buffer(layout, 0));
  weights->buffer = probe.get();
  const bool supported = ggml_backend_supports_op(backend, result);
  weights->buffer = nullptr;
  if (!supported) return std::nullopt;

  const ggml_backend_buffer_ptr weight_buffer(
      ggml_backend_alloc_ctx_tensors_from_buft(weight_context.get(), layout));
  const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend));
  ggml_backend_tensor_set(weights, product.weights.data(), 0, product.weights.size());
  ggml_backend_tensor_set(input, product.input.data(), 0, product.input.size() * sizeof(float));
  auto* graph = ggml_new_graph_custom(context.get(), 8, false);
  ggml_build_forward_expand(graph, result);
  if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS)
    return std::vector<float>{};

  std::vector<float> values(product.expected.size());
  ggml_backend_tensor_get(result, values.data(), 0, values.size() * sizeof(float));
  return values;
}

std::string described(const Product& product, ggml_backend_buffer_type_t layout, int threads) {
  const auto [rows, columns, depth] = product.shape;
  return str(ggml_type_name(product.type), " product ", rows, "x", columns, "x", depth, " in ",
             ggml_backend_buft_name(layout), " with ", threads,
             threads == 1 ? " thread" : " threads");
}

// The first product that is wrong, in words; empty when all are right.
std::string wrong_product(ggml_backend_t backend, const Product& product) {
  const auto device = ggml_backend_get_device(backend);
  const auto set_threads =
      reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
  for (const auto layout : weight_layouts(device)) {
    for (const int threads : {1, 2}) {
      set_threads(backend, threads);
      const auto got = multiply(backend, layout, product);
      if (!got) continue;
      if (got->empty()) return described(product, layout, threads) + " was refused by the engine";
      const double error = squared_error(*got, product.expected);
      // Written so that a NaN fails.
      if (!(error <= kTolerance))
        return str(described(product, layout, threads), " is wrong: squared error ", error);
    }
  }
  return {};
}

std::vector<std::string> features_of(ggml_backend_reg_t engine) {
  std::vector<std::string> names;
  const auto features = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(engine, "ggml_backend_get_features"));
  if (features == nullptr) return names;
  for (auto* feature = features(engine); feature->name != nullptr; ++feature) {
    if (std::string_view(feature->value) == "1") names.emplace_back(feature->name);
  }
  return names;
}

int fail(const std::string& reason) {
  std::printf("failed %s\n", reason.c_str());
  return 1;
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

}  // namespace

int self_test_main(const std::filesystem::path& library) {
  alarm(60);  // an orphan ends by itself
  capture_engine_log();
  const auto engine = ggml_backend_load(library.c_str());
  if (engine == nullptr) return fail("it does not load: " + engine_complaints());
  const ggml_backend_ptr backend(
      ggml_backend_dev_init(ggml_backend_reg_dev_get(engine, 0), nullptr));
  if (!backend) return fail("it does not start");

  std::mt19937 generator(1);
  for (const auto type : kTypes) {
    for (const auto& shape : kShapes) {
      const auto wrong = wrong_product(backend.get(), make_product(type, shape, generator));
      if (!wrong.empty()) return fail(wrong);
    }
  }
  std::string line = "ok";
  for (const auto& feature : features_of(engine)) line += " " + feature;
  std::printf("%s\n", line.c_str());
  return 0;
}

SelfTestResult self_test_in_child(const std::filesystem::path& worker,
                                  const std::filesystem::path& library) {
  const auto end = run_aside(worker, {kSelfTestFlag, library.string()}, std::chrono::seconds(20));
  if (!end) return {false, end.error().message, {}};
  auto said = words(end->output);
  const bool ok = end->failure.empty() && !said.empty() && said.front() == "ok";
  if (ok) return {true, {}, {said.begin() + 1, said.end()}};
  if (!end->failure.empty()) return {false, end->failure, {}};
  const auto line = end->output.substr(0, end->output.find('\n'));
  return {false, line.starts_with("failed ") ? line.substr(7) : "it said nothing", {}};
}

}  // namespace strop::llama_cpp
