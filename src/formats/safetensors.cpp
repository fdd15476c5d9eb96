#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/json.h"
#include "formats/checked.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxDimensions = 8;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

struct ElementSize {
  const char* name;
  const char* word;
  std::uint64_t bytes;
};
constexpr std::array kElements{
    ElementSize{"F64", "f64", 8},        ElementSize{"F32", "f32", 4},
    ElementSize{"F16", "f16", 2},        ElementSize{"BF16", "bf16", 2},
    ElementSize{"I64", "i64", 8},        ElementSize{"I32", "i32", 4},
    ElementSize{"I16", "i16", 2},        ElementSize{"I8", "i8", 1},
    ElementSize{"U64", "u64", 8},        ElementSize{"U32", "u32", 4},
    ElementSize{"U16", "u16", 2},        ElementSize{"U8", "u8", 1},
    ElementSize{"BOOL", "bool", 1},      ElementSize{"F8_E4M3", "f8_e4m3", 1},
    ElementSize{"F8_E5M2", "f8_e5m2", 1}};

Error broken(const MappedFile& file, const std::string& tensor, const std::string& rule) {
  return Error{.code = ErrorCode::corrupt,
               .message = str("[formats] ", file.path().string(), ": ", tensor, " ", rule),
               .hint = "The file is damaged or was not written whole; fetch or make it again.",
               .field = tensor};
}

struct Ranged {
  SafeTensor tensor;
  std::uint64_t begin = 0, end = 0;
};

Result<Ranged> parse_entry(const MappedFile& file, const std::string& name, const Json& entry,
                           std::uint64_t data_bytes) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets"))
    return broken(file, name, "must have exactly dtype, shape and data_offsets");
  const Json& type = entry["dtype"];
  const auto known = std::find_if(kElements.begin(), kElements.end(), [&](const ElementSize& e) {
    return type.is_string() && type == e.name;
  });
  if (known == kElements.end())
    return broken(file, name, str("has the unknown dtype ", shown(type)));
  const Json& shape = entry["shape"];
  const Json& offsets = entry["data_offsets"];
  const auto whole = [](const Json& number) { return number.is_number_unsigned(); };
  if (!shape.is_array() || shape.size() > kMaxDimensions ||
      !std::all_of(shape.begin(), shape.end(), whole))
    return broken(file, name,
                  str("must have a shape of at most ", kMaxDimensions, " non-negative integers"));
  if (!offsets.is_array() || offsets.size() != 2 ||
      !std::all_of(offsets.begin(), offsets.end(), whole))
    return broken(file, name, "must have two data_offsets");
  Ranged result{.tensor = {.name = name,
                           .type = known->word,
                           .shape = shape.get<std::vector<std::uint64_t>>(),
                           .data = {}},
                .begin = offsets[0].get<std::uint64_t>(),
                .end = offsets[1].get<std::uint64_t>()};
  Checked bytes = known->bytes;
  for (std::uint64_t dimension : result.tensor.shape) bytes = bytes * dimension;
  if (result.begin > result.end || result.end > data_bytes)
    return broken(
        file, name,
        str("has data_offsets up to ", result.end, ", but the data has ", data_bytes, " bytes"));
  if (bytes.value() != result.end - result.begin)
    return broken(file, name,
                  str("has ", result.end - result.begin,
                      " bytes, which is not what its shape and dtype need"));
  return result;
}

const ElementSize* element_of(std::string_view type) {
  const auto found = std::find_if(kElements.begin(), kElements.end(),
                                  [&](const ElementSize& e) { return type == e.word; });
  return found == kElements.end() ? nullptr : &*found;
}

}  // namespace

std::uint64_t safetensors_element_bytes(std::string_view type) {
  const ElementSize* element = element_of(type);
  return element ? element->bytes : 0;
}

std::string_view safetensors_word(std::string_view type) {
  const ElementSize* element = element_of(type);
  return element ? element->name : "";
}

std::uint64_t SafeTensor::elements() const {
  std::uint64_t product = 1;
  for (std::uint64_t dimension : shape) product *= dimension;
  return product;
}

namespace {

// In tensors that are in order of their names.
const SafeTensor* find_in(const std::vector<SafeTensor>& tensors, std::string_view name) {
  const auto found =
      std::lower_bound(tensors.begin(), tensors.end(), name,
                       [](const SafeTensor& t, std::string_view n) { return t.name < n; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

const SafeTensor* SafetensorsModel::find(std::string_view name) const {
  return find_in(tensors, name);
}

Result<std::vector<SafeTensor>> read_safetensors(const MappedFile& file) {
  Cursor cursor(file.bytes(), file.path().string());
  STROP_TRY(const auto header_bytes, cursor.number<std::uint64_t>("header length"));
  if (header_bytes > kMaxHeaderBytes)
    return cursor.corrupt("header length",
                          str("must be at most ", kMaxHeaderBytes, ", but is ", header_bytes));
  STROP_TRY(const std::string_view text, cursor.take(header_bytes, "header"));
  if (!text.starts_with('{')) return broken(file, "the header", "must start with {");
  STROP_TRY(const Json header, parse_json(text, str(file.path().string(), ": the header")));
  const std::string_view data = file.bytes().substr(cursor.offset());

  std::vector<Ranged> ranged;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    STROP_TRY(Ranged one, parse_entry(file, name, entry, data.size()));
    one.tensor.data = data.substr(one.begin, one.end - one.begin);
    ranged.push_back(std::move(one));
  }
  // The data is one tensor after the other, to the last byte: nothing can hide between them.
  std::sort(ranged.begin(), ranged.end(), [](const Ranged& a, const Ranged& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t expected = 0;
  for (const Ranged& one : ranged) {
    if (one.begin != expected)
      return broken(file, one.tensor.name,
                    str("must begin at ", expected, ", but begins at ", one.begin));
    expected = one.end;
  }
  if (expected != data.size())
    return broken(
        file, "the data",
        str("must end at ", expected, ", but the file has ", data.size(), " bytes of it"));
  std::vector<SafeTensor> tensors;
  for (Ranged& one : ranged) tensors.push_back(std::move(one.tensor));
  std::sort(tensors.begin(), tensors.end(),
            [](const SafeTensor& a, const SafeTensor& b) { return a.name < b.name; });
  return tensors;
}

namespace {

// Shard file names of the index, with the tensors each must hold.
Result<std::map<std::string, std::set<std::string>>> read_index(const fs::path& folder) {
  const fs::path path = folder / kIndex;
  STROP_TRY(const std::string text, read_text(path));
  STROP_TRY(const Json index, parse_json(text, path.string()));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", path.string(), ": weight_map must be an object"),
                 .field = "weight_map"};
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || shard.get_ref<const std::string&>().find('/') != std::string::npos ||
        !shard.get_ref<const std::string&>().ends_with(".safetensors"))
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[formats] ", path.string(), ": ", tensor,
                                  " must name a .safetensors file of the folder"),
                   .field = tensor,
                   .value = shown(shard)};
    shards[shard.get<std::string>()].insert(tensor);
  }
  return shards;
}

}  // namespace

Result<SafetensorsModel> read_safetensors_folder(const fs::path& folder) {
  std::error_code error;
  std::map<std::string, std::set<std::string>> shards;
  if (fs::exists(folder / kIndex, error)) {
    STROP_TRY(shards, read_index(folder));
  } else {
    shards[kSingle] = {};
  }
  SafetensorsModel model;
  for (const auto& [name, promised] : shards) {
    auto file = MappedFile::open_inside(folder, name);
    if (!file) {
      if (file.error().code == ErrorCode::not_found) {
        return Error{.code = ErrorCode::not_found,
                     .message = str("[formats] ", folder.string(), ": ",
                                    promised.empty() ? "" : "the shard ", name, " is missing"),
                     .hint = promised.empty() ? "A model folder needs model.safetensors, or "
                                                "model.safetensors.index.json with its shards."
                                              : "Fetch the missing shard again.",
                     .field = "path",
                     .value = name};
      }
      return std::move(file).error();
    }
    STROP_TRY(std::vector<SafeTensor> tensors, read_safetensors(*file));
    for (const std::string& tensor : promised) {
      if (!find_in(tensors, tensor))
        return broken(*file, tensor, "is promised by the index, but is not there");
    }
    for (SafeTensor& tensor : tensors) {
      tensor.file = model.files.size();
      model.tensors.push_back(std::move(tensor));
    }
    model.files.push_back(*std::move(file));
  }
  std::sort(model.tensors.begin(), model.tensors.end(),
            [](const SafeTensor& a, const SafeTensor& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < model.tensors.size(); ++i) {
    if (model.tensors[i].name == model.tensors[i - 1].name)
      return broken(model.files[model.tensors[i].file], model.tensors[i].name, "is in two shards");
  }
  return model;
}

}  // namespace strop::formats
