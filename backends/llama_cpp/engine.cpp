#include "engine.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/knobs.h"
#include "core/stop.h"
#include "engine_log.h"

namespace strop::llama_cpp {
namespace {

bool continue_loading(float, void* stop) {
  return !static_cast<std::stop_token*>(stop)->stop_requested();
}

Result<ModelPtr> load_model(const std::filesystem::path& file, std::stop_token stop) {
  auto params = llama_model_default_params();
  params.load_mode = LLAMA_LOAD_MODE_MMAP;
  params.n_gpu_layers = 0;
  params.progress_callback = continue_loading;
  params.progress_callback_user_data = &stop;
  clear_engine_log();
  ModelPtr model(llama_model_load_from_file(file.c_str(), params));
  if (model) return model;
  STROP_CHECK(check_stop(stop));
  return engine_error(str("the engine does not load ", file.filename().string()));
}

Result<std::uint32_t> context_of(const llama_model& model, std::uint32_t asked) {
  const auto limit = static_cast<std::uint32_t>(std::max(1, llama_model_n_ctx_train(&model)));
  return context_in_force("llama_cpp", asked == 0 ? "" : std::to_string(asked),
                          std::min(kDefaultContext, limit), limit);
}

Result<ThreadpoolPtr> new_threadpool(std::uint32_t threads) {
  auto* const cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  auto* const registry = cpu == nullptr ? nullptr : ggml_backend_dev_backend_reg(cpu);
  const auto function = [&](const char* name) {
    return registry == nullptr ? nullptr : ggml_backend_reg_get_proc_address(registry, name);
  };
  const auto make =
      reinterpret_cast<decltype(&ggml_threadpool_new)>(function("ggml_threadpool_new"));
  const auto free =
      reinterpret_cast<decltype(&ggml_threadpool_free)>(function("ggml_threadpool_free"));
  if (make == nullptr || free == nullptr)
    return engine_error("the engine's library has no threads");
  auto params = ggml_threadpool_params_default(static_cast<int>(threads));
  // Between two tokens the threads spin; after a request they soon sleep, and leave the cores to
  // others: at the default of 50 they would spin for most of a second.
  params.poll = 1;
  ThreadpoolPtr pool(make(&params), FreeThreadpool{free});
  if (!pool) return engine_error("the engine cannot start its threads");
  return pool;
}

llama_flash_attn_type engine_value(FlashAttention value) {
  switch (value) {
    case FlashAttention::automatic:
      return LLAMA_FLASH_ATTN_TYPE_AUTO;
    case FlashAttention::on:
      return LLAMA_FLASH_ATTN_TYPE_ENABLED;
    case FlashAttention::off:
      return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

// llama.cpp has no question for it: it starts with `on` for auto and warns when it has to switch
// off. Reads what it said since the context was made.
FlashAttention attention_in_force(FlashAttention asked) {
  const auto said = engine_complaints();
  const bool switched_off = said.find("set to disabled") != std::string::npos ||
                            said.find("forcing off") != std::string::npos;
  if (switched_off) return FlashAttention::off;
  return asked == FlashAttention::automatic ? FlashAttention::on : asked;
}

Result<ContextPtr> new_context(llama_model& model, const Options& options,
                               const ContextParams& wanted) {
  STROP_TRY(llama_context_params params, wanted(model, options));
  params.n_threads = params.n_threads_batch = static_cast<std::int32_t>(options.threads);
  params.flash_attn_type = engine_value(options.flash_attention);
  params.no_perf = true;
  clear_engine_log();
  ContextPtr context(llama_init_from_model(&model, params));
  if (!context) return engine_error("the engine does not start with these run options");
  return context;
}

}  // namespace

Error engine_error(const std::string& what) {
  const auto said = engine_complaints();
  return {ErrorCode::backend, str("[llama_cpp] ", what, said.empty() ? "" : ": ", said, ".")};
}

Result<Engine> open_engine(const std::filesystem::path& file, Options options,
                           const ContextParams& wanted, std::stop_token stop) {
  const Stopwatch watch;
  Engine engine;
  STROP_TRY(engine.model, load_model(file, stop));
  STROP_TRY(options.context, context_of(*engine.model, options.context));
  STROP_TRY(engine.threadpool, new_threadpool(options.threads));
  STROP_TRY(engine.context, new_context(*engine.model, options, wanted));
  llama_attach_threadpool(engine.context.get(), engine.threadpool.get(), engine.threadpool.get());
  options.flash_attention = attention_in_force(options.flash_attention);
  engine.options = std::move(options);
  engine.load_seconds = watch.seconds();
  return engine;
}

}  // namespace strop::llama_cpp
