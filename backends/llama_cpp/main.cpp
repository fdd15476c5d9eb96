#include <string_view>

#include "backend.h"
#include "self_test.h"
#include "strop/worker.h"

int main(int argc, char** argv) {
  using namespace strop::llama_cpp;
  if (argc == 3 && std::string_view(argv[1]) == kSelfTestFlag) return self_test_main(argv[2]);
  const LlamaBackend backend;
  return strop::worker_main(argc, argv, backend);
}
