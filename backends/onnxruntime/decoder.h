// A decoder with cached keys and values, laid out as onnxruntime-genai wants it.
#pragma once

#include <map>
#include <memory>

#include "core/chunked_decoder.h"
#include "engine.h"

namespace strop::onnxruntime {

// True when the model takes tokens and cached keys and values.
bool is_decoder(const Ort::Session& session);

// Keys and values stay in one buffer per layer and sequence, which GroupQueryAttention extends in
// place: nothing is copied per token, and cutting a sequence is forgetting its end.
class Decoder final : public ChunkedDecoder {
 public:
  // context: tokens a sequence may hold, by the model's genai_config.json. info: what the session
  // says of itself but the decoder's own sizes.
  static Result<std::unique_ptr<Session>> make(Ort::Session session, std::uint32_t context,
                                               SessionInfo info);

 private:
  struct Layer {
    std::string past_key, past_value, present_key, present_value;
  };
  // What the session's inputs and outputs say.
  struct Shape {
    std::vector<Layer> layers;
    std::int64_t heads = 0;  // of keys and values
    std::int64_t width = 0;  // of a head
    ElementType cache = ElementType::f32;
    ElementType logits = ElementType::f32;
    std::uint32_t vocabulary = 0;
    bool takes_positions = false;
    bool takes_start = false;  // the input logits_start
  };
  // Of one sequence, or of several that are computed together.
  struct Cache {
    std::size_t sequences = 1;
    std::size_t length = 0;    // tokens held, of each
    std::size_t capacity = 0;  // tokens that the buffers have room for, of each
    // Keys and values of each layer in turn, [sequences][heads][capacity][width].
    std::vector<std::vector<std::byte>> buffers;
    std::unique_ptr<Ort::IoBinding> binding;
  };
  class Group;

  static Result<Shape> shape_of(const Ort::Session& session);
  Decoder(Ort::Session session, Shape shape, SessionInfo info);

  std::size_t length(SequenceId sequence) const override;
  Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> rows, const RowSink& sink) override;
  Result<void> keep(SequenceId sequence, std::size_t length) override;
  Result<void> copy(SequenceId from, SequenceId to) override;
  Result<std::unique_ptr<DecoderGroup>> group(std::size_t sequences) override;

  Cache new_cache(std::size_t sequences);
  Cache& cache_of(SequenceId id);
  void make_room(Cache& cache, std::size_t tokens);
  void bind(Cache& cache);
  // Computes ids [sequences][tokens]. The sink gets the logits of the rows, indices into the
  // tokens, sequence by sequence, counted through.
  Result<void> infer(Cache& cache, std::span<const TokenId> ids,
                     std::span<const std::uint32_t> rows, const RowSink& sink);

  Ort::Session session_;
  Ort::MemoryInfo memory_;
  Shape shape_;
  std::map<SequenceId, Cache> caches_;
  std::vector<std::byte> logits_;
};

}  // namespace strop::onnxruntime
