#include "search/pareto.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace strop {
namespace {

// One artifact, with its costs in order of the objectives: smaller is better in each.
struct Point {
  std::vector<double> costs;
  std::string trial_id;
  auto operator<=>(const Point&) const = default;
};

std::optional<double> cost_of(const Trial& trial, const Objective& objective) {
  const auto value = value_of(trial, objective.metric);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return objective.maximise ? -*value : *value;
}

std::optional<Point> point_of(const Trial& trial, const std::vector<Objective>& objectives) {
  Point point{{}, trial.id};
  for (const Objective& objective : objectives) {
    const auto cost = cost_of(trial, objective);
    if (!cost) return std::nullopt;
    point.costs.push_back(*cost);
  }
  return point;
}

bool dominates(const Point& one, const Point& other) {
  return one.costs != other.costs &&
         std::equal(one.costs.begin(), one.costs.end(), other.costs.begin(), std::less_equal<>());
}

bool is_dominated(const Point& point, const std::vector<Point>& points) {
  return std::any_of(points.begin(), points.end(),
                     [&](const Point& other) { return dominates(other, point); });
}

}  // namespace

std::vector<Objective> usual_objectives() {
  return {{"total_bytes", false}, {"kl_mean", false}, {"noise_ratio", false}, {"speedup", true}};
}

std::optional<double> value_of(const Trial& trial, const std::string& metric) {
  if (metric == "total_bytes") {
    if (!trial.artifact) return std::nullopt;
    return static_cast<double>(trial.artifact->total_bytes);
  }
  const Metric* found = trial.measurement ? find(*trial.measurement, metric) : nullptr;
  return found ? std::optional(found->value) : std::nullopt;
}

bool may_be_shipped(const Trial& trial, const Model& model) {
  const std::string& grid = trial.recipe.source_grid;
  const bool flattered = !grid.empty() && grid == model.source_grid;
  return trial.role == Role::candidate && trial.status == TrialStatus::ok && !flattered;
}

Front pareto_front(const std::vector<Trial>& trials, const Model& model,
                   const std::vector<Objective>& objectives) {
  std::vector<const Trial*> eligible;
  for (const Trial& trial : trials) {
    if (may_be_shipped(trial, model)) eligible.push_back(&trial);
  }
  Front front;
  for (const Objective& objective : objectives) {
    const auto has_value = [&](const Trial* trial) {
      return cost_of(*trial, objective).has_value();
    };
    if (std::any_of(eligible.begin(), eligible.end(), has_value))
      front.objectives.push_back(objective);
  }
  std::vector<Point> points;
  for (const Trial* trial : eligible) {
    if (auto point = point_of(*trial, front.objectives)) points.push_back(*std::move(point));
  }
  std::sort(points.begin(), points.end());
  for (const Point& point : points) {
    if (!is_dominated(point, points)) front.trial_ids.push_back(point.trial_id);
  }
  return front;
}

}  // namespace strop
