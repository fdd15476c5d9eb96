// Enumerators and their words. The position in the list is the enumerator's value.
#pragma once

#include <array>
#include <string_view>

#include "strop/backend.h"
#include "strop/contrast.h"
#include "strop/golden.h"
#include "strop/lock_file.h"
#include "strop/report.h"

namespace strop {

template <class E>
struct EnumNames;

template <>
struct EnumNames<ErrorCode> {
  static constexpr std::array kNames{
      "invalid_input", "unsupported", "not_found",     "corrupt", "io",        "no_space",
      "busy",          "crashed",     "out_of_memory", "timeout", "cancelled", "backend"};
};
template <>
struct EnumNames<ModelKind> {
  static constexpr std::array kNames{"llm", "multimodal", "vision", "audio", "embedding", "other"};
};
template <>
struct EnumNames<DeviceKind> {
  static constexpr std::array kNames{"cpu", "gpu", "npu", "vpu", "tpu"};
};
template <>
struct EnumNames<TargetForm> {
  static constexpr std::array kNames{"phone", "desktop", "server", "embedded"};
};
template <>
struct EnumNames<Profile> {
  static constexpr std::array kNames{"prototype", "production", "strict"};
};
template <>
struct EnumNames<Operation> {
  static constexpr std::array kNames{"convert", "quantize", "prune", "fuse", "compile"};
};
template <>
struct EnumNames<Bottleneck> {
  static constexpr std::array kNames{"compute", "bandwidth", "capacity"};
};
template <>
struct EnumNames<Role> {
  static constexpr std::array kNames{"quality_reference", "baseline", "candidate"};
};
template <>
struct EnumNames<TrialStatus> {
  static constexpr std::array kNames{"ok", "infeasible", "dominated", "failed", "not_tried"};
};
template <>
struct EnumNames<Comparison> {
  static constexpr std::array kNames{"at_least", "at_most"};
};
template <>
struct EnumNames<Verdict> {
  static constexpr std::array kNames{"pass", "fail", "not_measured", "noisy"};
};
template <>
struct EnumNames<Finding> {
  static constexpr std::array kNames{"better",  "worse",     "no_difference",
                                     "differs", "undecided", "not_measured"};
};
template <>
struct EnumNames<Stage> {
  static constexpr std::array kNames{"none",    "assess", "plan",  "optimize",
                                     "measure", "gate",   "report"};
};
template <>
struct EnumNames<GoldenKind> {
  static constexpr std::array kNames{"original", "own"};
};
template <>
struct EnumNames<MilestoneKind> {
  static constexpr std::array kNames{"baseline", "conversion", "quantisation", "acceleration",
                                     "validation"};
};
template <>
struct EnumNames<Sameness> {
  static constexpr std::array kNames{"same", "changed", "moved", "noisy", "missing", "added"};
};
template <>
struct EnumNames<ElementType> {
  static constexpr std::array kNames{"f32", "f16", "bf16", "i64", "i32", "i8", "u8", "boolean"};
};

}  // namespace strop
