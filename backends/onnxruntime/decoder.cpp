#include "decoder.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "core/logits.h"
#include "core/parallel.h"

namespace strop::onnxruntime {
namespace {

constexpr SequenceId kSequences = 8;

// Tokens computed together. More gain nothing, and a stop is seen between chunks only.
constexpr std::size_t kChunk = 512;

constexpr std::size_t kLeastCapacity = 256;

constexpr const char* kPast = "past_key_values.";
constexpr std::uint32_t kMostLayers = 4096;

struct Port {
  std::vector<std::int64_t> dimensions;
  std::optional<ElementType> type;
};

Port port_of(const Ort::TypeInfo& info) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) return {};
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  return {tensor.GetShape(), element_type(tensor.GetElementType())};
}

std::map<std::string, Port> inputs_of(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  std::map<std::string, Port> ports;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i)
    ports[session.GetInputNameAllocated(i, allocator).get()] = port_of(session.GetInputTypeInfo(i));
  for (std::size_t i = 0; i < session.GetOverridableInitializerCount(); ++i)
    ports[session.GetOverridableInitializerNameAllocated(i, allocator).get()] =
        port_of(session.GetOverridableInitializerTypeInfo(i));
  return ports;
}

std::map<std::string, Port> outputs_of(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  std::map<std::string, Port> ports;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
    ports[session.GetOutputNameAllocated(i, allocator).get()] =
        port_of(session.GetOutputTypeInfo(i));
  return ports;
}

Error no_decoder(const std::string& what, const std::string& field) {
  return {ErrorCode::unsupported, str("[onnxruntime] as a decoder ", what, "."),
          "Decoders must be laid out as onnxruntime-genai wants them.", field};
}

template <class T>
Ort::Value value_of(const Ort::MemoryInfo& memory, std::vector<T>& values,
                    const std::vector<std::int64_t>& dimensions) {
  return Ort::Value::CreateTensor<T>(memory, values.data(), values.size(), dimensions.data(),
                                     dimensions.size());
}

// Rows that are read before they are handed out: they are in the cache then.
constexpr std::size_t kRowsAtOnce = 32;

// A row of logits, f32 or f16, as f32.
void read_row(const std::byte* values, ElementType type, std::span<float> row) {
  if (type == ElementType::f32) {
    std::memcpy(row.data(), values, row.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    Ort::Float16_t half;
    std::memcpy(&half, values + 2 * i, 2);
    row[i] = half.ToFloat();
  }
}

}  // namespace

bool is_decoder(const Ort::Session& session) {
  const auto inputs = inputs_of(session);
  return inputs.contains("input_ids") && inputs.contains(str(kPast, "0.key"));
}

Result<Decoder::Shape> Decoder::shape_of(const Ort::Session& session) {
  const auto inputs = inputs_of(session);
  const auto outputs = outputs_of(session);
  Shape shape;
  shape.takes_positions = inputs.contains("position_ids");
  shape.takes_start = inputs.contains("logits_start");
  for (std::uint32_t i = 0; i < kMostLayers && inputs.contains(str(kPast, i, ".key")); ++i) {
    const Layer layer{str(kPast, i, ".key"), str(kPast, i, ".value"), str("present.", i, ".key"),
                      str("present.", i, ".value")};
    for (const auto& name : {layer.past_key, layer.past_value}) {
      const auto found = inputs.find(name);
      if (found == inputs.end()) return no_decoder("the model lacks the input " + name, name);
      const auto& port = found->second;
      const auto& dims = port.dimensions;
      if (dims.size() != 4 || dims[1] < 1 || dims[3] < 1 || !port.type)
        return no_decoder(
            name + " must be [batch, heads, tokens, width] with known heads and width", name);
      if (shape.heads == 0) {
        shape.heads = dims[1];
        shape.width = dims[3];
        shape.cache = *port.type;
      }
      if (dims[1] != shape.heads || dims[3] != shape.width || port.type != shape.cache)
        return no_decoder(name + " must have the shape and type of the first layer's", name);
    }
    for (const auto& name : {layer.present_key, layer.present_value}) {
      if (!outputs.contains(name)) return no_decoder("the model lacks the output " + name, name);
    }
    shape.layers.push_back(layer);
  }
  const auto known = 2 * shape.layers.size() + 2 + (shape.takes_positions ? 1 : 0);
  if (session.GetInputCount() != known || !inputs.contains("attention_mask"))
    return no_decoder(
        "the model must take input_ids, attention_mask, perhaps position_ids, and the "
        "cached keys and values, nothing else",
        "inputs");
  const auto logits = outputs.find("logits");
  if (logits == outputs.end() || logits->second.dimensions.size() != 3 ||
      logits->second.dimensions[2] < 1 || !logits->second.type)
    return no_decoder("the model must give logits of [batch, tokens, vocabulary]", "logits");
  shape.logits = *logits->second.type;
  if (shape.logits != ElementType::f32 && shape.logits != ElementType::f16)
    return no_decoder("logits must be f32 or f16", "logits");
  shape.vocabulary = static_cast<std::uint32_t>(logits->second.dimensions[2]);
  return shape;
}

Result<std::unique_ptr<Session>> Decoder::make(Ort::Session session, std::uint32_t context,
                                               SessionInfo info) {
  STROP_TRY(auto shape, shape_of(session));
  info.vocabulary_size = shape.vocabulary;
  info.context_length = context;
  return std::unique_ptr<Session>(
      new Decoder(std::move(session), std::move(shape), std::move(info)));
}

Decoder::Decoder(Ort::Session session, Shape shape, SessionInfo info)
    : ChunkedDecoder("onnxruntime", std::move(info), kSequences, kChunk),
      session_(std::move(session)),
      memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
      shape_(std::move(shape)) {}

// Sequences with one cache.
class Decoder::Group final : public DecoderGroup {
 public:
  Group(Decoder& decoder, std::size_t sequences)
      : decoder_(decoder), cache_(decoder.new_cache(sequences)) {}

  Result<void> append(std::span<const TokenId> ids, const RowSink& sink) override {
    const auto last = static_cast<std::uint32_t>(ids.size() / cache_.sequences - 1);
    return guard("computing sequences together", [&] {
      return decoder_.infer(cache_, ids, {&last, 1}, sink);
    });
  }

 private:
  Decoder& decoder_;
  Cache cache_;
};

std::size_t Decoder::length(SequenceId id) const {
  const auto found = caches_.find(id);
  return found == caches_.end() ? 0 : found->second.length;
}

Decoder::Cache Decoder::new_cache(std::size_t sequences) {
  Cache cache{.sequences = sequences};
  cache.binding = std::make_unique<Ort::IoBinding>(session_);
  cache.buffers.resize(2 * shape_.layers.size());
  return cache;
}

Decoder::Cache& Decoder::cache_of(SequenceId id) {
  const auto found = caches_.find(id);
  return found != caches_.end() ? found->second : caches_.emplace(id, new_cache(1)).first->second;
}

// Past and present are the same memory.
void Decoder::bind(Cache& cache) {
  const std::vector<std::int64_t> dimensions{
      static_cast<std::int64_t>(cache.sequences), shape_.heads,
      static_cast<std::int64_t>(cache.capacity), shape_.width};
  const auto bind_one = [&](std::vector<std::byte>& buffer, const std::string& past,
                            const std::string& present) {
    const auto value =
        Ort::Value::CreateTensor(memory_, buffer.data(), buffer.size(), dimensions.data(),
                                 dimensions.size(), engine_type(shape_.cache));
    cache.binding->BindInput(past.c_str(), value);
    cache.binding->BindOutput(present.c_str(), value);
  };
  for (std::size_t i = 0; i < shape_.layers.size(); ++i) {
    bind_one(cache.buffers[2 * i], shape_.layers[i].past_key, shape_.layers[i].present_key);
    bind_one(cache.buffers[2 * i + 1], shape_.layers[i].past_value, shape_.layers[i].present_value);
  }
}

// Doubles, so that a growing cache is copied a few times only.
void Decoder::make_room(Cache& cache, std::size_t tokens) {
  if (tokens <= cache.capacity) return;
  const std::size_t room = std::min<std::size_t>(
      std::max({tokens, 2 * cache.capacity, kLeastCapacity}), info_.context_length);
  const std::size_t heads = cache.sequences * static_cast<std::size_t>(shape_.heads);
  const std::size_t row = static_cast<std::size_t>(shape_.width) * bytes_of(shape_.cache);
  for (auto& buffer : cache.buffers) {
    std::vector<std::byte> larger(heads * room * row);
    for (std::size_t head = 0; head < heads && cache.length > 0; ++head)
      std::memcpy(larger.data() + head * room * row, buffer.data() + head * cache.capacity * row,
                  cache.length * row);
    buffer = std::move(larger);
  }
  cache.capacity = room;
  bind(cache);
}

Result<void> Decoder::infer(Cache& cache, std::span<const TokenId> ids,
                            std::span<const std::uint32_t> rows, const RowSink& sink) {
  const auto sequences = static_cast<std::int64_t>(cache.sequences);
  const std::int64_t count = static_cast<std::int64_t>(ids.size()) / sequences;
  const std::int64_t total = static_cast<std::int64_t>(cache.length) + count;
  make_room(cache, static_cast<std::size_t>(total));

  auto& binding = *cache.binding;
  std::vector<std::int64_t> tokens(ids.begin(), ids.end());
  binding.BindInput("input_ids", value_of(memory_, tokens, {sequences, count}));
  std::vector<std::int64_t> mask(static_cast<std::size_t>(sequences * total), 1);
  binding.BindInput("attention_mask", value_of(memory_, mask, {sequences, total}));
  std::vector<std::int64_t> positions(ids.size());
  if (shape_.takes_positions) {
    for (std::size_t i = 0; i < positions.size(); ++i)
      positions[i] = static_cast<std::int64_t>(cache.length) + static_cast<std::int64_t>(i) % count;
    binding.BindInput("position_ids", value_of(memory_, positions, {sequences, count}));
  }
  // Without a wanted row one is computed all the same: kernels want at least one.
  const std::int64_t first = !shape_.takes_start ? 0 : rows.empty() ? count - 1 : rows.front();
  std::vector<std::int64_t> start{first};
  if (shape_.takes_start) binding.BindInput("logits_start", value_of(memory_, start, {1}));
  const std::vector<std::int64_t> dimensions{sequences, count - first, shape_.vocabulary};
  const auto width = std::size_t{shape_.vocabulary} * bytes_of(shape_.logits);
  const auto computed = static_cast<std::size_t>(count - first);  // rows of each sequence
  logits_.resize(cache.sequences * computed * width);
  binding.BindOutput(
      "logits", Ort::Value::CreateTensor(memory_, logits_.data(), logits_.size(), dimensions.data(),
                                         dimensions.size(), engine_type(shape_.logits)));
  session_.Run(Ort::RunOptions{nullptr}, binding);
  cache.length = static_cast<std::size_t>(total);

  const std::size_t all = cache.sequences * rows.size();
  std::vector<float> some(std::min(kRowsAtOnce, all) * shape_.vocabulary);
  for (std::size_t begin = 0; begin < all; begin += kRowsAtOnce) {
    const std::span<float> values =
        std::span(some).first(std::min(kRowsAtOnce, all - begin) * shape_.vocabulary);
    const auto read = [&](std::size_t i) {
      const std::size_t at = (begin + i) / rows.size() * computed + rows[(begin + i) % rows.size()];
      read_row(logits_.data() + (at - static_cast<std::size_t>(first)) * width, shape_.logits,
               values.subspan(i * shape_.vocabulary, shape_.vocabulary));
    };
    for_each_parallel(values.size() / shape_.vocabulary, read);
    STROP_CHECK(sink({begin, shape_.vocabulary, values}));
  }
  return {};
}

Result<void> Decoder::append(SequenceId id, std::span<const TokenId> ids,
                             std::span<const std::uint32_t> rows, const RowSink& sink) {
  return guard("computing", [&] { return infer(cache_of(id), ids, rows, sink); });
}

Result<void> Decoder::keep(SequenceId id, std::size_t length) {
  cache_of(id).length = length;
  return {};
}

Result<void> Decoder::copy(SequenceId from, SequenceId to) {
  return guard("copying a sequence", [&]() -> Result<void> {
    const Cache& source = cache_of(from);
    Cache& target = cache_of(to);
    target.buffers = source.buffers;
    target.capacity = source.capacity;
    target.length = source.length;
    if (target.capacity > 0) bind(target);
    return {};
  });
}

Result<std::unique_ptr<DecoderGroup>> Decoder::group(std::size_t sequences) {
  return guard("opening sequences together", [&]() -> Result<std::unique_ptr<DecoderGroup>> {
    return std::unique_ptr<DecoderGroup>(std::make_unique<Group>(*this, sequences));
  });
}

}  // namespace strop::onnxruntime
