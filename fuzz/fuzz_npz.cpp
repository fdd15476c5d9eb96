#include "formats/npz.h"

#include <string_view>

#include "scratch_folder.h"

using namespace strop;

// What could be read can be written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto arrays = formats::read_npz(bytes, "fuzz")) {
    for (const Tensor& array : *arrays) fuzz::touch(array.data);
    if (!formats::write_npz(folder.path() / "a.npz", *arrays)) std::abort();
  }
  return 0;
}
