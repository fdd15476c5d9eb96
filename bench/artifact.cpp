// One step of a recipe in its worker, without the store: how the benchmarks get their files.
// Prints the path of the file it made.
#include <algorithm>

#include "program.h"

namespace {

using namespace strop;

Result<std::filesystem::path> made(const WorkerBackend& worker, const Model& input,
                                   const Step& step, const std::filesystem::path& folder,
                                   const std::filesystem::path& calibration) {
  const Recipe recipe{.name = "bench", .backend = "llama_cpp", .steps = {step, step}};
  // Step 0 reads the original, a later one what an earlier step wrote.
  const std::size_t index = step.op == Operation::convert ? 0 : 1;
  STROP_TRY(const auto artifact,
            worker.build(input, recipe, index, {.dir = folder, .calibration = calibration}));
  return folder / artifact.entry;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: bench-artifact WORKER INPUT FORMAT FOLDER convert|quantize "
                 "[--calibration SAMPLES] [PARAMETER=VALUE...]\n";
    return 2;
  }
  const auto operation = from_name<Operation>(argv[5]);
  if (!operation) {
    std::cerr << "bench-artifact: there is no operation " << argv[5] << '\n';
    return 2;
  }
  const std::filesystem::path worker = argv[1];
  const auto folder = std::filesystem::absolute(argv[4]);
  std::filesystem::create_directories(folder);
  const Model input{.path = std::filesystem::absolute(argv[2]).string(),
                    .format = argv[3],
                    .architecture = "llama",
                    .kind = ModelKind::llm};
  std::filesystem::path calibration;
  int first = 6;
  if (argc > 7 && argv[6] == std::string_view("--calibration")) {
    calibration = std::filesystem::absolute(argv[7]);
    first = 8;
  }
  const Step step{WorkerBackend(worker, {}).name(), *operation,
                  bench::options_from(argc, argv, first)};
  const auto path = made(WorkerBackend(worker, {}), input, step, folder, calibration);
  if (!path) return bench::failed(path.error());
  std::cout << path->string() << '\n';
}
