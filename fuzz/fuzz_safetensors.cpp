#include "formats/safetensors.h"
#include "scratch_folder.h"

using namespace strop;

// The input is the weights, and beside them the index.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder, indexed;
  folder.write("model.safetensors", data, size);
  if (const auto model = formats::read_safetensors_folder(folder.path())) {
    for (const formats::SafeTensor& tensor : model->tensors) fuzz::touch(tensor.data);
  }
  indexed.write("model.safetensors.index.json", data, size);
  (void)formats::read_safetensors_folder(indexed.path());
  return 0;
}
