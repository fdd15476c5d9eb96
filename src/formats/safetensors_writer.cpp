#include "formats/safetensors_writer.h"

#include <cstring>

#include "core/json.h"
#include "formats/safetensors.h"

namespace strop::formats {
namespace {

constexpr std::size_t kAlignment = 8;  // of the data, which the format's own writer keeps too

}  // namespace

std::uint64_t DeclaredTensor::bytes() const {
  std::uint64_t product = safetensors_element_bytes(type);
  for (const std::uint64_t dimension : shape) product *= dimension;
  return product;
}

Result<void> SafetensorsWriter::begin(const std::filesystem::path& path,
                                      const std::vector<DeclaredTensor>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  declared_ = 0;
  for (const DeclaredTensor& tensor : tensors) {
    const std::uint64_t begin = declared_;
    declared_ += tensor.bytes();
    const bool known = safetensors_element_bytes(tensor.type) != 0;
    if (!known || header.contains(tensor.name)) {
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[formats] ", path.string(), ": ", tensor.name,
                                  known ? " is declared twice" : " is of the unknown type ",
                                  known ? "" : tensor.type),
                   .field = tensor.name,
                   .value = tensor.type};
    }
    header[tensor.name] = {{"dtype", safetensors_word(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {begin, declared_}}};
  }
  std::string text = text_of(header);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  std::string length(sizeof(std::uint64_t), '\0');
  const std::uint64_t size = text.size();
  std::memcpy(length.data(), &size, sizeof size);
  STROP_CHECK(file_.begin(path));
  return file_.write(length + text);
}

Result<void> SafetensorsWriter::append(std::string_view bytes) {
  appended_ += bytes.size();
  return file_.write(bytes);
}

Result<void> SafetensorsWriter::finish() {
  if (appended_ == declared_) return file_.finish();
  return Error{.code = ErrorCode::io,
               .message = str("[formats] ", file_.path().string(), ": ", appended_,
                              " bytes of tensors were written, but ", declared_, " declared")};
}

}  // namespace strop::formats
