// Prefill and decode rates of a GGUF file behind Strop's protocol, one sample of each per
// repetition, as JSON. The clock is the worker's own: the one that Strop reports to its users.
#include <random>
#include <vector>

#include "program.h"

namespace {

using namespace strop;

struct Request {
  std::uint32_t repetitions;
  std::uint32_t prompt;
  std::uint32_t new_tokens;
};

// Ids do not change the work of a dense model; llama-bench draws them at random too.
std::vector<TokenId> random_ids(std::uint32_t count, std::uint32_t vocabulary) {
  std::mt19937 random(1);
  std::vector<TokenId> ids(count);
  for (auto& id : ids) id = static_cast<TokenId>(random() % vocabulary);
  return ids;
}

struct Rates {
  double prefill = 0;
  double decode = 0;
};

Result<Rates> repetition(DecoderSession& decoder, const std::vector<TokenId>& ids,
                         const Request& request) {
  STROP_CHECK(decoder.truncate(0, 0));
  STROP_TRY(const auto generation, decoder.generate(0, ids, request.new_tokens, {}));
  const double first = generation.seconds.front();
  return Rates{request.prompt / first,
               (request.new_tokens - 1) / (generation.seconds.back() - first)};
}

Result<Json> measured(DecoderSession& decoder, const Request& request) {
  const auto ids = random_ids(request.prompt, decoder.info().vocabulary_size);
  Json result{
      {"prefill", Json::array()}, {"decode", Json::array()}, {"session", encode(decoder.info())}};
  for (std::uint32_t i = 0; i <= request.repetitions; ++i) {
    STROP_TRY(const Rates rates, repetition(decoder, ids, request));
    if (i == 0) continue;  // warm-up
    result["prefill"].push_back(rates.prefill);
    result["decode"].push_back(rates.decode);
  }
  return result;
}

// One repetition for each line that comes in, and its figures as a line: somebody else takes turns
// with us.
Result<void> take_turns(DecoderSession& decoder, const Request& request) {
  const auto ids = random_ids(request.prompt, decoder.info().vocabulary_size);
  STROP_TRY([[maybe_unused]] const Rates warm_up, repetition(decoder, ids, request));
  for (std::string line; std::getline(std::cin, line);) {
    STROP_TRY(const Rates rates, repetition(decoder, ids, request));
    std::cout << Json{{"prefill", rates.prefill}, {"decode", rates.decode}}.dump() << std::endl;
  }
  return {};
}

Result<Json> run(const std::filesystem::path& worker, const std::filesystem::path& file,
                 const RunOptions& options, const Request& request) {
  STROP_TRY(const auto opened, bench::open_gguf(worker, file, options));
  auto* decoder = opened->session().decoder();
  if (decoder == nullptr) return Error{ErrorCode::unsupported, "[bench] the file is no decoder."};
  if (request.repetitions > 0) return measured(*decoder, request);
  STROP_CHECK(take_turns(*decoder, request));
  return Json();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {  // what the worker is
    std::cout << encode(WorkerBackend(argv[1], bench::policy()).info()).dump() << '\n';
    return EXIT_SUCCESS;
  }
  if (argc < 6) {
    std::cerr << "usage: bench-rates WORKER [FILE REPETITIONS PROMPT NEW [OPTION=VALUE...]]\n"
                 "REPETITIONS 0: one for each line of standard input\n";
    return 2;
  }
  const auto number = [&](int i) { return static_cast<std::uint32_t>(std::stoul(argv[i])); };
  const Request request{number(3), number(4), number(5)};
  if (request.prompt == 0 || request.new_tokens < 2) {
    std::cerr << "bench-rates: PROMPT must be at least 1 and NEW at least 2\n";
    return 2;
  }
  const auto result = run(argv[1], argv[2], bench::options_from(argc, argv, 6), request);
  if (!result) return bench::failed(result.error());
  if (request.repetitions > 0) std::cout << result->dump() << '\n';
}
