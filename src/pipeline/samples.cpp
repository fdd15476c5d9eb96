#include "pipeline/samples.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/files.h"
#include "core/reservoir.h"
#include "core/utf8.h"
#include "formats/mapped_file.h"
#include "formats/npz.h"
#include "formats/ports.h"
#include "formats/sentence.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

using formats::MappedFile;

constexpr std::size_t kMostCalibration = 128, kMostEvaluation = 512;
constexpr std::size_t kMostTexts = 256;  // evaluated on, of Strop's own text
constexpr std::size_t kMaxLine = 1u << 20;
constexpr std::size_t kMaxTextFiles = 10'000;
constexpr std::size_t kLongPassage = 600;  // bytes; a longer paragraph is cut at a sentence's end
constexpr std::size_t kShortPassage = 20;  // bytes; a shorter one, such as a title, says too little
constexpr std::uint32_t kUsualLimit = 512;  // tokens of a BERT-type encoder
constexpr const char* kList = "samples.json";

std::string in_words(const std::vector<Port>& ports) {
  std::string text;
  for (const Port& port : ports) {
    std::string shape;
    for (const std::int64_t dimension : port.shape)
      shape += str(shape.empty() ? "" : ", ", dimension < 0 ? "?" : str(dimension));
    text += str(text.empty() ? "" : ", ", port.name, " ", port.type,
                port.any_rank ? " of any shape" : " [" + shape + "]");
  }
  return text;
}

Error refuse(const std::string& message, const std::string& hint,
             const std::string& field = "--data", const std::string& value = {}) {
  return Error{.code = ErrorCode::invalid_input,
               .message = "[measure] " + message,
               .hint = hint,
               .field = field,
               .value = value};
}

std::string file_name(std::size_t index) {
  std::string number = std::to_string(index);
  number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
  return number + ".npz";
}

// One text, as a line of JSONL or a paragraph gives it.
struct Passage {
  std::string text;
  std::optional<std::string> pair;
  Label label;
};

Result<Passage> passage_of_line(std::string_view line, const std::string& where) {
  auto json = parse_json(line, where);
  constexpr const char* kForm =
      "A line is {\"text\": \"...\"}, and may have text_pair and label (docs/data.md).";
  if (!json) {
    json.error().hint = kForm;
    return std::move(json).error();
  }
  const auto wrong = [&](const std::string& field, const std::string& rule) {
    return refuse(str(where, ": ", field, " ", rule), kForm, field);
  };
  if (!json->is_object()) return wrong("the line", "must be an object");
  Passage passage;
  for (const auto& [key, value] : json->items()) {
    if (key == "text" || key == "text_pair") {
      if (!value.is_string()) return wrong(key, "must be text");
      (key == "text" ? passage.text : passage.pair.emplace()) = value.get<std::string>();
    } else if (key == "label") {
      if (value.is_number_unsigned() && value.get<std::uint64_t>() < (1u << 31))
        passage.label.index = value.get<std::int64_t>();
      else if (value.is_number())
        passage.label.value = value.get<double>();
      else
        return wrong(key, "must be a class's index or a number");
    } else {
      return wrong(key.substr(0, 80), "is no field that is known");
    }
  }
  if (!json->contains("text")) return wrong("text", "is missing");
  return passage;
}

bool is_jsonl(const fs::path& path) { return path.extension() == ".jsonl"; }
bool is_text(const fs::path& path) { return is_jsonl(path) || path.extension() == ".txt"; }

// Calls visit(index, raw) for each line that is not blank of a .jsonl file.
template <class Visit>
Result<void> each_line(std::string_view text, const std::string& name, const Visit& visit) {
  std::uint64_t index = 0, number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.size() > kMaxLine)
      return refuse(str(name, " line ", number, " must be at most ", kMaxLine, " bytes"),
                    "Split the text.");
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    STROP_CHECK(visit(index++, std::string(line), str(name, " line ", number)));
  }
  return {};
}

// Calls visit(index, raw) for each passage: a paragraph, or sentences of one up to kLongPassage.
template <class Visit>
Result<void> each_passage(std::string_view text, const std::string& name, const Visit& visit) {
  std::uint64_t index = 0;
  std::string passage;
  const auto give = [&]() -> Result<void> {
    const std::string whole = std::exchange(passage, {});
    if (whole.size() < kShortPassage) return {};
    return visit(index++, whole, str(name, " passage ", index));
  };
  const auto add_line = [&](std::string_view line) -> Result<void> {
    if (!passage.empty()) passage += ' ';
    for (const char c : line) {
      passage += c;
      const bool ends = passage.size() > kLongPassage && (c == '.' || c == '!' || c == '?');
      if (ends || passage.size() > kMaxLine / 4) STROP_CHECK(give());
    }
    return {};
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.empty())
      STROP_CHECK(give());
    else
      STROP_CHECK(add_line(line));
  }
  return give();
}

template <class Visit>
Result<void> each_raw(const fs::path& path, const Visit& visit) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  if (const auto offset = invalid_utf8(file.bytes()))
    return refuse(str(path.string(), " must be UTF-8, but byte ", *offset, " is not"),
                  "Save it as UTF-8.", "--data", path.string());
  const std::string name = path.filename().string();
  return is_jsonl(path) ? each_line(file.bytes(), name, visit)
                        : each_passage(file.bytes(), name, visit);
}

struct Chosen {
  std::string source;
  Passage passage;
};

// The items' passages, in the items' order.
Result<std::vector<Chosen>> read_chosen(const std::vector<fs::path>& files,
                                        const std::vector<Drawn>& items) {
  std::vector<Chosen> chosen(items.size());
  for (const fs::path& path : files) {
    std::map<std::uint64_t, std::size_t> wanted;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].file == path.filename().string()) wanted.emplace(items[i].row, i);
    }
    if (wanted.empty()) continue;
    STROP_CHECK(each_raw(
        path,
        [&](std::uint64_t index, const std::string& raw, const std::string& where) -> Result<void> {
          const auto found = wanted.find(index);
          if (found == wanted.end()) return {};
          Chosen& one = chosen[found->second];
          one.source = where;
          if (is_jsonl(path)) {
            STROP_TRY(one.passage, passage_of_line(raw, where));
          } else {
            one.passage.text = raw;
          }
          return {};
        }));
  }
  return chosen;
}

Result<Reservoir> choose(const std::vector<fs::path>& files, std::size_t most, std::uint64_t seed) {
  Reservoir choice(most, seed);
  for (const fs::path& path : files) {
    std::uint64_t count = 0;
    STROP_CHECK(each_raw(path, [&](std::uint64_t, const std::string&, const std::string&) {
      ++count;
      return Result<void>();
    }));
    choice.offer_rows(path.filename().string(), count);
  }
  return choice;
}

Result<std::vector<fs::path>> text_files(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector{path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (!is_text(entry.path()) || !entry.is_regular_file(error)) continue;
    if (files.size() == kMaxTextFiles)
      return refuse(str(path.string(), " must hold at most ", kMaxTextFiles, " files of text"),
                    "Join some of them.", "--data", path.string());
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Text is told by its files' names; other files beside them make it data for the data worker.
bool holds_text(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return is_text(path);
  bool text = false;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const fs::path extension = entry.path().extension();
    text = text || is_text(entry.path());
    if (extension == ".npz" || extension == ".npy" || extension == ".png" || extension == ".jpg")
      return false;
  }
  return text;
}

// The texts to evaluate on and to calibrate with.
struct Texts {
  std::vector<Chosen> evaluation, calibration;
  std::uint64_t available = 0;
};

Result<Texts> own_texts(const fs::path& share, std::uint64_t seed) {
  Texts texts;
  STROP_TRY(const auto evaluated, text_files(share / "text" / "evaluation"));
  STROP_TRY(const auto calibrating, text_files(share / "text" / "calibration"));
  STROP_TRY(const Reservoir evaluation, choose(evaluated, kMostTexts, seed));
  STROP_TRY(const Reservoir calibration, choose(calibrating, kMostCalibration, seed));
  STROP_TRY(texts.evaluation, read_chosen(evaluated, evaluation.items()));
  STROP_TRY(texts.calibration, read_chosen(calibrating, calibration.items()));
  texts.available = evaluation.offered() + calibration.offered();
  return texts;
}

Result<Texts> users_texts(const fs::path& data, std::uint64_t seed) {
  STROP_TRY(const auto files, text_files(data));
  STROP_TRY(const Reservoir choice, choose(files, kMostCalibration + kMostEvaluation, seed));
  const Shares most = shares(choice.offered(), kMostCalibration, kMostEvaluation);
  std::vector<Drawn> items = choice.items();
  if (items.empty())
    return refuse(
        str(data.string(), " holds no text"),
        "A line of a .jsonl file is {\"text\": \"...\"}; in a .txt file a blank line ends a "
        "text (docs/data.md).",
        "--data", data.string());
  items.resize(most.calibration + most.evaluation);
  STROP_TRY(std::vector<Chosen> chosen, read_chosen(files, items));
  const auto cut = chosen.begin() + static_cast<std::ptrdiff_t>(most.calibration);
  Texts texts{.available = choice.offered()};
  texts.calibration.assign(std::make_move_iterator(chosen.begin()), std::make_move_iterator(cut));
  texts.evaluation.assign(std::make_move_iterator(cut), std::make_move_iterator(chosen.end()));
  return texts;
}

// Where the model's tokenizer lies: its folder, or that of its file.
Result<fs::path> tokenizer_folder(const Model& model) {
  std::error_code error;
  const fs::path path = model.path;
  const fs::path folder = fs::is_directory(path, error) ? path : path.parent_path();
  if (fs::exists(folder / "tokenizer.json", error)) return folder;
  return refuse(
      str("the model takes token ids, but there is no tokenizer.json in ", folder.string()),
      "Put the model's tokenizer.json, tokenizer_config.json and config.json beside it, or "
      "give --data a folder of .npz files.",
      "MODEL", model.path);
}

// A vocabulary for the text worker, made by the convert worker from the tokenizer's files.
Result<Artifact> vocabulary_of(const fs::path& folder, Context& context) {
  Json files = Json::object();
  std::error_code error;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "config.json"}) {
    if (!fs::exists(folder / name, error)) continue;
    STROP_TRY(files[name], context.store().digest(folder / name));
  }
  const std::string id = id_of({{"vocabulary", files}, {"tool", version()}});
  return context.store().artifact(id, [&](const fs::path& out) -> Result<Artifact> {
    const Model input{.id = id, .path = folder.string(), .format = "huggingface"};
    const Recipe recipe{
        .name = "vocabulary",
        .backend = "convert",
        .steps = {{.worker = "convert", .params = {{"to", "vocabulary"}, {"type", "auto"}}}}};
    return context.worker("convert").build(
        input, recipe, 0, {.dir = out, .progress = nullptr, .stop = context.stop()});
  });
}

// Texts -> the arrays of a BERT-type encoder.
class Encoder {
 public:
  Encoder(Tokenizer& tokenizer, const Model& model) : tokenizer_(tokenizer), model_(model) {}

  Result<void> begin(const fs::path& folder) {
    STROP_TRY(around_, tokenizer_.encode("", true, false));
    if (around_.size() != 2)
      return Error{
          .code = ErrorCode::unsupported,
          .message = str("[measure] an encoder's tokenizer must put one token before a text "
                         "and one after it, but puts ",
                         around_.size()),
          .field = "tokenizer"};
    STROP_TRY(const std::uint32_t stated, formats::read_text_limit(folder));
    limit_ = stated > 0 ? stated : kUsualLimit;
    if (stated == 0)
      notes_.push_back(str("Nothing beside the model says how long a text may be: ", limit_,
                           " tokens are taken."));
    for (const Port& port : model_.inputs) {
      if (port.shape[0] != -1 && port.shape[0] != 1)
        return refuse(
            str("the model takes ", port.shape[0], " texts at once: ", in_words(model_.inputs)),
            "Give it .npz files with --data.", port.name);
      if (port.shape[1] != -1) length_ = static_cast<std::size_t>(port.shape[1]);
    }
    if (!length_) return {};
    limit_ = std::min<std::size_t>(limit_, *length_);
    STROP_TRY(const auto pad, tokenizer_.encode("[PAD]", false, true));
    if (pad.size() != 1)
      return refuse(str("the model takes exactly ", *length_,
                        " tokens, but its tokenizer has no [PAD] to fill a text up with"),
                    "Give it .npz files with --data.", "inputs");
    pad_ = pad[0];
    return {};
  }

  Result<std::vector<Tensor>> arrays(const Passage& passage, const std::string& source) {
    STROP_TRY(std::vector<TokenId> first, ids_of(passage.text, source));
    std::vector<TokenId> second;
    if (passage.pair) {
      STROP_TRY(second, ids_of(*passage.pair, source));
    }
    const std::size_t special = passage.pair ? 3 : 2;
    // The longer of two gives way, as in Hugging Face's longest_first.
    if (first.size() + second.size() + special > limit_) ++truncated_;
    while (first.size() + second.size() + special > limit_) {
      std::vector<TokenId>& longer = first.size() > second.size() ? first : second;
      if (longer.empty()) break;
      longer.pop_back();
    }
    std::vector<std::int64_t> ids{around_[0]}, types;
    ids.insert(ids.end(), first.begin(), first.end());
    ids.push_back(around_[1]);
    types.assign(ids.size(), 0);
    if (passage.pair) {
      ids.insert(ids.end(), second.begin(), second.end());
      ids.push_back(around_[1]);
      types.resize(ids.size(), 1);
    }
    std::vector<std::int64_t> mask(ids.size(), 1);
    if (length_) {
      ids.resize(*length_, pad_);
      types.resize(*length_, 0);
      mask.resize(*length_, 0);
    }
    std::vector<Tensor> tensors;
    for (const Port& port : model_.inputs) {
      const auto& values = port.name == "input_ids"        ? ids
                           : port.name == "attention_mask" ? mask
                                                           : types;
      Tensor tensor{.name = port.name,
                    .type = ElementType::i64,
                    .shape = {1, static_cast<std::int64_t>(values.size())},
                    .data = {}};
      const auto* const bytes = reinterpret_cast<const std::byte*>(values.data());
      tensor.data.assign(bytes, bytes + values.size() * sizeof(std::int64_t));
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> all = notes_;
    if (truncated_ > 0)
      all.push_back(str(truncated_, truncated_ == 1 ? " text was" : " texts were", " cut to the ",
                        limit_, " tokens that the model takes."));
    return all;
  }

 private:
  Result<std::vector<TokenId>> ids_of(const std::string& text, const std::string& source) {
    auto ids = tokenizer_.encode(text, false, true);
    if (!ids) ids.error().message = str("[measure] ", source, ": ", ids.error().message);
    return ids;
  }

  Tokenizer& tokenizer_;
  const Model& model_;
  std::vector<TokenId> around_;
  std::size_t limit_ = kUsualLimit;
  std::optional<std::size_t> length_;  // where the model's inputs have a fixed one
  TokenId pad_ = 0;
  std::uint32_t truncated_ = 0;
  std::vector<std::string> notes_;
};

Result<void> write_texts(Encoder& encoder, const std::vector<Chosen>& texts, const fs::path& folder,
                         const std::string& prefix, Artifact& artifact) {
  STROP_CHECK(make_folder(folder / prefix));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string name = prefix + file_name(i);
    STROP_TRY(const auto arrays, encoder.arrays(texts[i].passage, texts[i].source));
    STROP_CHECK(formats::write_npz(folder / name, arrays));
    artifact.files.push_back({.path = name});
  }
  return {};
}

void add_labels(const std::vector<Chosen>& texts, SampleList& list) {
  const auto labelled = [](const Chosen& one) { return one.passage.label != Label{}; };
  if (std::none_of(texts.begin(), texts.end(), labelled)) return;
  const bool values = std::any_of(texts.begin(), texts.end(), [](const Chosen& one) {
    return one.passage.label.value.has_value();
  });
  for (const Chosen& one : texts) {
    Label label = one.passage.label;
    if (values && label.index) label.value = static_cast<double>(*std::exchange(label.index, {}));
    list.labels.push_back(std::move(label));
  }
  list.task = values ? "regression" : "classification";
  list.notes.push_back(str("The task is taken for ", list.task, ", by the labels."));
}

Result<void> check_all_labelled(const std::vector<Chosen>& texts) {
  const auto labelled = [](const Chosen& one) { return one.passage.label != Label{}; };
  const auto without = std::find_if_not(texts.begin(), texts.end(), labelled);
  if (without == texts.end() || std::none_of(texts.begin(), texts.end(), labelled)) return {};
  return refuse(str(without->source, " has no label, but others have"),
                "Give every line a label, or none.", "label", without->source);
}

Result<Artifact> samples_of_text(const Model& model, const Texts& texts, const fs::path& out,
                                 Context& context) {
  STROP_CHECK(check_all_labelled(texts.evaluation));
  STROP_TRY(const fs::path folder, tokenizer_folder(model));
  STROP_TRY(const Artifact vocabulary, vocabulary_of(folder, context));
  STROP_TRY(const auto tokenizer, context.tokenizer(fs::path(vocabulary.folder) / kVocabulary));
  Encoder encoder(*tokenizer, model);
  STROP_CHECK(encoder.begin(folder));
  Artifact artifact{.format = "samples", .entry = kList};
  artifact.files.push_back({.path = kList});
  STROP_CHECK(write_texts(encoder, texts.evaluation, out, "", artifact));
  STROP_CHECK(write_texts(encoder, texts.calibration, out, "calibration/", artifact));
  SampleList list{.count = static_cast<std::uint32_t>(texts.evaluation.size()),
                  .calibration_count = static_cast<std::uint32_t>(texts.calibration.size()),
                  .available = texts.available};
  if (model.kind == ModelKind::embedding) list.task = "embedding";
  for (const Port& port : model.outputs) {
    if (port.name == "sentence_embedding") list.output = port.name;
  }
  for (const Chosen& one : texts.evaluation) list.sources.push_back(one.source);
  list.notes = encoder.notes();
  list.notes.push_back(str("Of ", list.available, " texts ", list.count, " are evaluated on and ",
                           list.calibration_count, " calibrate."));
  add_labels(texts.evaluation, list);
  STROP_CHECK(write_whole(out / kList, text_of(encode(list), 1)));
  return artifact;
}

Result<Artifact> samples_of_data(const Model& model, const std::string& data,
                                 const std::string& digest, const fs::path& out, Context& context) {
  const Model input{.id = digest, .path = data, .format = "data"};
  const Recipe recipe{.name = "samples",
                      .backend = "data",
                      .steps = {{.worker = "data",
                                 .params = {{"inputs", text_of(encode(model.inputs))},
                                            {"outputs", text_of(encode(model.outputs))},
                                            {"seed", str(context.request().goal.seed)},
                                            {"calibration", str(kMostCalibration)},
                                            {"evaluation", str(kMostEvaluation)}}}}};
  StepProgress progress(context, Stage::measure, "samples");
  return context.worker("data").build(input, recipe, 0,
                                      {.dir = out, .progress = &progress, .stop = context.stop()});
}

// What the samples depend on.
Result<Json> identity_of(const Model& model, Context& context) {
  const Goal& goal = context.request().goal;
  Json identity{{"inputs", encode(model.inputs)},
                {"outputs", encode(model.outputs)},
                {"seed", goal.seed},
                {"tool", version()}};
  const fs::path data = goal.evaluation_data.empty() ? context.where().share / "text"
                                                     : fs::path(goal.evaluation_data);
  STROP_TRY(identity["data"], context.store().digest_tree(data));
  // Of text, the tokenizer decides too.
  if (formats::takes_token_ids(model.inputs)) identity["model"] = model.id;
  return identity;
}

Result<Artifact> make(const Model& model, const Json& identity, Context& context) {
  const std::string& data = context.request().goal.evaluation_data;
  const std::uint64_t seed = context.request().goal.seed;
  const std::string id = id_of({{"samples", identity}});
  return context.store().artifact(id, [&](const fs::path& out) -> Result<Artifact> {
    if (!data.empty() && !holds_text(data))
      return samples_of_data(model, data, identity["data"], out, context);
    STROP_TRY(const Texts texts,
              data.empty() ? own_texts(context.where().share, seed) : users_texts(data, seed));
    return samples_of_text(model, texts, out, context);
  });
}

}  // namespace

Result<void> check_samples(const Model& model, const Goal& goal) {
  const std::string& data = goal.evaluation_data;
  if (model.inputs.empty())
    return refuse(str(model.path, " states no inputs, so that no samples can be made for it"),
                  "Give a model that runs on tensors.", "inputs", model.path);
  const bool encoder = formats::takes_token_ids(model.inputs);
  std::error_code error;
  if (!data.empty() && !fs::exists(data, error))
    return refuse("data by domain is for language models; this one takes tensors",
                  "Give one file or folder with --data.", "--data", data);
  if (!goal.evaluation_tasks.empty())
    return refuse("labelled tasks are for language models; this one takes tensors",
                  "Leave --eval out; labels of samples go beside them (docs/data.md).", "--eval",
                  goal.evaluation_tasks);
  if (data.empty() && !encoder)
    return refuse(
        str("the model needs samples to be measured on; it takes ", in_words(model.inputs)),
        "Give --data a folder of .npz files with arrays of these names, or of images "
        "(docs/data.md).");
  if (!data.empty() && holds_text(data) && !encoder)
    return refuse(str(data, " holds text, but the model takes ", in_words(model.inputs)),
                  "Give --data a folder of .npz files with arrays of these names (docs/data.md).",
                  "--data", data);
  return {};
}

Result<SampleSet> read_samples(const Model& model, Context& context) {
  STROP_CHECK(check_samples(model, context.request().goal));
  STROP_TRY(const Json identity, identity_of(model, context));
  STROP_TRY(Artifact artifact, context.step<Artifact>(Stage::measure, "samples", identity, [&] {
    return make(model, identity, context);
  }));
  // The journal may remember samples that have left the store since.
  if (!context.store().has(artifact.id)) {
    STROP_TRY(artifact, make(model, identity, context));
  }
  const fs::path folder = artifact.folder;
  STROP_TRY(const std::string text, read_text(folder / kList));
  STROP_TRY(const Json json, parse_json(text, (folder / kList).string()));
  STROP_TRY(SampleList list, decode<SampleList>(json, (folder / kList).string()));
  SampleSet set{.folder = folder,
                .calibration_count = list.calibration_count,
                .calibration_id = id_of({{"samples", artifact.id}, {"part", "calibration"}}),
                .evaluation_id = id_of({{"samples", artifact.id}, {"part", "evaluation"}}),
                .task = std::move(list.task),
                .output = std::move(list.output),
                .labels = std::move(list.labels),
                .notes = std::move(list.notes)};
  if (list.calibration_count > 0) set.calibration = folder / "calibration";
  for (std::uint32_t i = 0; i < list.count; ++i) set.evaluation.push_back(i);
  return set;
}

Result<std::vector<Tensor>> read_sample(const SampleSet& set, std::uint32_t index) {
  return formats::read_npz(set.folder / file_name(index));
}

}  // namespace strop::pipeline
