// Runs a fuzz target over its seeds and over mutations of them, the same ones each time. For
// compilers without libFuzzer, and as a test. README.md tells the environment variables.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = 1 << 16;
constexpr auto kSlow = std::chrono::seconds(1);

volatile std::uint64_t running = 0;  // for the signal handler

// Which run died; the same number runs it again.
void tell_run(int signal) {
  std::array<char, 64> text{"died in run "};
  char* begin = text.data() + std::strlen(text.data());
  char* end = std::to_chars(begin, text.data() + text.size() - 1, running).ptr;
  *end++ = '\n';
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(end - text.data()));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::uint64_t setting(const char* name, std::uint64_t absent) {
  const char* text = std::getenv(name);
  std::uint64_t value = absent;
  if (text) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

std::vector<std::string> read_seeds(int count, char** places) {
  std::vector<fs::path> paths;
  for (int i = 0; i < count; ++i) {
    if (!fs::is_directory(places[i]))
      paths.emplace_back(places[i]);
    else
      for (const auto& entry : fs::directory_iterator(places[i])) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());  // the order of a folder is not the same everywhere
  std::vector<std::string> seeds;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

// One input, a function of the seeds, the base and its number alone.
class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, std::uint64_t base, std::uint64_t number)
      : seeds_(seeds), random_(base * 0x9e3779b97f4a7c15ull + number) {}

  std::string make() {
    std::string input = any_seed();
    for (std::uint64_t steps = 1 + below(6); steps > 0; --steps) step(input);
    if (input.size() > kMaxBytes) input.resize(kMaxBytes);
    return input;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }
  const std::string& any_seed() { return seeds_[below(seeds_.size())]; }

  // Numbers at which arithmetic on counts and offsets goes wrong.
  std::uint64_t telling_number() {
    constexpr std::array<std::uint64_t, 12> numbers{
        0, 1, 2, 31, 32, 255, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 62, 1ull << 63, ~0ull};
    const std::uint64_t number = numbers[below(numbers.size())];
    return below(2) ? number : number + below(64) - 32;
  }

  void overwrite(std::string& input, std::uint64_t value, std::size_t bytes) {
    if (input.size() < bytes) return;
    std::memcpy(input.data() + below(input.size() - bytes + 1), &value, bytes);
  }

  void step(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(64, input.size() - at) + 1);
    switch (below(9)) {
      case 0:
        overwrite(input, random_(), 1);
        break;
      case 1:
        overwrite(input, telling_number(), 4);
        break;
      case 2:
        overwrite(input, telling_number(), 8);
        break;
      case 3:
        input.resize(at);
        break;
      case 4:
        input.erase(at, length);
        break;
      case 5:
        input.insert(at, input.substr(at, length));
        break;
      case 6:
        input.insert(at, length, static_cast<char>(random_()));
        break;
      case 7: {
        const std::string& other = any_seed();
        const std::size_t from = below(other.size() + 1);
        input.replace(at, length, other, from, 64);
        break;
      }
      case 8:
        input.insert(at, std::to_string(telling_number()));
        break;
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_;
};

// False when it took too long.
bool run(std::uint64_t number, const std::string& input) {
  running = number;
  const auto begin = std::chrono::steady_clock::now();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  if (std::chrono::steady_clock::now() - begin < kSlow) return true;
  std::fprintf(stderr, "run %llu took more than a second\n",
               static_cast<unsigned long long>(number));
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> seeds = read_seeds(argc - 1, argv + 1);
  if (seeds.empty()) {
    std::fprintf(stderr, "usage: %s SEED_FILE_OR_FOLDER...\n", argv[0]);
    return 2;
  }
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT}) std::signal(signal, tell_run);
  const std::uint64_t base = setting("STROP_FUZZ_SEED", 1),
                      runs = setting("STROP_FUZZ_RUNS", 20'000);
  const std::uint64_t only = setting("STROP_FUZZ_ONLY", ~0ull);
  // Runs below seeds.size() are the seeds themselves.
  const auto input = [&](std::uint64_t number) {
    return number < seeds.size() ? seeds[number] : Mutator(seeds, base, number).make();
  };
  if (only != ~0ull) {
    if (const char* save = std::getenv("STROP_FUZZ_SAVE"))
      std::ofstream(save, std::ios::binary) << input(only);
    return run(only, input(only)) ? 0 : 1;
  }
  for (std::uint64_t number = 0; number < seeds.size() + runs; ++number) {
    if (!run(number, input(number))) return 1;
  }
  std::printf("%llu seeds, %llu mutations\n", static_cast<unsigned long long>(seeds.size()),
              static_cast<unsigned long long>(runs));
  return 0;
}
