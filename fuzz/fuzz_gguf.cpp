#include "formats/gguf.h"
#include "scratch_folder.h"

using namespace strop;

namespace {

void touch(const formats::GgufArray& array) {
  for (std::string_view text : array.strings) fuzz::touch(text);
  if (array.type == formats::GgufType::string || array.count == 0) return;
  (void)array.real(0);
  (void)array.real(array.count - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  const auto file = formats::GgufFile::open(folder.write("m.gguf", data, size));
  if (!file) return 0;
  for (const auto& [key, value] : file->metadata()) {
    fuzz::touch(key);
    if (const auto* array = std::get_if<formats::GgufArray>(&value.value)) touch(*array);
    if (const auto* text = std::get_if<std::string_view>(&value.value)) fuzz::touch(*text);
  }
  for (const formats::GgufTensor& tensor : file->tensors()) fuzz::touch(tensor.data);
  return 0;
}
