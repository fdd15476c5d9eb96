#include "backend.h"
#include "strop/worker.h"

int main(int argc, char** argv) {
  return strop::worker_main(argc, argv, strop::data::DataBackend{});
}
