#include "measure/tasks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace strop;
using namespace strop::measure;

namespace {

// Bytes are tokens; after any prompt the letter `liked` is the most probable.
class Letters : public DecoderSession {
 public:
  explicit Letters(char liked) : liked_(liked) {
    info_.vocabulary_size = 128;
    info_.context_length = 256;
  }
  const SessionInfo& info() const override { return info_; }
  Result<void> truncate(SequenceId, std::uint32_t length) override {
    if (length > held_.size()) return Error{ErrorCode::invalid_input, "longer than it is"};
    held_.resize(length);
    return {};
  }
  Result<void> fork(SequenceId, SequenceId) override { return {}; }
  Result<Generation> generate(SequenceId, std::span<const TokenId> ids, std::uint32_t count,
                              std::stop_token) override {
    held_.insert(held_.end(), ids.begin(), ids.end());
    Generation made;
    for (std::uint32_t i = 0; i < count; ++i) {
      made.ids.push_back(i == 0 ? ' ' : i == 1 ? liked_ : '\n');
      made.seconds.push_back(0.1 * (i + 1));
    }
    return made;
  }
  Result<void> evaluate(SequenceId, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    held_.insert(held_.end(), ids.begin(), ids.end());
    evaluated += ids.size();
    std::vector<float> row(info_.vocabulary_size);
    row[static_cast<std::size_t>(liked_)] = 3;
    for (std::size_t i = 0; i < wanted.size(); ++i) STROP_CHECK(sink({i, row.size(), row}));
    return {};
  }
  std::size_t evaluated = 0;

 private:
  SessionInfo info_;
  char liked_;
  std::vector<TokenId> held_;
};

Result<std::vector<TokenId>> bytes_of(const std::string& text) {
  return std::vector<TokenId>(text.begin(), text.end());
}
Result<std::string> text_of(std::span<const TokenId> ids) {
  return std::string(ids.begin(), ids.end());
}

std::vector<std::uint32_t> answers(char liked, const std::vector<Task>& tasks) {
  Letters session(liked);
  const auto ids = tokenize(tasks, bytes_of);
  REQUIRE(ids);
  const auto made = answer(session, tasks, *ids, text_of, 0, nullptr, {});
  REQUIRE(made);
  return *made;
}

constexpr const char* kFile = R"({"prompt": "Which?", "choices": ["aaa", "b"], "answer": 0})"
                              "\n"
                              R"({"text": "fine", "label": "b"})"
                              "\n\n"
                              R"({"text": "bad", "label": "a"})"
                              "\n"
                              R"({"prompt": "Say a:", "answer": "a", "max_tokens": 4})"
                              "\n";

std::string refusal(const std::string& line) {
  const auto tasks = parse_tasks(line);
  REQUIRE_FALSE(tasks);
  CHECK(tasks.error().code != ErrorCode::backend);
  return tasks.error().message;
}

const Metric& of(const std::vector<Metric>& metrics, const std::string& name,
                 const std::string& domain = "") {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) {
    return metric.metric == name && metric.context.domain == domain;
  });
  REQUIRE(found != metrics.end());
  return *found;
}

}  // namespace

TEST_CASE("three kinds of tasks are read, labels from the whole file") {
  const auto tasks = parse_tasks(kFile);
  REQUIRE(tasks);
  REQUIRE(tasks->size() == 4);
  CHECK((*tasks)[0].options == std::vector<std::string>{" aaa", " b"});
  CHECK((*tasks)[1].kind == TaskKind::classification);
  CHECK((*tasks)[1].options == std::vector<std::string>{" a", " b"});
  CHECK((*tasks)[1].answer == 1);
  CHECK((*tasks)[3].kind == TaskKind::exact);
  CHECK((*tasks)[3].max_tokens == 4);
}

TEST_CASE("what is no task is refused with its line and field") {
  CHECK(refusal("").find("no task") != std::string::npos);
  CHECK(refusal("{\"prompt\": \"x\"}").find("line 1: answer") != std::string::npos);
  CHECK(refusal("\n{\"prompt\": \"x\", \"choices\": [\"a\", \"b\"], \"answer\": 2}")
            .find("line 2: answer must be an index below 2") != std::string::npos);
  CHECK(refusal("{\"prompt\": \"x\", \"choices\": [\"a\", \"a\"], \"answer\": 0}")
            .find("different") != std::string::npos);
  CHECK(refusal("{\"text\": \"x\", \"label\": \"only\"}").find("nothing is decided") !=
        std::string::npos);
  CHECK(refusal("{\"prompt\": \"x\", \"answer\": \"y\", \"weight\": 2}").find("weight") !=
        std::string::npos);
  CHECK(refusal("{\"prompt\": \"x\", \"answer\": \"y\", \"max_tokens\": 0}").find("at least 1") !=
        std::string::npos);
  CHECK(refusal("[1]").find("must be an object") != std::string::npos);
  CHECK(refusal("{\"prompt\": ").find("JSON") != std::string::npos);
}

TEST_CASE("the most probable option by byte is the answer, the first line of a continuation too") {
  const auto tasks = parse_tasks(kFile);
  REQUIRE(tasks);
  CHECK(answers('a', *tasks) == std::vector<std::uint32_t>{0, 0, 0, 0});
  CHECK(answers('b', *tasks) == std::vector<std::uint32_t>{1, 1, 1, 1});
}

TEST_CASE("options share the reading of their prompt") {
  std::vector<Task> one{
      {.prompt = std::string(100, 'x'), .options = {" aaaa", " bbbb", " cccc"}, .answer = 0}};
  Letters session('a');
  const auto ids = tokenize(one, bytes_of);
  REQUIRE(ids);
  REQUIRE(answer(session, one, *ids, text_of, 0, nullptr, {}));
  CHECK(session.evaluated < 130);
}

TEST_CASE("shares, their change against the original and their kinds") {
  const auto tasks = parse_tasks(kFile);
  REQUIRE(tasks);
  const auto metrics = task_metrics(*tasks, {0, 1, 1, 0}, {0, 0, 0, 1}, "samples/x");
  CHECK(of(metrics, "task_accuracy").value == doctest::Approx(0.5));
  CHECK(of(metrics, "task_accuracy_reference").value == doctest::Approx(0.75));
  CHECK(of(metrics, "task_accuracy_change").value == doctest::Approx(-0.25));
  CHECK(of(metrics, "task_agreement").value == doctest::Approx(0.25));
  CHECK(of(metrics, "task_accuracy").interval);
  CHECK(of(metrics, "task_accuracy", "classification").samples == 2);
  CHECK_FALSE(of(metrics, "task_accuracy", "exact").interval);
  CHECK(task_metrics({tasks->front()}, {0}, {0}, "").size() == 4);
}
