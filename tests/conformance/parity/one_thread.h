// Included before llama.cpp's program `simple`, which has no flag for threads and takes four: on
// fewer cores they wait for each other.
#pragma once

#include <llama.h>

inline llama_context_params one_thread() {
  llama_context_params params = llama_context_default_params();
  params.n_threads = params.n_threads_batch = 1;
  return params;
}
#define llama_context_default_params one_thread
