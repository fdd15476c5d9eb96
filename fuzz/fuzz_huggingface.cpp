#include "formats/huggingface.h"
#include "formats/mlx.h"
#include "scratch_folder.h"

using namespace strop;

// The input is each of the folder's JSON files in turn.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "README.md"})
    folder.write(name, data, size);
  (void)formats::read_config(folder.path());
  (void)formats::read_tokenizer(folder.path());
  (void)formats::read_mlx_quantization(folder.path());
  (void)formats::read_license(folder.path());
  return 0;
}
