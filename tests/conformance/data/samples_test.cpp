// From files to samples: what is taken, how it is checked, what is said about what is wrong.
#include "samples.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <set>

#include "backend.h"
#include "conformance/data/pictures.h"
#include "core/json.h"
#include "formats/npy.h"
#include "formats/npz.h"
#include "labels.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::data;
using namespace strop::test;

namespace {

template <class T>
std::string npy(ElementType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return formats::npy_header(type, shape) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string floats(std::vector<std::int64_t> shape) {
  std::vector<float> values(*formats::array_bytes(ElementType::f32, shape) / 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return npy(ElementType::f32, shape, values);
}

const std::vector<Port> kRows{{.name = "x", .type = "f32", .shape = {-1, 3}}};
const std::vector<Port> kImages{{.name = "pixels", .type = "f32", .shape = {-1, 3, 4, 4}}};
const std::vector<Port> kScores{{.name = "scores", .type = "f32", .shape = {-1, 10}}};

struct Made {
  TemporaryFolder out;
  Result<SampleList> list = Error{};
};

std::unique_ptr<Made> make(const std::filesystem::path& data, const std::vector<Port>& inputs,
                           std::size_t calibration = 128, std::size_t evaluation = 512) {
  auto made = std::make_unique<Made>();
  Request request{.data = data,
                  .inputs = inputs,
                  .outputs = kScores,
                  .calibration = calibration,
                  .evaluation = evaluation};
  made->list = make_samples(request, {.dir = made->out.path()});
  return made;
}

void refused(const std::filesystem::path& data, const std::vector<Port>& inputs,
             const std::vector<std::string>& words) {
  const auto made = make(data, inputs);
  REQUIRE_FALSE(made->list);
  const Error& error = made->list.error();
  CHECK(!error.field.empty());
  CHECK(!error.message.empty());
  for (const std::string& word : words) {
    CAPTURE(error.message);
    CHECK((error.message + " " + error.field).find(word) != std::string::npos);
  }
}

float first(const std::filesystem::path& sample) {
  const auto arrays = formats::read_npz(sample);
  REQUIRE(arrays);
  float value = 0;
  std::memcpy(&value, arrays->at(0).data.data(), 4);
  return value;
}

}  // namespace

TEST_CASE("rows of compressed and stored npz files become samples, each once") {
  for (const bool stored : {true, false}) {
    const TemporaryFolder folder;
    const auto path = folder.write("data.npz", zip({{"x.npy", floats({100, 3})}}, stored));
    const auto made = make(path, kRows);
    REQUIRE(made->list);
    CHECK(made->list->available == 100);
    CHECK(made->list->calibration_count == 25);
    CHECK(made->list->count == 75);
    std::set<float> values;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(made->out.path())) {
      if (entry.path().extension() == ".npz") values.insert(first(entry.path()));
    }
    CHECK(values.size() == 100);
    const auto arrays = formats::read_npz(made->out.path() / "000000.npz");
    REQUIRE(arrays);
    CHECK(arrays->at(0).shape == std::vector<std::int64_t>{1, 3});
    CHECK(made->list->sources.at(0).starts_with("data.npz#"));
    CHECK(first(made->out.path() / "000000.npz") ==
          3 * std::stof(made->list->sources.at(0).substr(9)));
  }
}

TEST_CASE("more samples than are asked for: a choice of the same size, the same every time") {
  const TemporaryFolder folder;
  const auto path = folder.write("data.npz", zip({{"x.npy", floats({1000, 3})}}));
  const auto made = make(path, kRows, 8, 20), again = make(path, kRows, 8, 20);
  REQUIRE(made->list);
  CHECK(made->list->count == 20);
  CHECK(made->list->calibration_count == 8);
  CHECK(made->list->sources == again->list->sources);
}

TEST_CASE("labels beside the arrays, in them, and what task they tell") {
  const TemporaryFolder folder;
  std::vector<std::int64_t> labels(10);
  for (std::size_t i = 0; i < 10; ++i) labels[i] = static_cast<std::int64_t>(i % 3);
  const auto path = folder.write(
      "data.npz",
      zip({{"x.npy", floats({10, 3})}, {"label.npy", npy(ElementType::i64, {10}, labels)}}));
  const auto made = make(path, kRows);
  REQUIRE(made->list);
  CHECK(made->list->task == "classification");
  for (std::size_t i = 0; i < made->list->count; ++i) {
    const auto row = std::stoul(made->list->sources[i].substr(9));
    CHECK(made->list->labels[i].index == static_cast<std::int64_t>(row % 3));
  }
}

TEST_CASE("a file is a sample where an input's first size is no batch") {
  const std::vector<Port> inputs{{.name = "audio", .type = "f32", .shape = {-1, -1}},
                                 {.name = "state", .type = "f32", .shape = {2, -1, 4}},
                                 {.name = "sr", .type = "i64", .shape = {}}};
  const TemporaryFolder folder;
  for (const char* name : {"a.npz", "b.npz"})
    folder.write(name, zip({{"audio.npy", floats({1, 5})}, {"state.npy", floats({2, 1, 4})}}));
  folder.write("data.json", R"({"constants": {"sr": 16000}, "task": "regression"})");
  const auto made = make(folder.path(), inputs);
  REQUIRE(made->list);
  CHECK(made->list->count == 2);
  const auto arrays = formats::read_npz(made->out.path() / "000000.npz");
  REQUIRE(arrays);
  REQUIRE(arrays->size() == 3);
  CHECK(arrays->at(1).shape == std::vector<std::int64_t>{2, 1, 4});
  CHECK(arrays->at(2).shape.empty());
  std::int64_t rate = 0;
  std::memcpy(&rate, arrays->at(2).data.data(), 8);
  CHECK(rate == 16000);
}

TEST_CASE("npy files of a model with one input") {
  const TemporaryFolder folder;
  folder.write("a.npy", floats({4, 3}));
  folder.write("deep/b.npy", floats({2, 3}));
  const auto made = make(folder.path(), kRows);
  REQUIRE(made->list);
  CHECK(made->list->available == 6);
}

TEST_CASE("arrays that do not fit the model are refused by file, name and value") {
  const TemporaryFolder folder;
  const auto with = [&](const std::string& array) {
    return folder.write("d.npz", zip({{"x.npy", array}}));
  };
  refused(with(npy(ElementType::i64, {2, 3}, std::vector<std::int64_t>(6))), kRows,
          {"d.npz", "x must be f32", "i64"});
  refused(with(floats({2, 4})), kRows, {"d.npz", "[?, 3]", "[2, 4]"});
  refused(with(floats({3})), kRows, {"d.npz", "[?, 3]", "[3]"});
  refused(folder.write("d.npz", zip({{"y.npy", floats({2, 3})}})), kRows,
          {"d.npz", "no array x", "x f32 [?, 3]"});
  refused(folder.write("d.npz", zip({{"x.npy", floats({2, 3})}, {"z.npy", floats({2})}})), kRows,
          {"z is no input"});
  const std::vector<Port> two{kRows[0], {.name = "y", .type = "f32", .shape = {-1}}};
  refused(folder.write("d.npz", zip({{"x.npy", floats({2, 3})}, {"y.npy", floats({3})}})), two,
          {"y has 3 rows", "2"});
  const std::string doubles = "'<f8'";
  std::string header = formats::npy_header(ElementType::i64, {1, 3});
  header.replace(header.find("'<i8'"), 5, doubles);
  refused(with(header + std::string(24, '\0')), kRows, {"x is f64"});
}

TEST_CASE("one number has no rows, whatever the model says of its rank") {
  const TemporaryFolder folder;
  folder.write("d.npz", zip({{"x.npy", floats({})}}));
  folder.write("data.json", R"({"each": "row"})");
  const std::vector<Port> any{{.name = "x", .type = "f32", .any_rank = true}};
  const std::vector<Port> none{{.name = "x", .type = "f32", .shape = {}}};
  refused(folder.path(), any, {"d.npz", "one number"});
  refused(folder.path(), none, {"d.npz", "one number"});
}

TEST_CASE("npz files that are no npz files") {
  const TemporaryFolder folder;
  const std::string whole = zip({{"x.npy", floats({50, 3})}});
  for (const std::size_t size :
       {std::size_t{4}, std::size_t{40}, whole.size() / 2, whole.size() - 30}) {
    const auto made = make(folder.write("d.npz", whole.substr(0, size)), kRows);
    CAPTURE(size);
    CHECK_FALSE(made->list);
  }
  refused(folder.write("d.npz", zip({{"x.txt", "hello"}})), kRows, {"NAME.npy"});
  refused(folder.write("d.npz", zip({{"x.npy", floats({1, 3})}, {"x.npy", floats({1, 3})}})), kRows,
          {"twice"});
  const std::string lies = formats::npy_header(ElementType::f32, {1000000, 3}) + "abcd";
  refused(folder.write("d.npz", zip({{"x.npy", lies}})), kRows, {"does not hold"});
  const std::string bomb =
      formats::npy_header(ElementType::f32, {1, 3}) + std::string(1 << 20, '\0');
  refused(folder.write("d.npz", zip({{"x.npy", bomb}})), kRows, {"does not hold"});
  const std::string huge = formats::npy_header(ElementType::f32, {1ll << 40, 3});
  refused(folder.write("d.npz", zip({{"x.npy", huge}})), kRows, {"at most"});
  const std::string object = "\x93NUMPY\1" + std::string("\0\x3a\0", 3) +
                             "{'descr': '|O', 'fortran_order': False, 'shape': (1, 3), }\n";
  refused(folder.write("d.npz", zip({{"x.npy", object + "\x80\x04."}})), kRows, {"carry code"});
  std::string random(3000, '\0');
  for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<char>(i * i * 31 + 7);
  CHECK_FALSE(make(folder.write("d.npz", "PK\x03\x04" + random), kRows)->list);
  CHECK_FALSE(make(folder.write("d.npz", random), kRows)->list);
}

TEST_CASE("images become what the model takes, labels come along") {
  const TemporaryFolder folder;
  folder.write("cat/1.png", png(4, 4, 3, std::vector<std::uint8_t>(48, 51)));
  folder.write("dog/2.jpg", jpeg(8, 8, 3, std::vector<std::uint8_t>(192, 102)));
  folder.write("README.txt", "not data");
  folder.write("labels.csv", "file,label\ncat/1.png,cat\ndog/2.jpg,dog\nother.png,cat\n");
  folder.write("data.json", R"({"classes": ["cat", "dog"], "output": "scores"})");
  const auto made = make(folder.path(), kImages);
  REQUIRE(made->list);
  CHECK(made->list->count == 2);
  CHECK(made->list->task == "classification");
  CHECK(made->list->output == "scores");
  for (std::size_t i = 0; i < 2; ++i) {
    const bool cat = made->list->sources[i] == "cat/1.png";
    CHECK(made->list->labels[i].index == (cat ? 0 : 1));
    CHECK(first(made->out.path() / (i == 0 ? "000000.npz" : "000001.npz")) ==
          doctest::Approx(cat ? 0.2 : 0.4).epsilon(0.02));
  }
  CHECK(made->list->notes.at(0).find("4 x 4, stretched, antialiased, rgb, nchw") !=
        std::string::npos);
}

TEST_CASE("boxes are moved to where the picture went") {
  const TemporaryFolder folder;
  folder.write("a.png", png(8, 4, 3, std::vector<std::uint8_t>(96, 1)));
  folder.write("empty.png", png(4, 4, 3, std::vector<std::uint8_t>(48, 1)));
  folder.write("labels.csv", "file,label,x1,y1,x2,y2\na.png,3,2,1,6,3\na.png,4,0,0,8,4\n");
  folder.write("data.json", R"({"images": {"fit": "pad"}})");
  const auto made = make(folder.path(), kImages);
  REQUIRE(made->list);
  CHECK(made->list->task == "detection");
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& boxes = made->list->labels[i].boxes;
    if (made->list->sources[i] == "empty.png") {
      CHECK(boxes.empty());
      continue;
    }
    REQUIRE(boxes.size() == 2);
    CHECK(boxes[0] == Box{.x1 = 1, .y1 = 1.5, .x2 = 3, .y2 = 2.5, .label = 3});
    CHECK(boxes[1] == Box{.x1 = 0, .y1 = 1, .x2 = 4, .y2 = 3, .label = 4});
  }
}

TEST_CASE("what the model leaves open is asked for by name") {
  const TemporaryFolder folder;
  folder.write("a.png", png(8, 4, 3, std::vector<std::uint8_t>(96, 1)));
  const auto image_port = [](std::vector<std::int64_t> shape, const char* type = "f32") {
    return std::vector<Port>{{.name = "x", .type = type, .shape = std::move(shape)}};
  };
  refused(folder.path(), image_port({-1, 3, -1, -1}),
          {"any size", "x f32 [?, 3, ?, ?]", "images.size"});
  refused(folder.path(), image_port({-1, -1, -1, -1}), {"images.layout"});
  refused(folder.path(), image_port({1, 3, 8, 3}), {"images.layout"});
  refused(folder.path(), image_port({1, 4, 8, 8}), {"images.layout"});
  refused(folder.path(), image_port({2, 3, 8, 8}), {"more than one image"});
  refused(folder.path(), image_port({1, 3, 8, 8}, "i64"), {"f32, f16 or u8"});
  refused(folder.path(), kRows, {"images.input"});
  auto two = kImages;
  two.push_back({.name = "ids", .type = "i64", .shape = {-1, 2}});
  refused(folder.path(), two, {"ids i64 [?, 2]"});
  folder.write("data.json", R"({"images": {"size": [6, 5]}})");
  REQUIRE(make(folder.path(), image_port({-1, 3, -1, -1}))->list);
  refused(folder.path(), kImages, {"images.size", "[?, 3, 4, 4]"});
}

TEST_CASE("data.json: fields that are unknown, of a wrong type or out of range") {
  const TemporaryFolder folder;
  folder.write("a.png", png(8, 4, 3, std::vector<std::uint8_t>(96, 1)));
  for (const auto& [text, field] : std::vector<std::pair<const char*, const char*>>{
           {R"({"tsak": "x"})", "tsak"},
           {R"({"task": "ranking"})", "task"},
           {R"([])", "the file"},
           {R"({"images": {"size": [0, 4]}})", "images.size"},
           {R"({"images": {"size": [4]}})", "images.size"},
           {R"({"images": {"size": [9999, 9999]}})", "images.size"},
           {R"({"images": {"fit": "squeeze"}})", "images.fit"},
           {R"({"images": {"shorter": 8}})", "images.shorter"},
           {R"({"images": {"fit": "crop", "shorter": 2}})", "images.shorter"},
           {R"({"images": {"pad": 256, "fit": "pad"}})", "images.pad"},
           {R"({"images": {"mean": [1, 2]}})", "images.mean"},
           {R"({"images": {"std": 0}})", "images.std"},
           {R"({"images": {"scale": -1}})", "images.scale"},
           {R"({"images": {"channels": "gray"}})", "images.channels"},
           {R"({"images": {"mean": "0"}})", "images.mean"},
           {R"({"images": {"colour": "rgb"}})", "images.colour"},
           {R"({"output": "logits"})", "output"},
           {R"({"each": "row"})", "each"},
           {R"({"constants": {"y": 1}})", "constants.y"},
           {R"({"constants": {"pixels": [1, 2]}})", "constants.pixels"},
           {R"({"classes": [1]})", "classes"},
           {R"({"labels": "../labels.csv"})", ""},
           {R"({"labels": "none.csv"})", ""},
           {R"({"task": "x", "task": "y"})", "task"},
           {R"({)", ""}}) {
    CAPTURE(text);
    folder.write("data.json", text);
    const auto made = make(folder.path(), kImages);
    REQUIRE_FALSE(made->list);
    if (*field) CHECK(made->list.error().field == field);
  }
}

TEST_CASE("data that is no data") {
  const TemporaryFolder folder;
  refused(folder.path(), kRows, {"no .npz, .npy, .png or .jpg"});
  refused(folder.path() / "absent", kRows, {"no file or folder"});
  refused(folder.write("a.gguf", "x"), kRows, {".npz"});
  folder.write("a.png", png(4, 4, 3, std::vector<std::uint8_t>(48, 1)));
  folder.write("b.npz", zip({{"x.npy", floats({2, 3})}}));
  refused(folder.path(), kImages, {"not both"});
}

TEST_CASE("links are not followed, out of the folder or inside of it") {
  const TemporaryFolder outside, folder;
  outside.write("a.npz", zip({{"x.npy", floats({2, 3})}}));
  std::filesystem::create_symlink(outside.path() / "a.npz", folder.path() / "a.npz");
  std::filesystem::create_directory_symlink(outside.path(), folder.path() / "sub");
  refused(folder.path(), kRows, {"no .npz"});
  folder.write("b.npz", zip({{"x.npy", floats({2, 3})}}));
  outside.write("labels.csv", "file,label\n");
  std::filesystem::create_symlink(outside.path() / "labels.csv", folder.path() / "labels.csv");
  refused(folder.path(), kRows, {"not a link"});
}

TEST_CASE("labels: lines that say something else") {
  const std::vector<std::string> wanted{"a.png", "b, c.png"};
  const auto csv = [&](const std::string& text) {
    return read_labels_csv(text, wanted, {"cat", "dog"}, "labels.csv");
  };
  const auto good = csv("file,label\r\na.png,dog\r\n\r\n\"b, c.png\",1.5\r\nz.png,anything\r\n");
  REQUIRE(good);
  CHECK(good->at("a.png").index == 1);
  CHECK(good->at("b, c.png").value == 1.5);
  CHECK(good->size() == 2);
  for (const char* wrong :
       {"", "name,class\na.png,1\n", "file,label\na.png\n", "file,label\na.png,1,2\n",
        "file,label\na.png,bird\n", "file,label\na.png,\n", "file,label\na.png,1\na.png,1\n",
        "file,label\na.png,nan\n", "file,label\na.png,1e99\n", "file,label\n\"a.png,1\n",
        "file,label\n\"a.png\"x,1\n", "file,label\na.png,\xff\n",
        "file,label,x1,y1,x2,y2\na.png,1,2,2,1,3\n", "file,label,x1,y1,x2,y2\na.png,1,0,0,x,3\n",
        "file,label,x1,y1,x2,y2\na.png,1.5,0,0,1,3\n",
        "file,label,x1,y1,x2,y2\na.png,1,0,0,1e9,3\n"}) {
    CAPTURE(wrong);
    const auto labels = csv(wrong);
    REQUIRE_FALSE(labels);
    CHECK(labels.error().code == ErrorCode::invalid_input);
    CHECK(!labels.error().field.empty());
    CHECK(labels.error().message.find("labels.csv") != std::string::npos);
  }
  const auto read = [&](const char* text) { return read_labels_json(text, wanted, {}, "l.json"); };
  const auto boxes = read(R"({"a.png": [{"label": 2, "box": [0, 0, 4, 5]}], "b, c.png": []})");
  REQUIRE(boxes);
  CHECK(boxes->at("a.png").boxes.at(0) == Box{.x2 = 4, .y2 = 5, .label = 2});
  for (const char* wrong :
       {"[]", R"({"a.png": "cat"})", R"({"a.png": null})", R"({"a.png": [{"label": 2}]})",
        R"({"a.png": [[0, 0, 1, 1]]})", R"({"a.png": [{"label": -1, "box": [0, 0, 1, 1]}]})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(read(wrong));
  }
}

TEST_CASE("a sample without a label among labelled ones is named") {
  const TemporaryFolder folder;
  folder.write("a.png", png(4, 4, 3, std::vector<std::uint8_t>(48, 1)));
  folder.write("b.png", png(4, 4, 3, std::vector<std::uint8_t>(48, 1)));
  folder.write("labels.csv", "file,label\na.png,1\n");
  refused(folder.path(), kImages, {"no label for b.png"});
}

TEST_CASE("the worker's step: its params and what it gives back") {
  const TemporaryFolder folder, out;
  const auto data = folder.write("d.npz", zip({{"x.npy", floats({8, 3})}}));
  Step step{.worker = "data",
            .params = {{"inputs", encode(kRows).dump()},
                       {"outputs", encode(kScores).dump()},
                       {"seed", "1"},
                       {"calibration", "128"},
                       {"evaluation", "512"}}};
  const DataBackend backend;
  const auto build = [&](const Step& asked) {
    return backend.build({.path = data.string(), .format = "data"}, {.steps = {asked}}, 0,
                         {.dir = out.path()});
  };
  const auto artifact = build(step);
  REQUIRE(artifact);
  CHECK(artifact->entry == "samples.json");
  CHECK(artifact->files.size() == 9);
  for (const auto& file : artifact->files)
    CHECK(std::filesystem::is_regular_file(out.path() / file.path));
  CHECK_FALSE(std::filesystem::exists(out.path() / ".unpacked"));
  std::ifstream in(out.path() / "samples.json");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto list = decode<SampleList>(*parse_json(text, "samples.json"), "samples.json");
  REQUIRE(list);
  CHECK(list->count == 6);
  for (const char* name : {"inputs", "seed", "evaluation"}) {
    for (const char* value : {"", "x", "[]", "-1", "99999999999999999999"}) {
      Step wrong = step;
      wrong.params[name] = value;
      CHECK_FALSE(build(wrong));
    }
  }
}
