// What Strop's quality ruler says of GGUF files against a reference, on the positions that
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
  fs::path text_worker, worker, text;
  std::uint32_t chunk;
  fs::path ids;  // written: the ids of all chunks as 32-bit integers, to compare with the peer's
  fs::path reference;
  std::vector<fs::path> candidates;
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

// Through the compact store, as a run of Strop does it.
Result<Json> scored(const Request& request, const fs::path& candidate,
                    const measure::Evaluation& evaluation, const fs::path& store) {
  STROP_TRY(const auto opened, bench::open_gguf(request.worker, candidate, request.options));
  STROP_TRY(auto reference, measure::ReferenceReader::open(store));
  STROP_TRY(const auto samples,
            measure::score(*opened->session().decoder(), evaluation, reference, nullptr, {}));
  const auto metrics = measure::summarise(samples);
  return Json{{"scored", samples.size()},
              {"perplexity", value_of(metrics, "perplexity")},
              {"kl", value_of(metrics, "kl_mean")},
              {"kl_store_error", value_of(metrics, "kl_store_error")},
              {"top1_agreement", value_of(metrics, "top1_agreement")},
              {"session", encode(opened->session().info())}};
}

Result<void> make_store(const Request& request, const measure::Evaluation& evaluation,
                        const fs::path& store) {
  STROP_TRY(const auto opened,
            bench::open_gguf(request.worker, request.reference, request.options));
  return measure::make_reference(*opened->session().decoder(), evaluation, store, 1, nullptr, {});
}

Result<Json> run(const Request& request) {
  STROP_TRY(const auto text, read_text(request.text));
  STROP_TRY(const auto tokenizer, open_tokenizer(request.text_worker, request.reference, {}));
  STROP_TRY(const auto evaluation, cut(*tokenizer, text, request.chunk));
  write_ids(evaluation, request.ids);
  const auto store = fs::path(request.ids).replace_extension(".store");
  STROP_CHECK(make_store(request, evaluation, store));
  Json scores = Json::array();
  for (const auto& candidate : request.candidates) {
    STROP_TRY(auto score, scored(request, candidate, evaluation, store));
    scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) {
    std::cerr << "usage: bench-quality TEXT_WORKER WORKER TEXT CHUNK IDS REFERENCE CANDIDATE... "
                 "[OPTION=VALUE...]\n";
    return 2;
  }
  const Request request{.text_worker = argv[1],
                        .worker = argv[2],
                        .text = argv[3],
                        .chunk = static_cast<std::uint32_t>(std::stoul(argv[4])),
                        .ids = argv[5],
                        .reference = fs::absolute(argv[6]),
                        .candidates = strop::bench::files_from(argc, argv, 7),
                        .options = strop::bench::options_from(argc, argv, 7)};
  const auto result = run(request);
  if (!result) return strop::bench::failed(result.error());
  std::cout << result->dump() << '\n';
}
