// Entry point of a worker program: int main(int argc, char** argv) { return
// strop::worker_main(argc, argv, MyBackend{}); }
#pragma once

#include "strop/backend.h"
#include "strop/text.h"

namespace strop {

// Serves the backend over the inherited socket until the other end closes it (docs/protocol.md).
// Started by hand, it prints what it is and how it is used, and returns 2.
int worker_main(int argc, char** argv, const Backend& backend);
int worker_main(int argc, char** argv, const TextBackend& backend);

}  // namespace strop
