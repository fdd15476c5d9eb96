#include "formats/onnx.h"
#include "scratch_folder.h"

using namespace strop;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  static const auto external =
      folder.write("data.bin", reinterpret_cast<const std::uint8_t*>("12345678"), 8);
  (void)formats::read_onnx(folder.write("m.onnx", data, size));
  return 0;
}
