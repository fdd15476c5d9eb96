// Where each tensor of a Hugging Face folder goes, and what is asked of the folder before anything
// is written: sizes that config.json states, every tensor there in its shape, and no other.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "formats/huggingface.h"
#include "formats/safetensors.h"
#include "strop/result.h"

namespace strop::convert {

struct TensorPlan {
  std::string source;                // name in the safetensors
  std::string name;                  // name in GGUF
  std::vector<std::uint64_t> shape;  // as in the safetensors, outermost first
  std::uint32_t rotary_heads =
      0;                    // not 0: rows of this many heads are re-paired for rotary positions
  bool always_f32 = false;  // whatever type the matrices get; vectors are always f32
};

// The field of config.json that a conversion cannot serve.
Error unsupported_config(const std::string& field, const std::string& rule,
                         const std::string& value);

// Vocabulary, width, layers, heads, feed-forward width and context must be stated.
Result<void> check_sizes_stated(const formats::HuggingFaceConfig& config);

// The vocabulary has room for that many words of the tokenizer.
Result<void> check_vocabulary(std::size_t words, const formats::HuggingFaceConfig& config);

// The tensor that is planned, in its expected shape and a float type.
Result<const formats::SafeTensor*> expected_tensor(const formats::SafetensorsModel& weights,
                                                   const TensorPlan& plan);

// invalid_input unless the shape is the planned one.
Result<void> expect_shape(const TensorPlan& plan, const std::vector<std::uint64_t>& shape);

// unsupported with the first tensor whose name is not known; `kind` is what the model should be.
Result<void> refuse_unknown(const formats::SafetensorsModel& weights,
                            const std::set<std::string>& known, const std::string& kind);

}  // namespace strop::convert
