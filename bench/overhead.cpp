// What decoding through Strop costs beyond the engine's own work. The session's code runs in this
// process with every llama_decode timed, so that both figures are of the very same calls and no
// noise lies between them; the cost of the protocol comes from a confined worker, as the part of a
// request's time that the worker's own clock does not have.
#include <llama.h>

#include <chrono>
#include <memory>
#include <vector>

#include "backends/llama_cpp/backend.h"
#include "program.h"

namespace {

double engine_seconds = 0;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// The linker sends every call of llama_decode here (--wrap).
extern "C" {
std::int32_t __real_llama_decode(llama_context* context, llama_batch batch);
std::int32_t __wrap_llama_decode(llama_context* context, llama_batch batch);
std::int32_t __wrap_llama_decode(llama_context* context, llama_batch batch) {
  const double begin = now();
  const std::int32_t status = __real_llama_decode(context, batch);
  // Without it the work may go on beside us and be waited for where the logits are read.
  llama_synchronize(context);
  engine_seconds += now() - begin;
  return status;
}
}

namespace {

using namespace strop;

struct Request {
  std::uint32_t blocks;
  std::uint32_t tokens;  // of a block
  std::uint32_t depth;   // where a block begins
};

struct Block {
  double session = 0;  // seconds per token through the session's code
  double engine = 0;   // of which in the engine
};

Result<Block> in_process(DecoderSession& decoder, const std::vector<TokenId>& prompt,
                         const Request& request) {
  STROP_CHECK(decoder.truncate(0, 0));
  STROP_TRY(const Generation first, decoder.generate(0, prompt, 1, {}));
  engine_seconds = 0;
  const double begin = now();
  STROP_TRY(const Generation block, decoder.generate(0, first.ids, request.tokens, {}));
  return Block{(now() - begin) / request.tokens, engine_seconds / request.tokens};
}

// Seconds per token of a request that its worker does not see: messages both ways, and waking up.
Result<double> protocol(DecoderSession& decoder, const std::vector<TokenId>& prompt,
                        const Request& request) {
  STROP_CHECK(decoder.truncate(0, 0));
  STROP_TRY(const Generation first, decoder.generate(0, prompt, 1, {}));
  const double begin = now();
  STROP_TRY(const Generation block, decoder.generate(0, first.ids, request.tokens, {}));
  return (now() - begin - block.seconds.back()) / request.tokens;
}

Result<Json> measured(DecoderSession& session, DecoderSession& worker, const Request& request) {
  std::vector<TokenId> prompt(request.depth);
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<TokenId>((i * 7919 + 1) % session.info().vocabulary_size);
  Json result{{"strop", Json::array()},
              {"engine", Json::array()},
              {"protocol", Json::array()},
              {"session", encode(worker.info())}};
  for (std::uint32_t i = 0; i <= request.blocks; ++i) {
    STROP_TRY(const Block block, in_process(session, prompt, request));
    STROP_TRY(const double messages, protocol(worker, prompt, request));
    if (i == 0) continue;  // warm-up
    result["strop"].push_back(block.session + messages);
    result["engine"].push_back(block.engine);
    result["protocol"].push_back(messages);
  }
  return result;
}

Result<Json> run(const std::filesystem::path& program, const std::filesystem::path& file,
                 const RunOptions& options, const Request& request) {
  STROP_TRY(const auto worker, bench::open_gguf(program, file, options));
  auto* const behind = worker->session().decoder();
  if (behind == nullptr) return Error{ErrorCode::unsupported, "[bench] the file is no decoder."};
  const auto path = std::filesystem::absolute(file);
  const llama_cpp::LlamaBackend backend(program);
  STROP_TRY(const auto session, backend.open({.backend = "llama_cpp",
                                              .format = "gguf",
                                              .folder = path.parent_path().string(),
                                              .entry = path.filename().string()},
                                             behind->info().run_options,
                                             {.dir = std::filesystem::temp_directory_path()}));
  return measured(*session->decoder(), *behind, request);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: bench-overhead WORKER FILE BLOCKS TOKENS DEPTH [OPTION=VALUE...]\n";
    return 2;
  }
  const auto number = [&](int i) { return static_cast<std::uint32_t>(std::stoul(argv[i])); };
  const Request request{number(3), number(4), number(5)};
  if (request.blocks == 0 || request.tokens == 0 || request.depth == 0) {
    std::cerr << "bench-overhead: BLOCKS, TOKENS and DEPTH must be at least 1\n";
    return 2;
  }
  const auto result = run(argv[1], argv[2], bench::options_from(argc, argv, 6), request);
  if (!result) return bench::failed(result.error());
  std::cout << result->dump() << '\n';
}
