#include "measure/tensor_quality.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

namespace {

Tensor floats(const std::string& name, std::vector<std::int64_t> shape,
              const std::vector<float>& values) {
  Tensor made{.name = name, .type = ElementType::f32, .shape = std::move(shape), .data = {}};
  made.data.resize(values.size() * sizeof(float));
  std::memcpy(made.data.data(), values.data(), made.data.size());
  return made;
}

using Function = std::function<Result<std::vector<Tensor>>(float x)>;

// A model with one input of one number.
class FakeSession : public TensorSession {
 public:
  explicit FakeSession(Function function) : function_(std::move(function)) {}
  const SessionInfo& info() const override { return info_; }
  Result<Inference> infer(std::span<const Tensor> inputs) override {
    float x = 0;
    std::memcpy(&x, inputs.front().data.data(), sizeof x);
    STROP_TRY(auto outputs, function_(x));
    return Inference{std::move(outputs), 0.001};
  }

 private:
  Function function_;
  SessionInfo info_;
};

Function single(std::function<std::vector<float>(float)> values) {
  return [values](float x) -> Result<std::vector<Tensor>> {
    const auto numbers = values(x);
    return std::vector{floats("y", {1, static_cast<std::int64_t>(numbers.size())}, numbers)};
  };
}

Result<TensorSamples> scored(const Function& reference, const Function& candidate,
                             const TensorTask& task = {}, const std::vector<Label>& labels = {},
                             std::uint32_t count = 8) {
  FakeSession a(reference), b(candidate);
  const auto sample = [](std::uint32_t i) -> Result<std::vector<Tensor>> {
    return std::vector{floats("x", {1}, {static_cast<float>(i)})};
  };
  return score_tensors(a, b, count, sample, task, labels, nullptr, {});
}

const Metric* named(const std::vector<Metric>& metrics, const std::string& name,
                    const std::string& output = {}) {
  for (const Metric& metric : metrics)
    if (metric.metric == name && metric.context.output.value_or("") == output) return &metric;
  return nullptr;
}

double value(const TensorSamples& samples, const TensorTask& task, const std::string& name) {
  const auto metrics = summarise(samples, task);
  REQUIRE(named(metrics, name));
  return named(metrics, name)->value;
}

const Function kWave = single([](float x) {
  return std::vector<float>{std::sin(x), std::cos(x), 1};
});

}  // namespace

TEST_CASE("an artifact that answers alike is as good as the original") {
  const auto samples = scored(kWave, kWave);
  REQUIRE(samples);
  CHECK(samples->size() == 8);
  const auto metrics = summarise(*samples, {}, "samples/q.json");
  CHECK(named(metrics, "cosine")->value == doctest::Approx(1));
  CHECK(named(metrics, "noise_ratio")->value == 0);
  CHECK(named(metrics, "sqnr")->value == doctest::Approx(150));
  CHECK(named(metrics, "sqnr")->unit == "dB");
  CHECK(named(metrics, "accuracy")->value == doctest::Approx(1));
  CHECK(named(metrics, "accuracy")->interval);
  CHECK(named(metrics, "accuracy")->samples == 8);
  CHECK(named(metrics, "accuracy")->samples_path == "samples/q.json");
  CHECK_FALSE(named(metrics, "cosine", "y"));  // one output needs no table of its own
}

TEST_CASE("zeros, another scale and turned signs are noise as loud as the signal") {
  for (const float factor : {0.0f, 2.0f, -1.0f}) {
    const auto samples =
        scored(kWave, single([=](float x) {
                 return std::vector<float>{factor * std::sin(x), factor * std::cos(x), factor};
               }));
    CHECK(value(*samples, {}, "noise_ratio") >= 1 - 1e-6);
    CHECK(value(*samples, {}, "sqnr") <= 1e-5);
  }
}

TEST_CASE("one broken sample is not hidden by exact ones") {
  const auto samples = scored(kWave, single([](float x) {
                                return x == 3 ? std::vector<float>{0, 0, 0}
                                              : std::vector<float>{std::sin(x), std::cos(x), 1};
                              }));
  CHECK(value(*samples, {}, "sqnr") == doctest::Approx(10 * std::log10(8)));
  CHECK(value(*samples, {}, "cosine_worst") == 0);
}

TEST_CASE("classification: agreement, and the ratio of right answers where labels tell") {
  const TensorTask task{"classification", ""};
  const auto scores = [](int best) {
    std::vector<float> out(3, 0.1f);
    out[static_cast<std::size_t>(best)] = 0.8f;
    return out;
  };
  const auto reference = single([=](float x) { return scores(static_cast<int>(x) % 3); });
  const auto candidate =
      single([=](float x) { return scores(x < 2 ? 2 : static_cast<int>(x) % 3); });
  CHECK(value(*scored(reference, candidate, task), task, "top1_agreement") == 0.75);
  CHECK(value(*scored(reference, candidate, task), task, "accuracy") == 0.75);
  std::vector<Label> labels(8);
  for (std::size_t i = 0; i < 8; ++i) labels[i].index = static_cast<std::int64_t>(i % 3);
  labels[0].index = 2;  // where the original is wrong and the artifact right
  labels[7].index.reset();
  const auto samples = scored(reference, candidate, task, labels);
  CHECK(samples->labelled.size() == 7);
  CHECK(value(*samples, task, "label_accuracy_reference") == doctest::Approx(6.0 / 7));
  CHECK(value(*samples, task, "label_accuracy") == doctest::Approx(6.0 / 7));
  CHECK(value(*samples, task, "accuracy") == doctest::Approx(1));
  CHECK(value(*samples, task, "top1_agreement") == 0.75);
  for (Label& label : labels) label.index = 99;  // nobody is ever right: agreement is what is left
  CHECK(value(*scored(reference, candidate, task, labels), task, "accuracy") == 0.75);
}

TEST_CASE("regression: what of the original's variance is explained, and the errors") {
  const TensorTask task{"regression", ""};
  const auto reference = single([](float x) { return std::vector<float>{x}; });
  const auto candidate = single([](float x) { return std::vector<float>{x + 0.5f}; });
  std::vector<Label> labels(8);
  for (std::size_t i = 0; i < 8; ++i) labels[i].value = static_cast<double>(i);
  const auto samples = scored(reference, candidate, task, labels);
  CHECK(value(*samples, task, "accuracy") == doctest::Approx(1 - 0.25 * 8 / 42));
  CHECK(value(*samples, task, "label_error") == doctest::Approx(0.5));
  CHECK(value(*samples, task, "label_error_reference") == 0);
}

TEST_CASE("embedding: the order of the distances among the samples") {
  const TensorTask task{"embedding", ""};
  const auto reference = single([](float x) {
    return std::vector<float>{std::cos(x / 9), std::sin(x / 9)};
  });
  const auto turned = single([](float x) {
    return std::vector<float>{-std::sin(x / 9), std::cos(x / 9)};
  });
  CHECK(value(*scored(reference, reference, task), task, "rank_agreement") == doctest::Approx(1));
  // Turned as a whole: every distance stays, though no vector does.
  CHECK(value(*scored(reference, turned, task), task, "rank_agreement") > 0.9);
  CHECK(value(*scored(reference, turned, task), task, "accuracy") ==
        doctest::Approx(0).epsilon(1e-6));
  const auto two = summarise(*scored(reference, reference, task, {}, 2), task);
  CHECK_FALSE(named(two, "rank_agreement"));  // one distance has no order
}

TEST_CASE("detection: overlap with the original's boxes and with the true ones") {
  const TensorTask task{"detection", ""};
  const auto detector = [](float shift) -> Function {
    return [shift](float x) -> Result<std::vector<Tensor>> {
      return std::vector{floats("y", {1, 1, 6}, {x + shift, 0, x + shift + 1, 1, 0.9f, 3})};
    };
  };
  std::vector<Label> labels(8);
  for (std::size_t i = 0; i < 8; ++i) {
    const double x = static_cast<double>(i);
    labels[i].boxes = {{x, 0, x + 1, 1, 3}};
  }
  const auto samples = scored(detector(0), detector(0.5f), task, labels);
  CHECK(value(*samples, task, "box_overlap") == doctest::Approx(1.0 / 3));
  CHECK(value(*samples, task, "label_overlap_reference") == doctest::Approx(1));
  CHECK(value(*samples, task, "accuracy") == doctest::Approx(1.0 / 3));
}

TEST_CASE("several outputs: the task's own counts, each is told") {
  const auto with_index = [](float shift) -> Function {
    return [shift](float x) -> Result<std::vector<Tensor>> {
      Tensor index{.name = "label", .type = ElementType::i64, .shape = {1}, .data = {}};
      const std::int64_t best = static_cast<std::int64_t>(x) % 2;
      index.data.resize(8);
      std::memcpy(index.data.data(), &best, 8);
      return std::vector{index, floats("scores", {1, 2}, {x + shift, 1})};
    };
  };
  const auto samples = scored(with_index(0), with_index(1));
  REQUIRE(samples);
  CHECK(samples->outputs[samples->main] == "scores");  // the first with fractions
  const auto metrics = summarise(*samples, {});
  CHECK(named(metrics, "cosine", "label")->value == 1);
  CHECK(named(metrics, "cosine", "scores")->value == named(metrics, "cosine")->value);
  CHECK(named(metrics, "cosine")->value < 1);
  const auto chosen = scored(with_index(0), with_index(1), {"classification", "label"});
  CHECK(value(*chosen, {"classification", "label"}, "accuracy") == 1);
  const auto unknown = scored(with_index(0), with_index(1), {"", "logits"});
  CHECK(unknown.error().code == ErrorCode::invalid_input);
  CHECK(unknown.error().message.find("label, scores") != std::string::npos);
}

TEST_CASE("an artifact that answers otherwise than it should is refused") {
  const auto other_name = [](float) -> Result<std::vector<Tensor>> {
    return std::vector{floats("z", {1, 3}, {1, 2, 3})};
  };
  const auto other_shape = single([](float) { return std::vector<float>{1, 2}; });
  const auto not_finite = single([](float) { return std::vector<float>{1, NAN, 2}; });
  for (const Function& wrong : {Function(other_name), other_shape, not_finite}) {
    const auto answer = scored(kWave, wrong);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::backend);
  }
  const auto dies = [](float x) -> Result<std::vector<Tensor>> {
    if (x > 2) return Error{ErrorCode::crashed, "gone"};
    return kWave(x);
  };
  CHECK(scored(kWave, dies).error().code == ErrorCode::crashed);
  CHECK(scored(kWave, kWave, {}, {}, 0).error().code == ErrorCode::invalid_input);
}

TEST_CASE("an output that is not of the task's form is refused with the way out") {
  const auto one = single([](float x) { return std::vector<float>{x}; });
  CHECK(scored(one, one, {"classification", ""}).error().code == ErrorCode::unsupported);
  CHECK(scored(kWave, kWave, {"regression", ""}).error().code == ErrorCode::unsupported);
  const auto boxes = scored(kWave, kWave, {"detection", ""});
  REQUIRE_FALSE(boxes);
  CHECK(boxes.error().code == ErrorCode::unsupported);
  CHECK(boxes.error().hint.find("data.json") != std::string::npos);
}

TEST_CASE("raw samples are kept") {
  const auto path =
      std::filesystem::temp_directory_path() / str("strop-tensor-quality-", ::getpid());
  REQUIRE(write_samples(*scored(kWave, kWave, {"classification", ""}), path));
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  for (const char* name : {"\"outputs\":[\"y\"]", "\"noise\"", "\"cosine\"", "\"agreement\""})
    CHECK(text.str().find(name) != std::string::npos);
}
