#include "formats/openvino_ir.h"
#include "scratch_folder.h"

using namespace strop;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  static const auto weights =
      folder.write("m.bin", reinterpret_cast<const std::uint8_t*>("12345678"), 8);
  (void)formats::read_openvino_ir(folder.write("m.xml", data, size));
  return 0;
}
