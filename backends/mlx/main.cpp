#include "backend.h"
#include "strop/worker.h"

int main(int argc, char** argv) {
  const strop::mlx::MlxBackend backend;
  return strop::worker_main(argc, argv, backend);
}
