// A GGUF file taken apart, changed, and written again: how a wrong conversion would have made it.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf.h"
#include "strop/result.h"

namespace strop::test {

struct EditedTensor {
  std::string name;
  const formats::TensorType* type = nullptr;
  std::vector<std::uint64_t> shape;
  std::string data;
};

struct EditedGguf {
  std::map<std::string, std::string> texts;  // metadata that is written anew
  std::map<std::string, float> reals;
  std::map<std::string, std::uint32_t> counts;
  std::map<std::string, bool> flags;
  std::map<std::string, std::vector<std::string>> lists;
  std::vector<EditedTensor> tensors;

  EditedTensor& tensor(const std::string& name) {
    for (EditedTensor& one : tensors)
      if (one.name == name) return one;
    throw std::runtime_error("there is no tensor " + name);
  }
  // The f32 values of a tensor, changed in place.
  void change(const std::string& name, const std::function<void(std::vector<float>&)>& edit) {
    EditedTensor& one = tensor(name);
    if (std::string_view(one.type->name) != "f32") throw std::runtime_error(name + " is not f32");
    std::vector<float> values(one.data.size() / sizeof(float));
    std::memcpy(values.data(), one.data.data(), one.data.size());
    edit(values);
    std::memcpy(one.data.data(), values.data(), one.data.size());
  }
  void exchange(const std::string& a, const std::string& b) {
    std::swap(tensor(a).data, tensor(b).data);
  }
};

// One metadata entry as bytes, in the order of the file.
inline std::string entry_bytes(const formats::GgufFile& file, std::size_t index) {
  // Each key's text lies right behind its length, so that entries begin 8 bytes before their keys.
  const auto& metadata = file.metadata();
  const std::string_view all = file.metadata_bytes();
  const auto begin_of = [&](std::size_t i) {
    return i < metadata.size() ? static_cast<std::size_t>(metadata[i].first.data() - all.data()) - 8
                               : all.size();
  };
  return std::string(all.substr(begin_of(index), begin_of(index + 1) - begin_of(index)));
}

inline EditedGguf read_gguf(const formats::GgufFile& file) {
  EditedGguf edited;
  for (const formats::GgufTensor& tensor : file.tensors())
    edited.tensors.push_back(
        {std::string(tensor.name), tensor.type, tensor.shape, std::string(tensor.data)});
  return edited;
}

// The file's metadata with the edits, then the edited tensors.
inline Result<void> write_gguf(const formats::GgufFile& file, const EditedGguf& edited,
                               const std::filesystem::path& path) {
  formats::GgufWriter writer;
  for (std::size_t i = 0; i < file.metadata().size(); ++i) {
    const std::string key(file.metadata()[i].first);
    if (edited.texts.contains(key) || edited.reals.contains(key) || edited.counts.contains(key) ||
        edited.flags.contains(key) || edited.lists.contains(key))
      continue;
    writer.add_bytes(entry_bytes(file, i));
  }
  for (const auto& [key, value] : edited.texts) writer.add(key, value);
  for (const auto& [key, value] : edited.reals) writer.add(key, value);
  for (const auto& [key, value] : edited.counts) writer.add(key, value);
  for (const auto& [key, value] : edited.flags) writer.add(key, value);
  for (const auto& [key, value] : edited.lists) writer.add(key, value);
  for (const EditedTensor& tensor : edited.tensors)
    writer.add_tensor(tensor.name, *tensor.type, tensor.shape);
  STROP_CHECK(writer.begin(path));
  for (const EditedTensor& tensor : edited.tensors) STROP_CHECK(writer.append(tensor.data));
  return writer.finish();
}

}  // namespace strop::test
