#include "engine.h"

namespace strop::mlx {

bool has_gpu() { return mx::is_available(mx::Device::gpu); }

mx::Dtype dtype_of(const std::string& word) {
  STROP_ASSERT(word == "f32" || word == "f16" || word == "bf16", "no float type: ", word);
  return word == "f32" ? mx::float32 : word == "f16" ? mx::float16 : mx::bfloat16;
}

std::string word_of(mx::Dtype type) {
  return type == mx::float32 ? "f32" : type == mx::float16 ? "f16" : "bf16";
}

}  // namespace strop::mlx
