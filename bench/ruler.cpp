// The KL divergence of several GGUF files to a reference as a run of Strop measures it, timed file
// by file: every position of some chunks of a text, through the compact store. Prints a line of
// JSON for each file and one for all.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/files.h"
#include "measure/ruler.h"
#include "program.h"

namespace {

using namespace strop;
namespace fs = std::filesystem;

struct Request {
  fs::path text_worker, worker, text;
  std::size_t chunk = 0, chunks = 0;
  fs::path store, reference;
  std::vector<fs::path> candidates;
  RunOptions options;
};

Result<measure::Evaluation> cut(const Request& request) {
  STROP_TRY(const std::string text, read_text(request.text));
  STROP_TRY(const auto tokenizer, open_tokenizer(request.text_worker, request.reference, {}));
  STROP_TRY(const auto ids, tokenizer->encode(text, true, false));
  if (ids.size() < request.chunk * request.chunks)
    return Error{ErrorCode::invalid_input, "[bench] the text is too short for so many chunks."};
  measure::Evaluation evaluation;
  for (std::size_t i = 0; i < request.chunks; ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * request.chunk);
    evaluation.sequences.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(request.chunk));
  }
  return evaluation;
}

// Of the mean, positions taken for independent: as llama-perplexity reckons its own.
double standard_error(const std::vector<double>& values) {
  const double mean = measure::mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto count = static_cast<double>(values.size());
  return std::sqrt(squares / (count - 1) / count);
}

// Others take turns with us: a step waits for a line of stdin.
Result<Stopwatch> begun_step() {
  if (std::string line; std::getline(std::cin, line)) return Stopwatch();
  return Error{ErrorCode::cancelled, "[bench] stdin ended before the last step."};
}

void say_end_of_step(const Stopwatch& watch) {
  std::cout << Json{{"seconds", watch.seconds()}}.dump() << std::endl;
}

// One step makes the reference, and each other scores a candidate.
Result<Json> run(const Request& request) {
  // The engine's self-test is of the machine: a run makes it once, before its first trial.
  const auto info = WorkerBackend(request.worker, bench::policy()).info();
  if (!info.unavailable_reason.empty())
    return Error{ErrorCode::unsupported, info.unavailable_reason};
  STROP_TRY(Stopwatch watch, begun_step());
  STROP_TRY(const auto evaluation, cut(request));
  {
    STROP_TRY(const auto opened,
              bench::open_gguf(request.worker, request.reference, request.options));
    STROP_CHECK(measure::make_reference(*opened->session().decoder(), evaluation, request.store, 1,
                                        nullptr, {}));
  }
  say_end_of_step(watch);
  Json errors = Json::array(), means = Json::array(), session;
  std::size_t positions = 0;
  for (const fs::path& candidate : request.candidates) {
    STROP_TRY(watch, begun_step());
    {
      STROP_TRY(const auto opened, bench::open_gguf(request.worker, candidate, request.options));
      STROP_TRY(auto reference, measure::ReferenceReader::open(request.store));
      STROP_TRY(const auto samples,
                measure::score(*opened->session().decoder(), evaluation, reference, nullptr, {}));
      errors.push_back(standard_error(samples.kl));
      means.push_back(measure::mean(samples.kl));
      positions = samples.size();
      session = encode(opened->session().info());
    }
    say_end_of_step(watch);
  }
  return Json{{"positions", positions},
              {"errors", std::move(errors)},
              {"means", std::move(means)},
              {"store_bytes", fs::file_size(request.store)},
              {"session", std::move(session)}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) {
    std::cerr << "usage: bench-ruler TEXT_WORKER WORKER TEXT CHUNK CHUNKS STORE REFERENCE "
                 "CANDIDATE... [OPTION=VALUE...]\n";
    return 2;
  }
  const Request request{.text_worker = argv[1],
                        .worker = argv[2],
                        .text = argv[3],
                        .chunk = std::stoul(argv[4]),
                        .chunks = std::stoul(argv[5]),
                        .store = argv[6],
                        .reference = fs::absolute(argv[7]),
                        .candidates = strop::bench::files_from(argc, argv, 8),
                        .options = strop::bench::options_from(argc, argv, 8)};
  const auto result = run(request);
  if (!result) return strop::bench::failed(result.error());
  std::cout << result->dump() << '\n';
}
