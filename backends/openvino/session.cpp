#include "session.h"

#include <algorithm>
#include <openvino/openvino.hpp>
#include <utility>

#include "engine.h"
#include "rewrite.h"

namespace strop::openvino {
namespace {

constexpr SequenceId kSequences = 8;

// Tokens computed together. More gain nothing, and a stop is seen between chunks only.
constexpr std::size_t kChunk = 512;

template <class T>
ov::Tensor tensor_of(ov::element::Type type, const ov::Shape& shape, const std::vector<T>& values) {
  ov::Tensor tensor(type, shape);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}

// Computes ids [sequences][tokens] behind the `held` tokens of each sequence. Returns the logits
// f32 [sequences][rows][vocabulary] that follow the rows, indices into the tokens.
ov::Tensor infer(ov::InferRequest& request, std::span<const TokenId> ids, std::size_t sequences,
                 std::size_t held, const std::vector<std::int32_t>& rows) {
  const auto whole = ov::element::i64;
  const std::size_t tokens = ids.size() / sequences;
  std::vector<std::int64_t> positions(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i)
    positions[i] = static_cast<std::int64_t>(held + i % tokens);
  std::vector<std::int32_t> beams(sequences);
  for (std::size_t i = 0; i < sequences; ++i) beams[i] = static_cast<std::int32_t>(i);
  request.set_tensor("input_ids",
                     tensor_of<std::int64_t>(whole, {sequences, tokens}, {ids.begin(), ids.end()}));
  request.set_tensor("position_ids", tensor_of(whole, {sequences, tokens}, positions));
  request.set_tensor("attention_mask",
                     tensor_of(whole, {sequences, held + tokens},
                               std::vector<std::int64_t>(sequences * (held + tokens), 1)));
  request.set_tensor("beam_idx", tensor_of(ov::element::i32, {sequences}, beams));
  request.set_tensor("wanted_rows", tensor_of(ov::element::i32, {rows.size()}, rows));
  request.infer();
  return request.get_tensor("logits");
}

}  // namespace

// A request whose states have a row for each sequence.
class OpenVinoSession::Group final : public DecoderGroup {
 public:
  Group(ov::InferRequest request, std::size_t sequences, std::uint32_t vocabulary)
      : request_(std::move(request)), sequences_(sequences), vocabulary_(vocabulary) {}

  Result<void> append(std::span<const TokenId> ids, const RowSink& sink) override {
    return guard("computing sequences together", [&]() -> Result<void> {
      const std::size_t tokens = ids.size() / sequences_;
      const auto logits =
          infer(request_, ids, sequences_, held_, {static_cast<std::int32_t>(tokens - 1)});
      held_ += tokens;
      return sink({0, vocabulary_, {logits.data<const float>(), sequences_ * vocabulary_}});
    });
  }

 private:
  ov::InferRequest request_;
  std::size_t sequences_;
  std::uint32_t vocabulary_;
  std::size_t held_ = 0;  // tokens of each sequence
};

Result<std::unique_ptr<Session>> OpenVinoSession::open(Loaded loaded, const RunOptions& given,
                                                       const Workspace& workspace) {
  STROP_CHECK(choose(loaded, SessionKind::decoder, given, workspace));
  STROP_TRY(const auto limit, most_positions(*loaded.model));
  std::string& asked = loaded.options.at("context");
  STROP_TRY(const auto context, context_in_force("openvino", asked, limit, limit));
  asked = std::to_string(context);
  const bool several = keeps_several_sequences(*loaded.model);
  STROP_CHECK(select_wanted_rows(*loaded.model));
  STROP_CHECK(compile(loaded));
  auto info = info_of(loaded);
  const auto width = loaded.compiled.output("logits").get_partial_shape()[2].get_length();
  info.vocabulary_size = static_cast<std::uint32_t>(width);
  info.context_length = context;
  return std::unique_ptr<Session>(new OpenVinoSession(std::move(loaded), std::move(info), several));
}

OpenVinoSession::OpenVinoSession(Loaded loaded, SessionInfo info, bool several)
    : ChunkedDecoder("openvino", std::move(info), kSequences, kChunk),
      loaded_(std::move(loaded)),
      several_(several) {}

std::size_t OpenVinoSession::length(SequenceId id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? 0 : found->second.ids.size();
}

OpenVinoSession::Sequence& OpenVinoSession::sequence_at(SequenceId id) {
  auto found = sequences_.find(id);
  if (found == sequences_.end())
    found = sequences_.emplace(id, Sequence{loaded_.compiled.create_infer_request(), {}}).first;
  return found->second;
}

Result<void> OpenVinoSession::append(SequenceId id, std::span<const TokenId> ids,
                                     std::span<const std::uint32_t> rows, const RowSink& sink) {
  return guard("computing", [&]() -> Result<void> {
    Sequence& sequence = sequence_at(id);
    std::vector<std::int32_t> wanted(rows.begin(), rows.end());
    if (wanted.empty())  // kernels want at least one
      wanted.push_back(static_cast<std::int32_t>(ids.size() - 1));
    const auto logits = infer(sequence.request, ids, 1, sequence.ids.size(), wanted);
    sequence.ids.insert(sequence.ids.end(), ids.begin(), ids.end());
    if (rows.empty()) return {};
    const std::size_t width = info_.vocabulary_size;
    return sink({0, width, {logits.data<const float>(), rows.size() * width}});
  });
}

// Computes the ids again: the plug-in hands out its cached keys and values in f16 only, whatever it
// holds, so that a state read, cut and written back is not the state it was.
Result<void> OpenVinoSession::replay(SequenceId id, const std::vector<TokenId>& ids) {
  return guard("computing a sequence again", [&]() -> Result<void> {
    Sequence& sequence = sequence_at(id);
    sequence.request.reset_state();
    sequence.ids.clear();
    for (std::size_t done = 0; done < ids.size(); done += kChunk)
      STROP_CHECK(
          append(id, std::span(ids).subspan(done, std::min(kChunk, ids.size() - done)), {}, {}));
    return {};
  });
}

Result<void> OpenVinoSession::keep(SequenceId id, std::size_t length) {
  std::vector<TokenId> kept = sequence_at(id).ids;
  kept.resize(length);
  return replay(id, kept);
}

Result<void> OpenVinoSession::copy(SequenceId from, SequenceId to) {
  const std::vector<TokenId> ids = sequence_at(from).ids;
  return replay(to, ids);
}

Result<std::unique_ptr<DecoderGroup>> OpenVinoSession::group(std::size_t sequences) {
  if (sequences > 1 && !several_)
    return Error{ErrorCode::unsupported,
                 "[openvino] the artifact's states hold one sequence, so that several cannot be "
                 "computed together."};
  return guard("opening sequences together", [&]() -> Result<std::unique_ptr<DecoderGroup>> {
    return std::unique_ptr<DecoderGroup>(std::make_unique<Group>(
        loaded_.compiled.create_infer_request(), sequences, info_.vocabulary_size));
  });
}

}  // namespace strop::openvino
