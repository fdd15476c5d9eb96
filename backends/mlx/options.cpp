#include "options.h"

#include <array>

namespace strop::mlx {
namespace {

constexpr std::uint32_t kMaxContext = 1u << 24;

}  // namespace

std::span<const KnobRule> knob_rules() {
  static const std::array<KnobRule, 2> kRules{
      KnobRule{{"precision_hint",
                {"default", "f32", "bf16", "f16"},
                "default",
                "type of activations and cache; default: the folder's own on a GPU, f32 on a CPU"}},
      KnobRule{{"context", {}, "", "tokens a sequence may hold; at most what the model states"},
               kMaxContext}};
  return kRules;
}

std::string precision_asked(const std::string& hint, bool on_gpu) {
  if (hint != "default") return hint;
  return on_gpu ? "" : "f32";
}

}  // namespace strop::mlx
