// What Strop's quality ruler says of a GGUF file against another, on the positions that
// llama-perplexity scores: the second half of every whole chunk of a text. Prints JSON.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "measure/ruler.h"
#include "program.h"

namespace {

using namespace strop;
namespace fs = std::filesystem;

struct Request {
  fs::path text_worker, worker, reference, candidate, text;
  std::uint32_t chunk;
  fs::path ids;  // written: the ids of all chunks as 32-bit integers, to compare with the peer's
  RunOptions options;
};

// As llama-perplexity cuts a text: whole chunks, the rest is left out; where the vocabulary puts a
// token before a text, it stands in place of each chunk's first.
Result<measure::Evaluation> cut(Tokenizer& tokenizer, const std::string& text,
                                std::uint32_t chunk) {
  STROP_TRY(const auto ids, tokenizer.encode(text, true, false));
  const TokenId bos = tokenizer.info().bos;
  const bool begins = !ids.empty() && bos >= 0 && ids.front() == bos;
  measure::Evaluation evaluation{.first_scored = chunk / 2};
  for (auto begin = ids.begin(); ids.end() - begin >= chunk; begin += chunk) {
    evaluation.sequences.emplace_back(begin, begin + chunk);
    if (begins) evaluation.sequences.back().front() = bos;
  }
  return evaluation;
}

Result<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{ErrorCode::io, str("[bench] ", path.string(), " cannot be read.")};
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void write_ids(const measure::Evaluation& evaluation, const fs::path& path) {
  std::ofstream out(path, std::ios::binary);
  for (const auto& ids : evaluation.sequences) {
    out.write(reinterpret_cast<const char*>(ids.data()),
              static_cast<std::streamsize>(ids.size() * sizeof(TokenId)));
  }
}

// A metric of all positions, as the report shows it.
double value_of(const std::vector<Metric>& metrics, const char* name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) {
    return metric.metric == name && !metric.context.position_begin;
  });
  STROP_ASSERT(found != metrics.end(), "the ruler gives no ", name);
  return found->value;
}

// Through the compact store, as in a run of Strop, and exactly.
Result<Json> scored(DecoderSession& reference, DecoderSession& candidate,
                    const measure::Evaluation& evaluation, const fs::path& store) {
  STROP_CHECK(measure::make_reference(reference, evaluation, store, 1, nullptr, {}));
  STROP_TRY(auto reader, measure::ReferenceReader::open(store));
  STROP_TRY(const auto stored, measure::score(candidate, evaluation, reader, nullptr, {}));
  STROP_TRY(const auto exact,
            measure::score_in_step(reference, candidate, evaluation, nullptr, {}));
  const auto metrics = measure::summarise(exact);
  return Json{{"scored", exact.size()},
              {"perplexity", value_of(metrics, "perplexity")},
              {"kl_exact", value_of(metrics, "kl_mean")},
              {"kl", value_of(measure::summarise(stored), "kl_mean")},
              {"top1_agreement", value_of(metrics, "top1_agreement")},
              {"session", encode(candidate.info())}};
}

Result<Json> run(const Request& request) {
  STROP_TRY(const auto text, read_text(request.text));
  STROP_TRY(const auto tokenizer, open_tokenizer(request.text_worker, request.reference, {}));
  STROP_TRY(const auto evaluation, cut(*tokenizer, text, request.chunk));
  write_ids(evaluation, request.ids);
  STROP_TRY(const auto reference,
            bench::open_gguf(request.worker, request.reference, request.options));
  STROP_TRY(const auto candidate,
            bench::open_gguf(request.worker, request.candidate, request.options));
  return scored(*reference->session().decoder(), *candidate->session().decoder(), evaluation,
                fs::path(request.ids).replace_extension(".store"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) {
    std::cerr << "usage: bench-quality TEXT_WORKER WORKER REFERENCE CANDIDATE TEXT CHUNK IDS "
                 "[OPTION=VALUE...]\n";
    return 2;
  }
  const Request request{argv[1],
                        argv[2],
                        fs::absolute(argv[3]),
                        argv[4],
                        argv[5],
                        static_cast<std::uint32_t>(std::stoul(argv[6])),
                        argv[7],
                        strop::bench::options_from(argc, argv, 8)};
  const auto result = run(request);
  if (!result) return strop::bench::failed(result.error());
  std::cout << result->dump() << '\n';
}
