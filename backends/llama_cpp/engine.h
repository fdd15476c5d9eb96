// What every session of llama.cpp does alike: the engine's objects, loading, threads, and its words
// as errors.
#pragma once

#include <ggml-cpu.h>
#include <llama.h>

#include <filesystem>
#include <memory>
#include <span>
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
  void (*free)(ggml_threadpool*);
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

// The CPU variant must have been loaded. stop ends a long load.
Result<ModelPtr> load_model(const std::filesystem::path& file, std::stop_token stop);

// Puts the context size in force into options, or says why it cannot be had.
Result<void> resolve_context(const llama_model& model, Options& options);

// Threads that live as long as the session. Without them the engine starts new ones for each token.
Result<ThreadpoolPtr> new_threadpool(std::uint32_t threads);

llama_flash_attn_type engine_value(FlashAttention value);

// llama.cpp has no question for it: it starts with `on` for auto and warns when it has to switch
// off. Reads what it said since the context was made.
FlashAttention attention_in_force(FlashAttention asked);

bool all_finite(std::span<const float> row);

}  // namespace strop::llama_cpp
