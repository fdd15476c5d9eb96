#include "strop/worker.h"
#include "tokenizer.h"

int main(int argc, char** argv) {
  const strop::text::LlamaTextBackend backend;
  return strop::worker_main(argc, argv, backend);
}
