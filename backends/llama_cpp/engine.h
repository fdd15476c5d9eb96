// What every session of llama.cpp does alike: the engine's objects, loading, threads, and its words
// as errors.
#pragma once

#include <ggml-cpu.h>
#include <llama.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "options.h"
#include "strop/result.h"

namespace strop::llama_cpp {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
struct FreeThreadpool {
  void (*free)(ggml_threadpool*) = nullptr;
  void operator()(ggml_threadpool* pool) const { free(pool); }
};
struct FreeBatch {
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};
using ModelPtr = std::unique_ptr<llama_model, FreeModel>;
using ContextPtr = std::unique_ptr<llama_context, FreeContext>;
using ThreadpoolPtr = std::unique_ptr<ggml_threadpool, FreeThreadpool>;
using BatchPtr = std::unique_ptr<llama_batch, FreeBatch>;

// What the engine complained about since its log was cleared, as an error of this worker.
Error engine_error(const std::string& what);

// A file opened, in the order in which its parts must not go: the context before the others.
struct Engine {
  ModelPtr model;
  ThreadpoolPtr threadpool;  // lives as long; without it the engine starts threads for each token
  ContextPtr context;
  Options options;  // in force
  double load_seconds = 0;
};

// What a kind of session wants of its context beside threads and attention, or why the model is not
// for it. options.context is resolved.
using ContextParams =
    std::function<Result<llama_context_params>(const llama_model& model, const Options& options)>;

// The CPU variant must have been loaded. stop ends a long load.
Result<Engine> open_engine(const std::filesystem::path& file, Options options,
                           const ContextParams& wanted, std::stop_token stop);

}  // namespace strop::llama_cpp
