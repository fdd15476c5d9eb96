// Artifacts -> Measurements. Quality first, then speed in groups, the most useful artifacts first,
// as far as the budget goes; what it does not reach is said to be not tried.
#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>

#include "core/units.h"
#include "measure/climate.h"
#include "pipeline/exam.h"
#include "pipeline/golden_records.h"
#include "pipeline/load.h"
#include "pipeline/matrix.h"
#include "pipeline/stages.h"
#include "pipeline/timing.h"
#include "pipeline/validate.h"

namespace strop::pipeline {
namespace {

constexpr std::size_t kGroup = 4;    // artifacts timed in the same rounds
constexpr double kRounds = 11;       // that a group gets time for: warm-up, eight, two disturbed
constexpr double kEndSeconds = 5;    // kept for gates and reports
constexpr double kWorthAgain = 1.5;  // times as many rounds as before make another look worth it

std::vector<RunPreset> presets_of(const Trial& trial, const Report& report) {
  for (const PlannedTrial& planned : report.plan->trials) {
    if (planned.recipe.id == trial.recipe.id && planned.role == trial.role &&
        !planned.run_presets.empty())
      return planned.run_presets;
  }
  return {{.name = "default", .options = {}, .note = ""}};
}

// The chosen preset's trial in front, then the others.
Result<std::vector<Trial>> screen(const Trial& trial, const Exam& exam, const Report& report,
                                  Context& context) {
  const Json inputs{
      {"artifact", trial.artifact->id}, {"recipe", trial.recipe.id}, {"role", name_of(trial.role)}};
  const std::string name = str("try run options of ", trial.recipe.backend, " ", trial.recipe.name);
  return context.step<std::vector<Trial>>(
      Stage::measure, name, inputs, [&]() -> Result<std::vector<Trial>> {
        STROP_TRY(Screened screened,
                  screen_presets(trial, presets_of(trial, report), exam, report, context));
        std::vector<Trial> all{std::move(screened.chosen)};
        all.insert(all.end(), screened.others.begin(), screened.others.end());
        return all;
      });
}

// Adds the quality metrics, or marks the trial failed. An artifact with the same run options gives
// the same answers, whatever its role: it is scored once.
Result<Trial> with_quality(Trial trial, const Exam& exam, const Report& report, Context& context) {
  const Json inputs{{"artifact", trial.artifact->id},
                    {"run_options", trial.run_options},
                    {"exam", exam.id()},
                    {"seed", report.goal.seed}};
  const auto score = [&]() -> Result<Trial> {
    const Stopwatch watch;
    Trial scored;
    auto measurement = exam.quality(trial, report, context);
    if (measurement) {
      scored.measurement = *std::move(measurement);
    } else {
      if (ends_the_run(measurement.error())) return std::move(measurement).error();
      mark_failed(scored, measurement.error());
    }
    scored.wall_seconds = watch.seconds();
    return scored;
  };
  STROP_TRY(const Trial scored,
            context.step<Trial>(Stage::measure,
                                str("quality of ", trial.recipe.backend, " ", trial.recipe.name),
                                inputs, score));
  trial.wall_seconds += scored.wall_seconds;
  if (scored.error) {
    mark_failed(trial, *scored.error);
  } else {
    if (!trial.measurement) trial.measurement = scored.measurement;
    trial.measurement->metrics = scored.measurement->metrics;
  }
  return trial;
}

// Timing metrics come from another opening than quality metrics: both belong to the trial.
void merge(Trial& into, const std::vector<Metric>& quality) {
  if (into.measurement)
    into.measurement->metrics.insert(into.measurement->metrics.end(), quality.begin(),
                                     quality.end());
}

void mark_not_tried(Trial& trial, const Report& report) {
  trial.status = TrialStatus::not_tried;
  std::ostringstream reason;
  reason << "the budget of " << report.goal.budget.wall_seconds << " s was used up before its turn";
  trial.reason = reason.str();
}

// Of the budget, without what comes after the trials.
double seconds_for_trials(const Context& context) {
  const Goal& goal = context.request().goal;
  return context.seconds_left() - kEndSeconds - matrix_seconds(goal) - validation_seconds(goal);
}

// How many of the remaining trials the budget still pays for, at most a group: decided once per
// run, so that a resumed run decides alike. One is always tried.
Result<std::uint32_t> next_group_size(std::size_t number, std::size_t remaining,
                                      double seconds_per_trial, Context& context) {
  const std::size_t most = std::min(kGroup, remaining);
  return context.step<std::uint32_t>(
      Stage::measure, str("size of group ", number), {{"group", number}, {"remaining", remaining}},
      [&]() -> Result<std::uint32_t> {
        // A repeated run tries what the first one did, however long it takes.
        if (context.request().locked) return static_cast<std::uint32_t>(most);
        const double affordable = seconds_for_trials(context) / std::max(seconds_per_trial, 1e-3);
        return static_cast<std::uint32_t>(
            std::clamp(affordable, number == 1 ? 1.0 : 0.0, static_cast<double>(most)));
      });
}

// If nobody is slower than the baseline, which takes part twice.
double round_seconds(std::size_t trials, double request_seconds) {
  return static_cast<double>(trials + 2) * request_seconds;
}

// Why the backend's times on this machine would say nothing; empty when they do.
std::string untimed_reason(const Trial& trial, const Report& report) {
  for (const BackendFit& fit : report.assessment->fits) {
    if (fit.backend == trial.recipe.backend) return fit.fit.untimed_reason;
  }
  return {};
}

void warn_of_climate(Report& report) {
  std::set<std::string> warnings;
  for (const Trial& trial : report.trials)
    if (trial.measurement) warnings.insert(measure::climate_warning(trial.measurement->conditions));
  warnings.erase("");
  for (const std::string& warning : warnings)
    report.warnings.push_back(str(warning, ": figures that depend on time are noisy"));
}

void warn_of_untimed(Report& report) {
  for (const BackendFit& fit : report.assessment->fits) {
    const bool tried = std::any_of(report.trials.begin(), report.trials.end(), [&](const auto& t) {
      return t.recipe.backend == fit.backend && t.status == TrialStatus::ok;
    });
    if (tried && !fit.fit.untimed_reason.empty())
      report.warnings.push_back(str(
          fit.backend, ": nothing that depends on time was measured: ", fit.fit.untimed_reason));
  }
}

// Why what the trial computes cannot be left to its run options: empty when its precision and that
// of the computation explain its distance from the original.
Result<std::string> unexplained(const Trial& trial, const Exam& exam, Context& context) {
  const Metric* distance = find(*trial.measurement, exam.distance());
  if (!distance) return std::string();
  STROP_TRY(const double most,
            tolerance_of(trial.recipe, distance->metric, trial.measurement->run_options, context));
  const Interval range = distance->interval.value_or(Interval{distance->value, distance->value});
  if (range.high <= most) return std::string();
  return str("its ", distance->metric, ", ", number_text(distance->value), " (",
             number_text(range.low), " to ", number_text(range.high), "), may be more than the ",
             number_text(most), " that its precision explains");
}

double screened_seconds(const Trial& trial) {
  const Metric* request = trial.measurement ? find(*trial.measurement, "request_time") : nullptr;
  return request ? request->value : std::numeric_limits<double>::infinity();
}

// The presets of one recipe, the chosen one in front and scored. Run options may cost accuracy, not
// time alone: where the chosen ones take the artifact farther from the original than is explained,
// the fastest of the others that do not take their place.
Result<std::vector<Trial>> score(std::vector<Trial> presets, const Exam& exam, const Report& report,
                                 Context& context) {
  Trial& chosen = presets.front();
  if (chosen.status == TrialStatus::failed) return presets;
  STROP_TRY(chosen, with_quality(std::move(chosen), exam, report, context));
  if (chosen.status == TrialStatus::failed) return presets;
  STROP_TRY(const std::string doubt, unexplained(chosen, exam, context));
  if (doubt.empty()) return presets;
  std::stable_sort(presets.begin() + 1, presets.end(), [](const Trial& one, const Trial& other) {
    return screened_seconds(one) < screened_seconds(other);
  });
  for (auto other = presets.begin() + 1; other != presets.end(); ++other) {
    if (other->status != TrialStatus::dominated) continue;
    Trial tried = *other;
    tried.status = chosen.status;
    tried.reason.clear();
    tried.measurement.reset();
    STROP_TRY(tried, with_quality(std::move(tried), exam, report, context));
    if (tried.status == TrialStatus::failed) continue;
    STROP_TRY(const std::string doubt_too, unexplained(tried, exam, context));
    if (!doubt_too.empty()) continue;
    chosen.status = TrialStatus::dominated;
    chosen.reason = str(doubt, "; ", tried.run_preset, " keeps to that");
    *other = std::move(chosen);
    chosen = std::move(tried);
    break;
  }
  return presets;
}

// The baseline, against which all are timed.
struct Baseline {
  Trial trial;
  double request_seconds = 0;  // what one takes, before it is measured in earnest
  std::vector<Metric> quality;
  Trial itself;  // with its speed against itself, once it is timed
};

// The original opened as the engine itself would: whatever was tried, the baseline was as fast.
bool is_baseline(const Trial& trial, const Baseline& baseline) {
  return trial.artifact->id == baseline.trial.artifact->id &&
         trial.measurement->run_options == baseline.trial.measurement->run_options;
}

struct Group {
  std::vector<Trial> trials;  // chosen presets, scored, not yet timed
  std::vector<Trial>
      others;               // dominated presets, failures, and those whose times mean nothing here
  std::vector<Trial> same;  // as the baseline
};

Result<Group> prepare(std::span<const Trial> planned, const Baseline& baseline, const Exam& exam,
                      const Report& report, Context& context) {
  Group group;
  for (Trial trial : planned) {
    if (!untimed_reason(trial, report).empty()) {
      trial.run_preset = "default";
      STROP_TRY(trial, with_quality(trial, exam, report, context));
      if (trial.status != TrialStatus::failed) trial.status = TrialStatus::ok;
      group.others.push_back(std::move(trial));
      continue;
    }
    STROP_TRY(std::vector<Trial> presets, screen(trial, exam, report, context));
    STROP_TRY(presets, score(std::move(presets), exam, report, context));
    group.others.insert(group.others.end(), std::make_move_iterator(presets.begin() + 1),
                        std::make_move_iterator(presets.end()));
    Trial chosen = std::move(presets.front());
    (chosen.status == TrialStatus::failed ? group.others
     : is_baseline(chosen, baseline)      ? group.same
                                          : group.trials)
        .push_back(std::move(chosen));
  }
  return group;
}

// The baseline's own figures come from the first group that has them.
Result<std::vector<Trial>> time_trials(Group group, std::size_t number, double max_seconds,
                                       Baseline& baseline, const Exam& exam, const Report& report,
                                       Context& context) {
  const bool wants_baseline = !is_timed(baseline.trial);
  if (group.trials.empty() && !wants_baseline) return std::move(group.others);
  Json inputs{
      {"group", number}, {"baseline", baseline.trial.artifact->id}, {"trials", Json::array()}};
  for (const Trial& trial : group.trials) inputs["trials"].push_back(trial.id);
  std::vector<std::vector<Metric>> quality;
  for (const Trial& trial : group.trials) quality.push_back(trial.measurement->metrics);
  STROP_TRY(
      std::vector<Trial> timed,
      context.step<std::vector<Trial>>(Stage::measure, str("speed of group ", number), inputs, [&] {
        return time_group(str(number), baseline.trial, group.trials, exam, max_seconds, report,
                          context);
      }));
  if (wants_baseline) {
    if (is_timed(timed.front())) {
      baseline.trial = std::move(timed[0]);
      baseline.itself = std::move(timed[1]);
      for (Trial* trial : {&baseline.trial, &baseline.itself}) merge(*trial, baseline.quality);
    }
    timed.erase(timed.begin(), timed.begin() + 2);
  }
  for (std::size_t i = 0; i < timed.size(); ++i) {
    if (timed[i].status == TrialStatus::ok) merge(timed[i], quality[i]);
  }
  timed.insert(timed.end(), group.others.begin(), group.others.end());
  return timed;
}

bool is_still_noisy(const Trial& trial) {
  if (trial.status != TrialStatus::ok || !trial.measurement) return false;
  const Metric* speed = find(*trial.measurement, "speedup");
  return speed && speed->noisy;
}

// Rounds of these trials that the rest of the budget pays for; 0: too few to be worth it. Decided
// once per run, so that a resumed run decides alike.
Result<std::uint32_t> rounds_of_another_look(const std::vector<Trial>& trials, double round_seconds,
                                             Context& context) {
  Json inputs{{"trials", Json::array()}};
  std::uint32_t before = 0;
  for (const Trial& trial : trials) {
    inputs["trials"].push_back(trial.id);
    before = std::max(before, find(*trial.measurement, "speedup")->samples);
  }
  return context.step<std::uint32_t>(
      Stage::measure, "rounds of another look", inputs, [&]() -> Result<std::uint32_t> {
        const double rounds = seconds_for_trials(context) / std::max(round_seconds, 1e-3);
        return rounds >= kWorthAgain * before ? static_cast<std::uint32_t>(std::min(rounds, 1e6))
                                              : 0;
      });
}

// Candidates that the budget reached.
struct Reached {
  std::size_t count = 0;                               // the first so many
  std::size_t groups = 0;                              // that they were timed in
  std::vector<Trial> timed;                            // or dominated or failed
  std::vector<Trial> same;                             // run as the baseline does
  std::map<std::string, std::vector<Metric>> quality;  // by trial id, of those beside the baseline
};

Result<Reached> time_candidates(std::span<const Trial> candidates, Baseline& baseline,
                                const Exam& exam, const Report& report, Context& context) {
  Reached reached;
  // Until one was measured, what the baseline took tells: scoring, and rounds with it beside.
  double seconds_per_trial =
      baseline.trial.wall_seconds + kRounds * round_seconds(1, baseline.request_seconds);
  while (reached.count < candidates.size()) {
    const std::size_t number = reached.groups + 1;
    STROP_TRY(const std::uint32_t size, next_group_size(number, candidates.size() - reached.count,
                                                        seconds_per_trial, context));
    if (size == 0) break;
    const auto planned = candidates.subspan(reached.count, size);
    reached.count += size;
    reached.groups = number;
    const double began = context.seconds_spent();
    STROP_TRY(Group group, prepare(planned, baseline, exam, report, context));
    reached.same.insert(reached.same.end(), group.same.begin(), group.same.end());
    for (const Trial& trial : group.trials) reached.quality[trial.id] = trial.measurement->metrics;
    const double seconds = kRounds * round_seconds(group.trials.size(), baseline.request_seconds);
    STROP_TRY(const std::vector<Trial> timed,
              time_trials(std::move(group), number, seconds, baseline, exam, report, context));
    reached.timed.insert(reached.timed.end(), timed.begin(), timed.end());
    seconds_per_trial = std::max(seconds_per_trial, (context.seconds_spent() - began) / size);
  }
  return reached;
}

// Speeds that are still noisy are timed anew, in as many rounds as the rest of the budget gives;
// what the first rounds said of these trials goes, unless the second ones fail. number: of the
// group that they make.
Result<void> look_again(Reached& reached, std::size_t number, Baseline& baseline, const Exam& exam,
                        const Report& report, Context& context) {
  Group group;
  std::vector<Trial*> places;
  for (Trial& trial : reached.timed) {
    if (group.trials.size() == kGroup || !is_still_noisy(trial)) continue;
    places.push_back(&trial);
    group.trials.push_back(trial);
  }
  if (places.empty()) return {};
  const double one_round = round_seconds(group.trials.size(), baseline.request_seconds);
  STROP_TRY(const std::uint32_t rounds, rounds_of_another_look(group.trials, one_round, context));
  if (rounds == 0) return {};
  for (Trial& trial : group.trials) trial.measurement->metrics = reached.quality.at(trial.id);
  STROP_TRY(std::vector<Trial> timed, time_trials(std::move(group), number, rounds * one_round,
                                                  baseline, exam, report, context));
  for (std::size_t i = 0; i < places.size(); ++i)
    if (timed[i].status == TrialStatus::ok) *places[i] = std::move(timed[i]);
  return {};
}

Error no_reference(const Report& report, Role role) {
  for (const Trial& trial : report.trials) {
    if (trial.role == role && trial.error)
      return Error{.code = ErrorCode::backend,
                   .message = str("[measure] there is no ", name_of(role),
                                  " to compare with: ", trial.error->message),
                   .hint = trial.error->hint};
  }
  return Error{
      .code = ErrorCode::not_found,
      .message = str("[measure] the plan has no ", name_of(role), ", so nothing can be compared")};
}

// For a target that is not this machine: sizes and quality. Its timings would be made up, so that
// their gates are not measured.
Result<void> score_only(Report& report, const Exam& exam, Context& context) {
  report.warnings.push_back(
      "the target is not this machine: nothing that depends on time was measured");
  for (Trial& trial : report.trials) {
    if (!trial.artifact || trial.role == Role::quality_reference) continue;
    trial.run_preset = "default";
    STROP_TRY(trial, with_quality(trial, exam, report, context));
    if (trial.status != TrialStatus::failed) trial.status = TrialStatus::ok;
  }
  STROP_TRY(report.matrix, cross_validate(exam, report, context));
  return {};
}

}  // namespace

Result<void> measure_stage(Report& report, Context& context) {
  Trial* const baseline = find_trial(report.trials, Role::baseline);
  Trial* const reference = find_trial(report.trials, Role::quality_reference);
  if (!baseline || !baseline->artifact) return no_reference(report, Role::baseline);
  if (!reference || !reference->artifact) return no_reference(report, Role::quality_reference);
  STROP_TRY(const auto exam, make_exam(*baseline, *reference, report, context));
  report.request = exam->request_text();
  for (const std::string& note : exam->notes()) report.warnings.push_back("data: " + note);
  reference->status = TrialStatus::ok;
  reference->run_preset = baseline->run_preset = "default";

  STROP_TRY(*baseline, with_quality(*baseline, *exam, report, context));
  if (baseline->status == TrialStatus::failed) return no_reference(report, Role::baseline);
  if (!report.target->local) return score_only(report, *exam, context);
  Baseline base{.trial = *baseline, .quality = baseline->measurement->metrics, .itself = *baseline};
  base.trial.status = TrialStatus::ok;
  STROP_TRY(base.request_seconds,
            context.step<double>(Stage::measure, "time of a request",
                                 {{"baseline", baseline->artifact->id}},
                                 [&] { return time_one(base.trial, *exam, report, context); }));

  std::vector<Trial> candidates, finished;
  for (const Trial& trial : report.trials) {
    if (&trial == baseline) continue;
    const bool waits = trial.role == Role::candidate && trial.artifact;
    (waits ? candidates : finished).push_back(trial);
  }
  STROP_TRY(Reached reached, time_candidates(candidates, base, *exam, report, context));
  std::size_t number = reached.groups + 1;
  if (!is_timed(base.trial)) {
    // No candidate was there to be timed, or it failed beside each of them: then by itself.
    STROP_CHECK(time_trials({}, number++, kRounds * round_seconds(0, base.request_seconds), base,
                            *exam, report, context));
  }
  STROP_CHECK(look_again(reached, number, base, *exam, report, context));
  for (Trial& trial : reached.same) {
    trial.status = TrialStatus::ok;
    trial.measurement = base.itself.measurement;
  }
  const std::span untried = std::span(candidates).subspan(reached.count);
  for (Trial& trial : untried) mark_not_tried(trial, report);
  for (const std::span<Trial> part : {std::span(reached.timed), std::span(reached.same), untried})
    std::move(part.begin(), part.end(), std::back_inserter(finished));
  finished.insert(finished.begin(), std::move(base.trial));
  report.trials = std::move(finished);
  warn_of_untimed(report);
  warn_of_climate(report);
  STROP_TRY(report.matrix, cross_validate(*exam, report, context));
  STROP_CHECK(hold_against_machine(report, context));
  return validate(report, *exam, context);
}

}  // namespace strop::pipeline
