#include "encoder_session.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "core/logits.h"
#include "core/tensor_inputs.h"
#include "engine_log.h"
#include "formats/gguf.h"

namespace strop::llama_cpp {
namespace {

constexpr std::uint32_t kTexts = 64;     // computed together at most
constexpr std::string_view kMean = "1";  // of bert.pooling_type

Error wrong_input(const std::string& name, const std::string& rule, std::int64_t value) {
  return Error{ErrorCode::invalid_input,
               str("[llama_cpp] the input ", name, " must ", rule, ", but got ", value, "."),
               {},
               name,
               std::to_string(value)};
}

std::span<const std::int64_t> integers(const Tensor& tensor) {
  return {reinterpret_cast<const std::int64_t*>(tensor.data.data()),
          tensor.data.size() / sizeof(std::int64_t)};
}

// Tokens that the mask keeps of each text: ones, then zeros.
Result<std::vector<std::size_t>> lengths_of(std::span<const std::int64_t> mask,
                                            std::size_t tokens) {
  std::vector<std::size_t> lengths;
  for (std::size_t begin = 0; begin < mask.size(); begin += tokens) {
    const auto row = mask.subspan(begin, tokens);
    const auto end = std::find(row.begin(), row.end(), 0);
    if (const auto other = std::find_if(row.begin(), end, [](auto value) { return value != 1; });
        other != end)
      return wrong_input("attention_mask", "hold 0 and 1", *other);
    if (const auto more = std::find_if(end, row.end(), [](auto value) { return value != 0; });
        more != row.end())
      return wrong_input("attention_mask", "keep the beginning of each text and no more", *more);
    lengths.push_back(static_cast<std::size_t>(end - row.begin()));
  }
  return lengths;
}

std::string metadata(const llama_model& model, const char* key) {
  std::array<char, 16> value{};
  return llama_model_meta_val_str(&model, key, value.data(), value.size()) < 0 ? "" : value.data();
}

// All of a text's tokens look at each other, so that they are computed in one batch.
std::uint32_t tokens_together(const Options& options) {
  return std::max(options.batch, options.context);
}

Result<llama_context_params> encoder_params(const llama_model&, const Options& options) {
  auto params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = tokens_together(options);
  params.n_seq_max = kTexts;
  params.embeddings = true;
  params.pooling_type = LLAMA_POOLING_TYPE_NONE;  // a vector for each token
  return params;
}

Tensor floats(const std::string& name, std::vector<std::int64_t> shape,
              std::span<const float> values) {
  Tensor tensor{.name = name, .type = ElementType::f32, .shape = std::move(shape), .data = {}};
  const auto bytes = std::as_bytes(values);
  tensor.data.assign(bytes.begin(), bytes.end());
  return tensor;
}

}  // namespace

Result<bool> is_encoder(const std::filesystem::path& file) {
  STROP_TRY(const formats::GgufFile gguf, formats::GgufFile::open(file));
  const auto architecture = gguf.text("general.architecture");
  const auto* causal = architecture ? gguf.find(str(*architecture, ".attention.causal")) : nullptr;
  const bool* value = causal == nullptr ? nullptr : std::get_if<bool>(&causal->value);
  return value != nullptr && !*value;
}

Result<std::unique_ptr<Session>> EncoderSession::open(const std::filesystem::path& file,
                                                      Options options, std::stop_token stop) {
  STROP_TRY(auto engine, open_engine(file, std::move(options), encoder_params, stop));
  return std::unique_ptr<Session>(new EncoderSession(std::move(engine)));
}

EncoderSession::EncoderSession(Engine engine)
    : engine_(std::move(engine)),
      batch_tokens_(tokens_together(engine_.options)),
      batch_(new llama_batch(llama_batch_init(static_cast<std::int32_t>(batch_tokens_), 0, 1))),
      width_(static_cast<std::size_t>(llama_model_n_embd(engine_.model.get()))),
      vocabulary_(static_cast<std::size_t>(
          llama_vocab_n_tokens(llama_model_get_vocab(engine_.model.get())))) {
  const Options& options = engine_.options;
  sentence_ = {metadata(*engine_.model, "bert.pooling_type") == kMean,
               metadata(*engine_.model, "strop.sentence.normalise") == "true"};
  info_.context_length = options.context;
  info_.run_options = to_run_options(options);
  info_.run_options.erase(kCacheKnob);
  info_.cpu_variant = options.cpu_variant;
  info_.load_seconds = engine_.load_seconds;
}

Result<double> EncoderSession::encode(std::span<const std::int64_t> ids,
                                      std::span<const std::size_t> lengths, std::size_t first,
                                      std::size_t end, std::span<float> hidden) {
  const std::size_t tokens = ids.size() / lengths.size();
  std::int32_t count = 0;
  for (std::size_t text = first; text < end; ++text) {
    for (std::size_t i = 0; i < lengths[text]; ++i, ++count) {
      batch_->token[count] = static_cast<llama_token>(ids[text * tokens + i]);
      batch_->pos[count] = static_cast<llama_pos>(i);
      batch_->n_seq_id[count] = 1;
      batch_->seq_id[count][0] = static_cast<llama_seq_id>(text - first);
      batch_->logits[count] = 1;
    }
  }
  batch_->n_tokens = count;
  if (count == 0) return 0.0;
  clear_engine_log();
  const Stopwatch watch;
  if (const int status = llama_encode(engine_.context.get(), *batch_); status != 0)
    return engine_error(str("the engine failed with status ", status));
  llama_synchronize(engine_.context.get());
  const double seconds = watch.seconds();
  std::int32_t index = 0;
  for (std::size_t text = first; text < end; ++text) {
    for (std::size_t i = 0; i < lengths[text]; ++i, ++index) {
      const float* row = llama_get_embeddings_ith(engine_.context.get(), index);
      if (row == nullptr) return engine_error("the engine gave no hidden state");
      if (!all_finite({row, width_}))
        return Error{ErrorCode::backend,
                     str("[llama_cpp] the hidden state of token ", i, " is not finite.")};
      std::copy_n(row, width_,
                  hidden.begin() + static_cast<std::ptrdiff_t>((text * tokens + i) * width_));
    }
  }
  return seconds;
}

// The mean of the kept tokens, and where asked for its direction.
Tensor EncoderSession::sentence_of(std::span<const float> hidden,
                                   std::span<const std::size_t> lengths) const {
  const std::size_t tokens = hidden.size() / (lengths.size() * width_);
  std::vector<float> all;
  all.reserve(lengths.size() * width_);
  for (std::size_t text = 0; text < lengths.size(); ++text) {
    std::vector<double> mean(width_);
    for (std::size_t i = 0; i < lengths[text] * width_; ++i)
      mean[i % width_] += hidden[text * tokens * width_ + i];
    double divisor = std::max<double>(1, static_cast<double>(lengths[text]));
    if (sentence_.normalise) {
      double squares = 0;
      for (const double value : mean) squares += value * value;
      divisor = std::max(std::sqrt(squares), 1e-12);
    }
    for (const double value : mean) all.push_back(static_cast<float>(value / divisor));
  }
  return floats("sentence_embedding",
                {static_cast<std::int64_t>(lengths.size()), static_cast<std::int64_t>(width_)},
                all);
}

Result<void> EncoderSession::check(const Texts& texts,
                                   std::span<const std::int64_t> segments) const {
  for (const std::int64_t id : texts.ids)
    if (id < 0 || id >= static_cast<std::int64_t>(vocabulary_))
      return wrong_input("input_ids", str("be from 0 to ", vocabulary_ - 1), id);
  for (const std::int64_t segment : segments)
    if (segment != 0) return wrong_input("token_type_ids", "be 0, the only segment here", segment);
  const std::size_t longest = *std::max_element(texts.lengths.begin(), texts.lengths.end());
  if (longest > info_.context_length)
    return wrong_input("input_ids", str("be at most ", info_.context_length, " tokens long"),
                       static_cast<std::int64_t>(longest));
  return {};
}

Result<EncoderSession::Texts> EncoderSession::texts_of(std::span<const Tensor> given) const {
  const std::array<InputPort, 3> ports{{{"input_ids", ElementType::i64, {-1, -1}},
                                        {"attention_mask", ElementType::i64, {-1, -1}},
                                        {"token_type_ids", ElementType::i64, {-1, -1}}}};
  STROP_TRY(const auto tensors, in_order("llama_cpp", ports, given));
  for (const Tensor* tensor : tensors) {
    if (tensor->shape == tensors[0]->shape) continue;
    return Error{ErrorCode::invalid_input,
                 str("[llama_cpp] the input ", tensor->name, " must be of the shape of input_ids, ",
                     shape_text(tensors[0]->shape), ", but is ", shape_text(tensor->shape), "."),
                 {},
                 tensor->name,
                 shape_text(tensor->shape)};
  }
  Texts texts{integers(*tensors[0]), {}, tensors[0]->shape};
  if (texts.ids.empty())
    return Error{ErrorCode::invalid_input,
                 "[llama_cpp] the input input_ids holds no token.",
                 {},
                 "input_ids"};
  STROP_TRY(texts.lengths,
            lengths_of(integers(*tensors[1]), static_cast<std::size_t>(texts.shape[1])));
  STROP_CHECK(check(texts, integers(*tensors[2])));
  return texts;
}

Result<Inference> EncoderSession::infer(std::span<const Tensor> given) {
  STROP_TRY(const Texts texts, texts_of(given));
  Inference inference;
  std::vector<float> hidden(texts.ids.size() * width_);
  for (std::size_t first = 0; first < texts.lengths.size();) {
    std::size_t end = first, count = 0;
    while (end < texts.lengths.size() && end - first < kTexts &&
           count + texts.lengths[end] <= batch_tokens_)
      count += texts.lengths[end++];
    STROP_TRY(const double seconds, encode(texts.ids, texts.lengths, first, end, hidden));
    inference.seconds += seconds;
    first = end;
  }
  std::vector<std::int64_t> shape = texts.shape;
  shape.push_back(static_cast<std::int64_t>(width_));
  inference.outputs.push_back(floats("last_hidden_state", shape, hidden));
  if (sentence_.mean) inference.outputs.push_back(sentence_of(hidden, texts.lengths));
  return inference;
}

}  // namespace strop::llama_cpp
