// The GGUF file of a BERT-type encoder, opened in llama.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "engine.h"
#include "strop/backend.h"

namespace strop::llama_cpp {

// Whether the file says that its attention looks both ways.
Result<bool> is_encoder(const std::filesystem::path& file);

// Inputs input_ids, attention_mask and token_type_ids, i64 [batch, tokens]; outputs
// last_hidden_state, f32 [batch, tokens, width], and where the file pools by the mean
// sentence_embedding, f32 [batch, width]. The mask must keep the beginning of each text, and
// segments must be 0: the engine has no others. Hidden states of masked tokens are 0: the engine
// does not compute them.
class EncoderSession final : public TensorSession {
 public:
  // The CPU variant must have been loaded. stop ends a long load.
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& file, Options options,
                                               std::stop_token stop);

  const SessionInfo& info() const override { return info_; }
  Result<Inference> infer(std::span<const Tensor> inputs) override;

 private:
  struct Sentence {
    bool mean = false, normalise = false;
  };

  // Checked: whole ids, and of each text how many the mask keeps. Points into the inputs.
  struct Texts {
    std::span<const std::int64_t> ids;
    std::vector<std::size_t> lengths;
    std::vector<std::int64_t> shape;
  };

  explicit EncoderSession(Engine engine);

  Result<Texts> texts_of(std::span<const Tensor> given) const;
  Result<void> check(const Texts& texts, std::span<const std::int64_t> segments) const;
  // Computes the texts from `first` up to `end`; their hidden states go into `hidden`.
  Result<double> encode(std::span<const std::int64_t> ids, std::span<const std::size_t> lengths,
                        std::size_t first, std::size_t end, std::span<float> hidden);
  Tensor sentence_of(std::span<const float> hidden, std::span<const std::size_t> lengths) const;

  Engine engine_;
  std::size_t batch_tokens_ = 0;
  BatchPtr batch_;
  std::size_t width_ = 0, vocabulary_ = 0;
  Sentence sentence_;
  SessionInfo info_;
};

}  // namespace strop::llama_cpp
