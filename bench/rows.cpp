// How long the quality ruler's own work takes per scored position, and how exact its compact rows
// are, on made rows of a stated width. Prints JSON.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "core/json.h"
#include "measure/compact_row.h"
#include "measure/random.h"
#include "measure/reference_store.h"

namespace {

using namespace strop;
using namespace strop::measure;

constexpr int kRepeats = 200;

// Logits as a language model's are shaped: a bell (a sum of uniforms) with a few peaks.
std::vector<float> made_row(std::uint32_t width, Random& random) {
  std::vector<float> row(width);
  for (float& logit : row)
    logit = static_cast<float>(
        3.5 * (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2));
  for (int i = 0; i < 40; ++i)
    row[random.below(width)] = static_cast<float>(8 - 2.5 * std::log(1 - random.uniform()));
  return row;
}

std::vector<float> deviating(std::vector<float> row, double noise, Random& random) {
  for (float& logit : row) logit += static_cast<float>(noise * (random.uniform() - 0.5));
  return row;
}

// The fastest of some tries, in microseconds: what the work itself takes, whoever else is there.
template <class Work>
double fastest_us(const Work& work) {
  double best = INFINITY;
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count());
  }
  return best;
}

Json measured(std::uint32_t width) {
  Random random(1);
  const CompactShape shape = shape_for(width);
  const auto p = made_row(width, random), q = deviating(p, 0.5, random);
  const RowSummary p_summary = *summarise_row(p), q_summary = *summarise_row(q);
  const CompactRow kept = compact(p, p_summary, 1, shape, 1);
  const double exact = divergence(p, p_summary, q, q_summary);
  double sink = 0;
  return {{"width", width},
          {"both_rows_exact_us",
           fastest_us([&] { sink += divergence(p, *summarise_row(p), q, *summarise_row(q)); })},
          {"candidate_row_us",
           fastest_us([&] { sink += divergence(kept, q, *summarise_row(q)).value; })},
          {"reference_row_us", fastest_us([&] {
             sink += static_cast<double>(compact(p, *summarise_row(p), 1, shape, 1).nll);
           })},
          {"bytes_per_position", bytes_per_row(shape)},
          {"kl", exact},
          {"kl_relative_error", divergence(kept, q, q_summary).value / exact - 1},
          {"kl_relative_standard_error", divergence(kept, q, q_summary).standard_error / exact}};
}

}  // namespace

int main(int argc, char** argv) {
  const auto width = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 49152;
  if (width < 100 || width > (1u << 24)) {
    std::cerr << "usage: bench-rows [WIDTH], from 100 to 16777216\n";
    return 2;
  }
  std::cout << measured(static_cast<std::uint32_t>(width)).dump() << '\n';
}
