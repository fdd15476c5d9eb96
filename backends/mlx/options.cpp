#include "options.h"

#include <algorithm>
#include <charconv>

namespace strop::mlx {
namespace {

constexpr std::uint32_t kMaxContext = 1u << 24;
const std::vector<std::string> kPrecisions{"default", "f32", "bf16", "f16"};

Error bad_value(const std::string& name, const std::string& rule, const std::string& value) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[mlx] ", name, " must be ", rule, ", but got ", value, "."),
               .field = name,
               .value = value};
}

}  // namespace

Result<Options> parse_options(const RunOptions& given, bool on_gpu) {
  Options options{.precision_hint = on_gpu ? "" : "f32"};
  for (const auto& [name, text] : given) {
    if (name == "precision_hint") {
      if (std::find(kPrecisions.begin(), kPrecisions.end(), text) == kPrecisions.end())
        return bad_value(name, "default, f32, bf16 or f16", text);
      if (text != "default") options.precision_hint = text;
    } else if (name == "context") {
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data(), end, options.context);
      if (error != std::errc() || stop != end || options.context < 1 ||
          options.context > kMaxContext)
        return bad_value(name, str("a whole number from 1 to ", kMaxContext), text);
    } else {
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[mlx] there is no run option ", name,
                                  ": known are precision_hint and context."),
                   .field = name,
                   .value = text};
    }
  }
  return options;
}

std::vector<Knob> run_knobs() {
  return {{"precision_hint", kPrecisions, "default",
           "type of activations and cache; default: the folder's own on a GPU, f32 on a CPU"},
          {"context", {}, "", "tokens a sequence may hold; at most what the model allows"}};
}

}  // namespace strop::mlx
