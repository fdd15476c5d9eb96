#include "load.h"

#include <openvino/runtime/properties.hpp>

#include "core/stop.h"

namespace strop::openvino {

Loaded read_graph(const std::filesystem::path& file) {
  Loaded loaded;
  loaded.model = loaded.core.read_model(file.string());
  return loaded;
}

Result<void> choose(Loaded& loaded, SessionKind kind, const RunOptions& given,
                    const Workspace& workspace) {
  STROP_CHECK(check_stop(workspace.stop));
  loaded.devices = find_devices(loaded.core);
  loaded.given = given;
  STROP_TRY(loaded.options, parse_options(kind, loaded.devices, given));
  if (loaded.options.at("model_cache") == "off") return {};
  if (workspace.dir.empty())
    return Error{ErrorCode::invalid_input,
                 "[openvino] model_cache needs a workspace to keep the compiled model in.",
                 {},
                 "model_cache",
                 "on"};
  loaded.core.set_property(ov::cache_dir((workspace.dir / "cache").string()));
  return {};
}

Result<void> compile(Loaded& loaded) {
  loaded.compiled = loaded.core.compile_model(loaded.model, loaded.options.at("device"),
                                              to_properties(loaded.options, loaded.devices));
  loaded.model.reset();
  return resolve(loaded.compiled, loaded.given, loaded.options);
}

SessionInfo info_of(const Loaded& loaded) {
  const auto precision = loaded.options.find("precision_hint");
  return {.run_options = loaded.options,
          .cpu_variant = precision == loaded.options.end() ? "" : precision->second,
          .load_seconds = loaded.watch.seconds()};
}

}  // namespace strop::openvino
