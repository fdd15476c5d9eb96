// What the pipeline makes of data and of text, through confined workers.
#include "pipeline/samples.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>

#include "formats/model_file.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::pipeline;
using strop::test::TemporaryFolder;

namespace {

struct Silent : Observer {
  void on(const Event&) override {}
};

// A run's context with a store of its own.
struct Run {
  explicit Run(const std::string& data) {
    ::setenv("STROP_PREFIX", STROP_BUILD_DIR, 1);
    request.goal.evaluation_data = data;
    auto opened = Store::open(folder.path() / "store");
    REQUIRE(opened);
    auto journal = Journal::open(folder.path() / "journal.jsonl");
    REQUIRE(journal);
    context.emplace(request, observer, std::stop_token(), *std::move(opened), *std::move(journal));
  }
  TemporaryFolder folder;
  RunRequest request;
  Silent observer;
  std::optional<Context> context;
};

Model table() {
  return {.id = "t",
          .path = "/models/table.onnx",
          .format = "onnx",
          .inputs = {{.name = "x", .type = "f32", .shape = {-1, 3}}}};
}

std::string message(const Model& model, const std::string& data) {
  Run run(data);
  const auto set = read_samples(model, *run.context);
  REQUIRE_FALSE(set);
  CHECK(!set.error().hint.empty());
  return set.error().message;
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

void need(const std::string& path, const char* what) {
  if (std::filesystem::exists(path)) return;
  std::cout << "skipped: " << what << " is missing (tools/setup --test fetches it)" << std::endl;
  std::exit(77);
}

// No sample calibrates that is evaluated on.
void check_disjoint(const SampleSet& set) {
  std::set<std::string> evaluated;
  const auto key = [](const std::vector<Tensor>& arrays) {
    return std::string(reinterpret_cast<const char*>(arrays[0].data.data()), arrays[0].data.size());
  };
  for (const std::uint32_t index : set.evaluation) {
    const auto sample = read_sample(set, index);
    REQUIRE(sample);
    evaluated.insert(key(*sample));
  }
  SampleSet calibration = set;
  calibration.folder = set.calibration;
  for (std::uint32_t i = 0; i < set.calibration_count; ++i) {
    const auto sample = read_sample(calibration, i);
    REQUIRE(sample);
    CHECK_FALSE(evaluated.contains(key(*sample)));
  }
}

}  // namespace

TEST_CASE("a model that takes tensors is told what data it needs") {
  CHECK(has(message(table(), ""), "x f32 [?, 3]"));
  const TemporaryFolder folder;
  folder.write("a.jsonl", "{\"text\": \"hello\"}\n");
  CHECK(has(message(table(), folder.path().string()), "holds text, but the model takes x f32"));
  Model nothing = table();
  nothing.inputs.clear();
  CHECK(has(message(nothing, ""), "states no inputs"));
}

TEST_CASE("data that does not fit is refused through the worker, by file and array") {
  const TemporaryFolder folder;
  folder.write("bad.npz", "PK\x03\x04 and nothing more");
  CHECK(has(message(table(), folder.path().string()), "bad.npz"));
}

TEST_CASE("magika's samples: made once, found again, apart from those that calibrate") {
  const std::string model_file = std::string(STROP_MAGIKA) + "/model.onnx";
  need(model_file, "magika");
  auto model = read_model(model_file);
  REQUIRE(model);
  REQUIRE(model->inputs.size() == 1);
  CHECK(model->inputs[0].name == "bytes");
  CHECK(model->inputs[0].type == "i32");
  model->id = "magika";
  const TemporaryFolder data;
  const std::string make = std::string("python3 ") + STROP_SOURCE_DIR +
                           "/tests/support/magika_samples " + STROP_MAGIKA + " " +
                           STROP_SOURCE_DIR + "/tests " + data.path().string() + " >/dev/null";
  REQUIRE(std::system(make.c_str()) == 0);
  Run run(data.path().string());
  const auto set = read_samples(*model, *run.context);
  REQUIRE_MESSAGE(set, (set ? std::string() : set.error().message));
  CHECK(set->task == "classification");
  CHECK(set->labels.size() == set->evaluation.size());
  CHECK(set->evaluation.size() > 20);
  CHECK(set->calibration_count == (set->evaluation.size() + set->calibration_count) / 4);
  check_disjoint(*set);
  const auto sample = read_sample(*set, set->evaluation[0]);
  REQUIRE(sample);
  CHECK(sample->at(0).shape == std::vector<std::int64_t>{1, 2048});
  const auto again = read_samples(*model, *run.context);
  REQUIRE(again);
  CHECK(again->folder == set->folder);
  CHECK(again->evaluation_id == set->evaluation_id);
  CHECK(again->evaluation_id != again->calibration_id);
  std::filesystem::remove_all(set->folder);
  const auto made_again = read_samples(*model, *run.context);
  REQUIRE(made_again);
  CHECK(read_sample(*made_again, 0)->at(0).data == sample->at(0).data);
}

#if STROP_HAVE_TEXT

namespace {

std::vector<std::int64_t> integers(const Tensor& tensor) {
  std::vector<std::int64_t> values(tensor.data.size() / 8);
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

}  // namespace

TEST_CASE("an encoder without data gets Strop's own text") {
  need(STROP_MINILM, "all-MiniLM");
  auto model = read_model(STROP_MINILM);
  REQUIRE(model);
  model->id = "minilm";
  CHECK(model->kind == ModelKind::embedding);
  REQUIRE(model->outputs.size() == 2);
  CHECK(model->outputs[1].name == "sentence_embedding");
  Run run("");
  const auto set = read_samples(*model, *run.context);
  REQUIRE_MESSAGE(set, (set ? std::string() : set.error().message));
  CHECK(set->task == "embedding");
  CHECK(set->output == "sentence_embedding");
  CHECK(set->evaluation.size() > 50);
  CHECK(set->calibration_count > 20);
  check_disjoint(*set);
  for (const std::uint32_t index : set->evaluation) {
    const auto sample = read_sample(*set, index);
    REQUIRE(sample);
    REQUIRE(sample->size() == 3);
    const auto ids = integers(sample->at(0));
    CHECK(sample->at(0).name == "input_ids");
    CHECK(sample->at(0).shape ==
          std::vector<std::int64_t>{1, static_cast<std::int64_t>(ids.size())});
    CHECK(ids.front() == 101);
    CHECK(ids.back() == 102);
    CHECK(ids.size() <= 256);
    CHECK(integers(sample->at(1)) == std::vector<std::int64_t>(ids.size(), 1));
    CHECK(integers(sample->at(2)) == std::vector<std::int64_t>(ids.size(), 0));
  }
}

TEST_CASE("lines of JSON: pairs, labels, texts that are too long, lines that are wrong") {
  need(STROP_MINILM, "all-MiniLM");
  auto model = read_model(STROP_MINILM);
  REQUIRE(model);
  model->id = "minilm";
  const TemporaryFolder folder;
  std::string lines = R"({"text": "hello", "text_pair": "world", "label": 1})"
                      "\n\n";
  lines += R"({"text": ")";
  for (int i = 0; i < 400; ++i) lines += "word ";
  lines += "\", \"label\": 0}\n";
  const auto path = folder.write("a.jsonl", lines);
  Run run(path.string());
  const auto set = read_samples(*model, *run.context);
  REQUIRE_MESSAGE(set, (set ? std::string() : set.error().message));
  CHECK(set->evaluation.size() == 2);
  CHECK(set->calibration.empty());
  CHECK(set->task == "classification");
  bool cut = false;
  for (const std::string& note : set->notes) cut = cut || has(note, "cut to the 256 tokens");
  CHECK(cut);
  for (const std::uint32_t index : set->evaluation) {
    const auto ids = integers(read_sample(*set, index)->at(0));
    const auto types = integers(read_sample(*set, index)->at(2));
    if (set->labels[index].index == 1) {
      CHECK(ids == std::vector<std::int64_t>{101, 7592, 102, 2088, 102});
      CHECK(types == std::vector<std::int64_t>{0, 0, 0, 1, 1});
    } else {
      CHECK(ids.size() == 256);
      CHECK(ids.back() == 102);
    }
  }
  const auto refused = [&](const std::string& text, const char* part) {
    CHECK(has(message(*model, folder.write("b.jsonl", text).string()), part));
  };
  refused("{\"text\": 1}\n", "b.jsonl line 1: text must be text");
  refused("{\"txt\": \"a\"}\n", "txt is no field");
  refused("{\"label\": 1}\n", "text is missing");
  refused("{\"text\": \"a\", \"label\": \"x\"}\n", "label must be");
  refused("{\"text\": \"a\"\n", "not valid JSON");
  refused("[]\n", "must be an object");
  refused("{\"text\": \"a\xff\"}\n", "must be UTF-8");
  refused("\n \n", "holds no text");
  refused("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\"}\n", "has no label");
  refused(std::string((1 << 20) + 1, 'x'), "at most");
}

#endif
