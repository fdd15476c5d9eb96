#include "assess/instructions.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace strop {
namespace {

struct InstructionSet {
  const char* name;
  bool (*execute)();  // only what may be called between fork and exit
};

#if defined(__x86_64__)

bool avx2() {
  asm volatile("vpaddd %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
  return true;
}

bool fma() {
  asm volatile("vfmadd231ps %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
  return true;
}

bool f16c() {
  asm volatile("vcvtph2ps %%xmm0, %%ymm0" ::: "xmm0");
  return true;
}

bool avx512f() {
  asm volatile("vpaddd %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
  return true;
}

bool avx512_vnni() {
  asm volatile("vpdpbusd %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
  return true;
}

bool avx512_bf16() {
  asm volatile("vdpbf16ps %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
  return true;
}

// The kernel hands out the tiles' state on request only.
bool tiles_granted() {
  constexpr long kRequestState = 0x1023;
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestState, kTileData) == 0;
}

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{4, 4, 4};
  std::array<std::uint8_t, 16> rows{1, 1, 1};
};
static_assert(sizeof(TileConfiguration) == 64);

// The product of a tile of one cell with another: the sum over the numbers packed into the cells.
std::uint32_t tile_product(std::uint32_t one, std::uint32_t other, bool bf16) {
  const TileConfiguration configuration;
  std::uint32_t sum = 0;
  const std::int64_t stride = 4;
  asm volatile(
      "ldtilecfg (%[configuration])\n"
      "tilezero %%tmm0\n"
      "tileloadd (%[one], %[stride], 1), %%tmm1\n"
      "tileloadd (%[other], %[stride], 1), %%tmm2\n"
      :
      : [configuration] "r"(&configuration), [one] "r"(&one), [other] "r"(&other),
        [stride] "r"(stride)
      : "memory");
  if (bf16) {
    asm volatile("tdpbf16ps %%tmm2, %%tmm1, %%tmm0" ::: "memory");
  } else {
    asm volatile("tdpbssd %%tmm2, %%tmm1, %%tmm0" ::: "memory");
  }
  asm volatile(
      "tilestored %%tmm0, (%[sum], %[stride], 1)\n"
      "tilerelease\n"
      :
      : [sum] "r"(&sum), [stride] "r"(stride)
      : "memory");
  return sum;
}

// Four times 1 x 2, in bytes.
bool amx_int8() { return tiles_granted() && tile_product(0x01010101, 0x02020202, false) == 8; }

// Twice 1 x 2; the sum, 4, is a float.
bool amx_bf16() {
  constexpr std::uint32_t kFour = 0x40800000;
  return tiles_granted() && tile_product(0x3f803f80, 0x40004000, true) == kFour;
}

constexpr std::array kCandidates{InstructionSet{"avx2", avx2},
                                 InstructionSet{"fma", fma},
                                 InstructionSet{"f16c", f16c},
                                 InstructionSet{"avx512f", avx512f},
                                 InstructionSet{"avx512_vnni", avx512_vnni},
                                 InstructionSet{"avx512_bf16", avx512_bf16},
                                 InstructionSet{"amx_int8", amx_int8},
                                 InstructionSet{"amx_bf16", amx_bf16}};

#elif defined(__aarch64__)

bool neon() {
  asm volatile("fadd v0.4s, v0.4s, v0.4s" ::: "v0");
  return true;
}

constexpr std::array kCandidates{InstructionSet{"neon", neon}};

#else

constexpr std::array<InstructionSet, 0> kCandidates{};

#endif

[[noreturn]] void execute_and_exit(bool (*execute)()) {
  for (const int fatal : {SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE}) signal(fatal, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  _exit(execute() ? 0 : 1);
}

bool works(const InstructionSet& candidate) {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) execute_and_exit(candidate.execute);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

std::vector<std::string> working_instruction_sets() {
  std::vector<std::string> names;
  for (const InstructionSet& candidate : kCandidates) {
    if (works(candidate)) names.emplace_back(candidate.name);
  }
  return names;
}

}  // namespace strop
