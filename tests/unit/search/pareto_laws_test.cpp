// Laws of the front, over random trials with many ties.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "search/pareto.h"
#include "trials.h"

using namespace strop;

namespace {

std::vector<Trial> random_trials(std::mt19937& random) {
  const auto draw = [&](std::uint32_t values) {
    return static_cast<std::uint32_t>(random() % values);
  };
  std::vector<Trial> trials;
  const std::uint32_t count = 1 + draw(30);
  const char* distance = draw(2) == 0 ? "kl_mean" : "noise_ratio";  // of text, or of tensors
  for (std::uint32_t i = 0; i < count; ++i) {
    trials.push_back(trial("t" + std::to_string(i), draw(8),
                           {metric(distance, draw(8)), metric("speedup", draw(8))}));
  }
  return trials;
}

bool dominates(const Trial& one, const Trial& other) {
  bool better = false;
  for (const Objective& objective : usual_objectives()) {
    if (!value_of(one, objective.metric)) continue;  // that of the other kind of model
    const double sign = objective.maximise ? -1 : 1;
    const double a = sign * *value_of(one, objective.metric);
    const double b = sign * *value_of(other, objective.metric);
    if (a > b) return false;
    better = better || a < b;
  }
  return better;
}

bool is_on(const Front& front, const Trial& trial) {
  const auto& ids = front.trial_ids;
  return std::find(ids.begin(), ids.end(), trial.id) != ids.end();
}

constexpr int kRounds = 300;

}  // namespace

TEST_CASE("on_the_front_is_exactly_what_nothing_dominates") {
  std::mt19937 random(1);
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<Trial> trials = random_trials(random);
    const Front front = pareto_front(trials, {});
    for (const Trial& own : trials) {
      const bool beaten = std::any_of(trials.begin(), trials.end(),
                                      [&](const Trial& other) { return dominates(other, own); });
      REQUIRE(is_on(front, own) == !beaten);
    }
  }
}

TEST_CASE("the_order_of_the_trials_does_not_matter") {
  std::mt19937 random(2);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Trial> trials = random_trials(random);
    const Front front = pareto_front(trials, {});
    std::shuffle(trials.begin(), trials.end(), random);
    REQUIRE(pareto_front(trials, {}) == front);
  }
}

TEST_CASE("a_dominated_trial_more_changes_nothing") {
  std::mt19937 random(3);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Trial> trials = random_trials(random);
    const Front front = pareto_front(trials, {});
    const bool of_text = value_of(trials.front(), "kl_mean").has_value();
    trials.push_back(trial(
        "worst", 100, {metric(of_text ? "kl_mean" : "noise_ratio", 100), metric("speedup", -1)}));
    REQUIRE(pareto_front(trials, {}) == front);
  }
}

TEST_CASE("the_front_of_the_front_is_the_front") {
  std::mt19937 random(4);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Trial> trials = random_trials(random);
    const Front front = pareto_front(trials, {});
    std::erase_if(trials, [&](const Trial& own) { return !is_on(front, own); });
    REQUIRE(pareto_front(trials, {}) == front);
  }
}
