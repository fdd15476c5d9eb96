#include "samples.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <span>

#include "arrays.h"
#include "config.h"
#include "core/files.h"
#include "core/reservoir.h"
#include "core/stop.h"
#include "core/utf8.h"
#include "formats/npz.h"
#include "labels.h"
#include "preprocess.h"

namespace fs = std::filesystem;

namespace strop::data {
namespace {

using formats::MappedFile;

constexpr int kMaxDepth = 4;                           // of folders in folders
constexpr std::uint64_t kMaxFiles = 10'000'000;        // looked at
constexpr std::uint64_t kMaxSampleBytes = 1ull << 30;  // of one sample
constexpr std::uint64_t kMaxBytes = 2ull << 30;        // of all samples together
constexpr std::size_t kMaxConstant = 65536;            // elements
constexpr const char* kLabel = "label";                // an array of the user's that is no input

enum class Source { images, arrays };

Error refuse(const std::string& what, const std::string& field, const std::string& rule,
             const std::string& value, const std::string& hint = {}) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[data] ", what, ": ", rule),
               .hint = hint,
               .field = field,
               .value = value};
}

std::optional<Source> source_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") return Source::images;
  if (extension == ".npz" || extension == ".npy") return Source::arrays;
  return std::nullopt;
}

// The data as a folder and the files in it that count.
struct Place {
  fs::path folder;
  std::string only;  // the one file; empty: all of the folder
};

// Calls visit(name) for each data file, in the order of the file system; links are passed by.
Result<void> each_file(const Place& place,
                       const std::function<Result<void>(const std::string&)>& visit) {
  if (!place.only.empty()) return visit(place.only);
  std::error_code error;
  std::uint64_t seen = 0;
  fs::recursive_directory_iterator files(place.folder, error), end;
  if (error) return file_error("read", place.folder, error.value());
  for (; files != end; files.increment(error)) {
    if (files.depth() >= kMaxDepth) files.disable_recursion_pending();
    if (++seen > kMaxFiles)
      return refuse(place.folder.string(), "--data", str("must hold at most ", kMaxFiles, " files"),
                    "more");
    std::error_code ignored;
    if (files->is_symlink(ignored) || !files->is_regular_file(ignored)) continue;
    const std::string name = fs::path(files->path()).lexically_relative(place.folder).string();
    if (!source_of(files->path())) continue;
    if (invalid_utf8(name))
      return refuse(repaired_utf8(name), "--data", "a file's name must be UTF-8",
                    repaired_utf8(name));
    STROP_CHECK(visit(name));
  }
  if (error) return file_error("read", place.folder, error.value());
  return {};
}

Result<DataConfig> read_config(const Place& place) {
  std::error_code error;
  if (!place.only.empty() || !fs::exists(place.folder / "data.json", error)) return DataConfig{};
  STROP_TRY(const MappedFile file, MappedFile::open_inside(place.folder, "data.json"));
  if (file.bytes().size() > kMaxConfig)
    return refuse("data.json", "size", str("must be at most ", kMaxConfig, " bytes"),
                  str(file.bytes().size()));
  STROP_TRY(const Json json, parse_json(file.bytes(), "data.json"));
  return read_data_config(json);
}

// A value that every sample gets, in the input's type and shape; one number fills all of it.
template <class T>
Result<void> fill(Tensor& tensor, const Json& value, std::size_t elements) {
  const Json list = value.is_array() ? value : Json::array({value});
  if (!list.is_array() || (list.size() != 1 && list.size() != elements))
    return refuse("data.json", "constants." + tensor.name,
                  str("must be one number or ", elements, " for ", in_words(tensor.shape)),
                  shown(value));
  std::vector<T> numbers(elements);
  for (std::size_t i = 0; i < elements; ++i) {
    const Json& one = list[list.size() == 1 ? 0 : i];
    bool fits = one.is_number();
    if (fits && std::is_integral_v<T>) {
      fits =
          one.is_number_integer() &&
          (!one.is_number_unsigned() ||
           one.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())) &&
          (one.is_number_unsigned() ||
           one.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min()));
    }
    if (!fits)
      return refuse("data.json", "constants." + tensor.name, "must be numbers of the input's type",
                    shown(one));
    numbers[i] = one.get<T>();
  }
  std::memcpy(tensor.data.data(), numbers.data(), elements * sizeof(T));
  return {};
}

Result<Tensor> constant_of(const Port& port, const Json& value) {
  Tensor tensor{.name = port.name, .shape = port.shape};
  const auto type = from_name<ElementType>(port.type);
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == -1 && i == 0) tensor.shape[0] = 1;
  }
  const auto bytes = type ? formats::array_bytes(*type, tensor.shape) : std::nullopt;
  if (port.any_rank || !bytes || *bytes / formats::element_bytes(*type) > kMaxConstant)
    return refuse("data.json", "constants." + port.name,
                  str("an input must have a fixed shape of at most ", kMaxConstant,
                      " elements to be a constant, but is ", in_words(std::vector{port})),
                  in_words(port.shape), "Give it in npz files.");
  tensor.type = *type;
  tensor.data.resize(*bytes);
  const std::size_t elements = *bytes / formats::element_bytes(*type);
  Result<void> filled;
  if (*type == ElementType::f32)
    filled = fill<float>(tensor, value, elements);
  else if (*type == ElementType::i64)
    filled = fill<std::int64_t>(tensor, value, elements);
  else if (*type == ElementType::i32)
    filled = fill<std::int32_t>(tensor, value, elements);
  else if (*type == ElementType::i8)
    filled = fill<std::int8_t>(tensor, value, elements);
  else if (*type == ElementType::u8 || *type == ElementType::boolean)
    filled = fill<std::uint8_t>(tensor, value, elements);
  else
    return refuse("data.json", "constants." + port.name, str("a constant cannot be ", port.type),
                  port.type, "Give it in npz files.");
  STROP_CHECK(filled);
  return tensor;
}

class Maker {
 public:
  Maker(const Request& request, const Workspace& workspace)
      : request_(request),
        workspace_(workspace),
        choice_(request.calibration + request.evaluation, request.seed) {}

  Result<SampleList> make() {
    STROP_CHECK(find_place());
    STROP_TRY(config_, read_config(place_));
    STROP_CHECK(check_output());
    STROP_CHECK(make_constants());
    STROP_CHECK(find_source());
    if (source_ == Source::images) STROP_CHECK(plan_images());
    STROP_CHECK(choose());
    STROP_CHECK(write_all());
    STROP_CHECK(add_labels());
    list_.task = config_.task;
    list_.output = config_.output;
    name_task();
    STROP_CHECK(write_whole(workspace_.dir / "samples.json", text_of(encode(list_), 1)));
    return list_;
  }

 private:
  Result<void> find_place() {
    std::error_code error;
    const fs::file_status status = fs::status(request_.data, error);
    if (!fs::exists(status))
      return Error{.code = ErrorCode::not_found,
                   .message = str("[data] there is no file or folder ", request_.data.string()),
                   .field = "--data",
                   .value = request_.data.string()};
    place_ = fs::is_directory(status) ? Place{.folder = request_.data, .only = {}}
                                      : Place{.folder = request_.data.parent_path(),
                                              .only = request_.data.filename().string()};
    return {};
  }

  Result<void> check_output() const {
    if (config_.output.empty()) return {};
    for (const Port& port : request_.outputs) {
      if (port.name == config_.output) return {};
    }
    return refuse("data.json", "output",
                  str("output must be one of the model's, ", in_words(request_.outputs)),
                  config_.output);
  }

  Result<void> make_constants() {
    for (const auto& [name, value] : config_.constants) {
      const auto port = std::find_if(request_.inputs.begin(), request_.inputs.end(),
                                     [&name = name](const Port& one) { return one.name == name; });
      if (port == request_.inputs.end())
        return refuse("data.json", "constants." + name,
                      str(name, " must be an input of the model, ", in_words(request_.inputs)),
                      name);
      STROP_TRY(Tensor tensor, constant_of(*port, value));
      constants_.push_back(std::move(tensor));
    }
    for (const Port& port : request_.inputs) {
      if (!config_.constants.contains(port.name)) inputs_.push_back(port);
    }
    return {};
  }

  // Which kind of files the data is; both kinds together are no data that can be told apart.
  Result<void> find_source() {
    std::string first;
    std::optional<Source> found;
    const auto look = [&](const std::string& name) -> Result<void> {
      const auto source = source_of(name);
      if (!source)
        return refuse(name, "--data", "must be .npz, .npy, .png or .jpg, or a folder of such",
                      name);
      if (found && *found != *source)
        return refuse(place_.folder.string(), "--data",
                      str("must hold images or arrays, not both, but has ", first, " and ", name),
                      name);
      if (!found) first = name;
      found = source;
      return {};
    };
    STROP_CHECK(each_file(place_, look));
    if (!found)
      return refuse(place_.folder.string(), "--data",
                    str("there is no .npz, .npy, .png or .jpg file in it; the model takes ",
                        in_words(request_.inputs)),
                    place_.folder.string(), "docs/data.md shows what data can be.");
    source_ = *found;
    if (source_ == Source::arrays && config_.images)
      return refuse("data.json", "images", "goes with images only, but the data is arrays", first);
    if (source_ == Source::images && config_.rows)
      return refuse("data.json", "each", "goes with arrays only, but the data is images", first);
    return {};
  }

  Result<void> plan_images() {
    STROP_TRY(plan_, settle(config_.images.value_or(ImageConfig{}), inputs_));
    for (const Port& port : inputs_) {
      if (port.name != plan_->input)
        return refuse("data.json", "constants",
                      str("images give ", plan_->input, " only, but the model also takes ",
                          in_words(std::vector{port})),
                      port.name, "Give it a constant in data.json, or give npz files.");
    }
    list_.notes.push_back(in_words(*plan_));
    const std::uint64_t bytes = std::uint64_t{plan_->width} * plan_->height *
                                plan_->channel_count() * formats::element_bytes(plan_->type);
    return see(plan_->input, bytes);
  }

  // Remembers the largest sample, from which it follows how many there may be.
  Result<void> see(const std::string& what, std::uint64_t bytes) {
    if (bytes > kMaxSampleBytes)
      return refuse(what, "size",
                    str("a sample must be at most ", kMaxSampleBytes, " bytes, but is ", bytes),
                    str(bytes));
    largest_ = std::max(largest_, bytes);
    return {};
  }

  // A file holds a sample per row where every input begins with a batch that may be 1.
  bool by_rows() const {
    if (config_.rows) return *config_.rows;
    return std::all_of(inputs_.begin(), inputs_.end(), [](const Port& port) {
      return !port.any_rank && !port.shape.empty() && (port.shape[0] == -1 || port.shape[0] == 1);
    });
  }

  // The name of a .npy file's array.
  std::string stem() const { return inputs_.size() == 1 ? inputs_[0].name : std::string("array"); }

  Result<void> choose() {
    const auto offer = [&](const std::string& name) -> Result<void> {
      STROP_CHECK(check_stop(workspace_.stop));
      if (source_ == Source::images) {
        choice_.offer(name);
        return {};
      }
      STROP_TRY(const MappedFile file, MappedFile::open_inside(place_.folder, name));
      STROP_TRY(const auto headers, array_headers(file, name, stem()));
      STROP_TRY(const std::uint64_t rows, check_arrays(headers, name));
      if (by_rows())
        choice_.offer_rows(name, rows);
      else
        choice_.offer(name);
      return {};
    };
    STROP_CHECK(each_file(place_, offer));
    items_ = choice_.items();
    list_.available = choice_.offered();
    const std::size_t room = static_cast<std::size_t>(
        std::max<std::uint64_t>(1, kMaxBytes / std::max<std::uint64_t>(largest_, 1)));
    const Shares most = shares(list_.available, std::min(request_.calibration, room / 4),
                               std::min(request_.evaluation, room));
    list_.calibration_count = static_cast<std::uint32_t>(most.calibration);
    list_.count = static_cast<std::uint32_t>(
        std::min(most.evaluation, std::max<std::size_t>(1, room - most.calibration)));
    items_.resize(std::min<std::size_t>(items_.size(), list_.count + list_.calibration_count));
    if (items_.empty())
      return refuse(place_.folder.string(), "--data", "there is no sample in it", "0");
    list_.notes.push_back(
        str("Of ", list_.available, list_.available == 1 ? " sample " : " samples ", list_.count,
            list_.count == 1 ? " is" : " are", " evaluated on and ", list_.calibration_count,
            list_.calibration_count == 1 ? " calibrates" : " calibrate", ", chosen by seed ",
            request_.seed, "."));
    return {};
  }

  // Name, type, rank and fixed dimensions of every array; returns how many rows the file has.
  Result<std::uint64_t> check_arrays(const std::vector<ArrayHeader>& headers,
                                     const std::string& file) {
    std::optional<std::int64_t> rows;
    std::uint64_t bytes = 0;
    for (const Port& port : inputs_) {
      const auto found = std::find_if(headers.begin(), headers.end(), [&](const ArrayHeader& one) {
        return one.name == port.name;
      });
      if (found == headers.end())
        return refuse(
            file, port.name,
            str("it has no array ", port.name, "; the model takes ", in_words(request_.inputs)),
            "missing", "Save it with numpy.savez(FILE, NAME=array, ...).");
      STROP_CHECK(check_array(*found, port, file));
      const std::uint64_t row_bytes =
          by_rows() && found->shape[0] > 0
              ? found->bytes / static_cast<std::uint64_t>(found->shape[0])
              : found->bytes;
      bytes += row_bytes;
      if (!by_rows()) continue;
      if (rows && *rows != found->shape[0])
        return refuse(
            file, port.name,
            str(port.name, " has ", found->shape[0], " rows, but another array has ", *rows),
            str(found->shape[0]));
      rows = found->shape[0];
    }
    for (const ArrayHeader& header : headers) STROP_CHECK(check_known(header, file, rows));
    STROP_CHECK(see(file, bytes));
    return static_cast<std::uint64_t>(rows.value_or(1));
  }

  Result<void> check_array(const ArrayHeader& array, const Port& port, const std::string& file) {
    if (name_of(array.type) != port.type)
      return refuse(file, port.name,
                    str(port.name, " must be ", port.type, ", but is ", name_of(array.type)),
                    std::string(name_of(array.type)), "Save it as the type that the model takes.");
    if (by_rows() && array.shape.empty())
      return refuse(
          file, port.name, str(port.name, " must have a row for each sample, but is one number"),
          in_words(array.shape), "Save it as an array, or set each in data.json to file.");
    if (port.any_rank) return {};
    const auto wrong_shape = [&](const std::string& rule) {
      return refuse(file, port.name,
                    str(port.name, " must be ", in_words(port.shape), rule, ", but is ",
                        in_words(array.shape)),
                    in_words(array.shape));
    };
    if (array.shape.size() != port.shape.size())
      return wrong_shape(by_rows() ? " (rows first)" : "");
    for (std::size_t i = 0; i < port.shape.size(); ++i) {
      if (i == 0 && by_rows()) continue;
      if (port.shape[i] != -1 && port.shape[i] != array.shape[i]) return wrong_shape("");
    }
    return {};
  }

  // What is no input must be the labels.
  Result<void> check_known(const ArrayHeader& header, const std::string& file,
                           std::optional<std::int64_t> rows) const {
    for (const Port& port : inputs_) {
      if (port.name == header.name) return {};
    }
    if (header.name != kLabel)
      return refuse(file, header.name,
                    str(header.name, " is no input of the model, which takes ", in_words(inputs_)),
                    header.name, "Leave it out; an array named label gives the samples' labels.");
    const bool number = header.type == ElementType::i64 || header.type == ElementType::i32 ||
                        header.type == ElementType::f32;
    const std::uint64_t wanted = static_cast<std::uint64_t>(rows.value_or(1));
    if (!number || header.bytes / formats::element_bytes(header.type) != wanted)
      return refuse(file, kLabel,
                    str("label must be ", wanted, " numbers of i64, i32 or f32, but is ",
                        name_of(header.type), " ", in_words(header.shape)),
                    in_words(header.shape));
    return {};
  }

  // The first items calibrate. Files are taken one after the other, each once.
  Result<void> write_all() {
    STROP_CHECK(make_folder(workspace_.dir / "calibration"));
    placements_.resize(list_.count);
    found_labels_.resize(list_.count);
    std::vector<std::size_t> order(items_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return items_[a].file < items_[b].file; });
    for (std::size_t begin = 0; begin < order.size();) {
      STROP_CHECK(check_stop(workspace_.stop));
      const std::string& file = items_[order[begin]].file;
      std::size_t end = begin;
      while (end < order.size() && items_[order[end]].file == file) ++end;
      const std::span<const std::size_t> of_file(order.data() + begin, end - begin);
      if (source_ == Source::images)
        STROP_CHECK(write_image(of_file[0]));
      else
        STROP_CHECK(write_arrays(file, of_file));
      begin = end;
      if (workspace_.progress)
        workspace_.progress->report(static_cast<double>(begin) / static_cast<double>(order.size()),
                                    file);
    }
    for (std::size_t i = 0; i < list_.count; ++i)
      list_.sources.push_back(items_[list_.calibration_count + i].name());
    return {};
  }

  fs::path path_of(std::size_t item) const {
    const bool calibrates = item < list_.calibration_count;
    std::string number = std::to_string(calibrates ? item : item - list_.calibration_count);
    number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
    return (calibrates ? workspace_.dir / "calibration" : workspace_.dir) / (number + ".npz");
  }
  // Null for a sample that calibrates: its label is of no use.
  template <class T>
  T* of_evaluation(std::vector<T>& list, std::size_t item) const {
    return item < list_.calibration_count ? nullptr : &list[item - list_.calibration_count];
  }

  // In the model's order, the constants at their places.
  Result<void> write(std::size_t item, std::vector<Tensor> tensors) {
    std::vector<Tensor> ordered;
    for (const Port& port : request_.inputs) {
      for (const auto* list : {&tensors, &constants_}) {
        for (const Tensor& tensor : *list) {
          if (tensor.name == port.name) ordered.push_back(tensor);
        }
      }
    }
    return formats::write_npz(path_of(item), ordered);
  }

  Result<void> write_image(std::size_t item) {
    const std::string& name = items_[item].file;
    STROP_TRY(const MappedFile file, MappedFile::open_inside(place_.folder, name));
    STROP_TRY(const Image image, decode_image(file.bytes(), name));
    STROP_TRY(Prepared prepared, prepare(image, *plan_, name));
    if (Placement* const placement = of_evaluation(placements_, item))
      *placement = prepared.placement;
    std::vector<Tensor> tensors;
    tensors.push_back(std::move(prepared.tensor));
    return write(item, std::move(tensors));
  }

  Result<void> write_arrays(const std::string& file, std::span<const std::size_t> items) {
    const fs::path scratch = workspace_.dir / ".unpacked";
    STROP_CHECK(make_folder(scratch));
    auto written = write_rows(file, items, scratch);
    std::error_code ignored;
    fs::remove_all(scratch, ignored);
    return written;
  }

  Result<void> write_rows(const std::string& file, std::span<const std::size_t> items,
                          const fs::path& scratch) {
    STROP_TRY(const auto arrays, open_arrays(place_.folder, file, stem(), scratch));
    std::vector<ArrayHeader> headers;
    for (const Array& array : arrays) headers.push_back(array.header);
    STROP_TRY(const std::uint64_t rows, check_arrays(headers, file));  // as it is now
    for (const std::size_t item : items) {
      if (items_[item].row >= rows)
        return refuse(file, "rows", "the file changed while it was read", str(rows));
      std::vector<Tensor> tensors;
      for (const Array& array : arrays) {
        if (array.header.name == kLabel && !is_input(kLabel)) {
          if (Label* const label = of_evaluation(found_labels_, item))
            STROP_CHECK(read_label(array, items_[item].row, *label, items_[item].name()));
          continue;
        }
        tensors.push_back(row_of(array, items_[item].row));
      }
      STROP_CHECK(write(item, std::move(tensors)));
    }
    return {};
  }

  bool is_input(std::string_view name) const {
    return std::any_of(inputs_.begin(), inputs_.end(),
                       [&](const Port& port) { return port.name == name; });
  }

  Tensor row_of(const Array& array, std::uint64_t row) const {
    const ArrayHeader& header = array.header;
    Tensor tensor{.name = header.name, .type = header.type, .shape = header.shape, .data = {}};
    std::string_view bytes = array.data();
    if (by_rows()) {
      const std::uint64_t row_bytes = header.bytes / static_cast<std::uint64_t>(header.shape[0]);
      bytes = bytes.substr(row * row_bytes, row_bytes);
      tensor.shape[0] = 1;
    }
    tensor.data.resize(bytes.size());
    if (!bytes.empty()) std::memcpy(tensor.data.data(), bytes.data(), bytes.size());
    return tensor;
  }

  template <class T>
  static T number_at(const Array& array, std::uint64_t index) {
    T value{};
    std::memcpy(&value, array.data().data() + index * sizeof(T), sizeof(T));
    return value;
  }

  Result<void> read_label(const Array& array, std::uint64_t row, Label& label,
                          const std::string& name) const {
    const std::uint64_t at = by_rows() ? row : 0;
    if (array.header.type == ElementType::f32) {
      const float value = number_at<float>(array, at);
      if (!std::isfinite(value)) return refuse(name, kLabel, "a label must be finite", str(value));
      label.value = value;
      return {};
    }
    label.index = array.header.type == ElementType::i64 ? number_at<std::int64_t>(array, at)
                                                        : number_at<std::int32_t>(array, at);
    if (*label.index >= 0) return {};
    return refuse(name, kLabel, "a label must be a class's index from 0", str(*label.index));
  }

  // The file that data.json names; labels.csv where it names none and there is one.
  Result<std::string> label_file() const {
    if (!config_.labels.empty()) return config_.labels;
    std::error_code error;
    const bool usual = place_.only.empty() && fs::exists(place_.folder / "labels.csv", error);
    return std::string(usual ? "labels.csv" : "");
  }

  Result<void> add_labels() {
    STROP_TRY(const std::string name, label_file());
    const bool in_arrays = std::any_of(found_labels_.begin(), found_labels_.end(),
                                       [](const Label& label) { return label != Label{}; });
    if (name.empty()) {
      if (in_arrays) list_.labels = std::move(found_labels_);
      return {};
    }
    if (in_arrays)
      return refuse(name, "labels", "the arrays have labels of their own", name,
                    "Keep one of the two.");
    STROP_TRY(const MappedFile file, MappedFile::open_inside(place_.folder, name));
    if (file.bytes().size() > kMaxLabelFile)
      return refuse(name, "size", str("must be at most ", kMaxLabelFile, " bytes"),
                    str(file.bytes().size()));
    auto read = name.ends_with(".json") ? read_labels_json : read_labels_csv;
    STROP_TRY(auto labels, read(file.bytes(), list_.sources, config_.classes, name));
    const bool boxes = config_.task == "detection" ||
                       std::any_of(labels.begin(), labels.end(),
                                   [](const auto& one) { return !one.second.boxes.empty(); });
    for (std::size_t i = 0; i < list_.sources.size(); ++i) {
      const auto found = labels.find(list_.sources[i]);
      // In detection a picture without boxes is one of nothing.
      if (found == labels.end() && !boxes)
        return refuse(name, "file", str("there is no label for ", list_.sources[i]),
                      list_.sources[i], "Give every file a label, or leave the labels out.");
      Label label = found == labels.end() ? Label{} : found->second;
      for (Box& box : label.boxes) place(box, placements_[i]);
      list_.labels.push_back(std::move(label));
    }
    return {};
  }

  static void place(Box& box, const Placement& placement) {
    box.x1 = box.x1 * placement.scale_x + placement.offset_x;
    box.x2 = box.x2 * placement.scale_x + placement.offset_x;
    box.y1 = box.y1 * placement.scale_y + placement.offset_y;
    box.y2 = box.y2 * placement.scale_y + placement.offset_y;
  }

  // Labels tell the task where data.json does not.
  void name_task() {
    if (!list_.task.empty() || list_.labels.empty()) return;
    const auto any = [&](auto has) {
      return std::any_of(list_.labels.begin(), list_.labels.end(), has);
    };
    list_.task = any([](const Label& label) { return !label.boxes.empty(); }) ? "detection"
                 : any([](const Label& label) { return label.value.has_value(); })
                     ? "regression"
                     : "classification";
    list_.notes.push_back(str("The task is taken for ", list_.task, ", by the labels."));
  }

  const Request& request_;
  const Workspace& workspace_;
  Place place_;
  DataConfig config_;
  Source source_ = Source::arrays;
  std::vector<Port> inputs_;  // those that the files give
  std::vector<Tensor> constants_;
  std::optional<ImagePlan> plan_;
  Reservoir choice_;
  std::uint64_t largest_ = 0;
  std::vector<Drawn> items_;
  std::vector<Placement> placements_;
  std::vector<Label> found_labels_;
  SampleList list_;
};

}  // namespace

Result<SampleList> make_samples(const Request& request, const Workspace& workspace) {
  return Maker(request, workspace).make();
}

}  // namespace strop::data
