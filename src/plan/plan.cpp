#include "plan/plan.h"

#include <algorithm>
#include <set>

#include "core/json.h"
#include "core/units.h"
#include "plan/candidates.h"
#include "plan/ranking.h"

namespace strop {
namespace {

using plan::Candidate;

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

const Helper* helper_named(const std::string& backend, const Rules& rules) {
  const auto found = std::find_if(rules.helpers.begin(), rules.helpers.end(),
                                  [&](const Helper& helper) { return helper.backend == backend; });
  return found == rules.helpers.end() ? nullptr : &*found;
}

const BackendFit* fit_named(const std::string& backend, const std::vector<BackendFit>& fits) {
  const auto found = std::find_if(fits.begin(), fits.end(),
                                  [&](const BackendFit& fit) { return fit.backend == backend; });
  return found == fits.end() ? nullptr : &*found;
}

bool can_run(const BackendFit& fit) { return fit.fit.supported && !fit.space.recipes.empty(); }

std::vector<std::string> known_names(const Assessment& assessment, const Rules& rules) {
  std::vector<std::string> names;
  for (const Framework& framework : rules.frameworks) names.push_back(framework.backend);
  for (const BackendFit& fit : assessment.fits) {
    if (can_run(fit) && !contains(names, fit.backend)) names.push_back(fit.backend);
  }
  return names;
}

Result<void> check_goal(const Goal& goal, const Assessment& assessment, const Rules& rules) {
  if (goal.budget.trials && *goal.budget.trials == 0)
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[plan] number of trials must be at least 1, but got 0.",
                 .field = "trials",
                 .value = "0"};
  const std::vector<std::string> known = known_names(assessment, rules);
  for (const std::string& name : goal.frameworks) {
    if (contains(known, name)) continue;
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[plan] --framework must be one of ", joined(known, ", "),
                                ", but got \"", name, "\"."),
                 .hint = "`strop backends` lists what is installed.",
                 .field = "framework",
                 .value = name};
  }
  return {};
}

std::string why_not(const BackendFit& fit) {
  if (!fit.fit.supported)
    return fit.fit.reasons.empty() ? "it does not support this model here"
                                   : joined(fit.fit.reasons, "; ");
  return fit.space.skipped.empty() ? "it offers no recipe for this model"
                                   : joined(fit.space.skipped, "; ");
}

// The frameworks to choose among; why each other one is not is put into not_tried.
std::vector<BackendFit> usable_fits(const Goal& goal, const Assessment& assessment,
                                    const Rules& rules, std::vector<NotTried>& not_tried) {
  std::vector<BackendFit> usable;
  for (const BackendFit& fit : assessment.fits) {
    const bool named = contains(goal.frameworks, fit.backend);
    if (!named && helper_named(fit.backend, rules)) continue;
    if (!goal.frameworks.empty() && !named) {
      not_tried.push_back({fit.backend, "", "--framework does not name it"});
    } else if (!can_run(fit)) {
      not_tried.push_back({fit.backend, "", why_not(fit)});
    } else {
      usable.push_back(fit);
    }
  }
  return usable;
}

Error nothing_can_run(const std::vector<NotTried>& not_tried) {
  std::vector<std::string> reasons;
  for (const NotTried& item : not_tried) reasons.push_back(item.backend + ": " + item.reason);
  return {.code = ErrorCode::unsupported,
          .message = str("[plan] no framework can run this model here",
                         reasons.empty() ? "" : " (" + joined(reasons, "; ") + ")", "."),
          .hint = "`strop backends` lists what is installed; `strop assess` says what each needs."};
}

std::vector<BackendFit> in_order_of(const std::vector<Choice>& choices,
                                    const std::vector<BackendFit>& fits) {
  std::vector<BackendFit> sorted;
  for (const Choice& choice : choices) sorted.push_back(*fit_named(choice.backend, fits));
  return sorted;
}

const Recipe* recipe_named(const std::string& name, const BackendFit& fit) {
  const auto& recipes = fit.space.recipes;
  const auto found = std::find_if(recipes.begin(), recipes.end(),
                                  [&](const Recipe& recipe) { return recipe.name == name; });
  return found == recipes.end() ? nullptr : &*found;
}

// The lossless recipe that `less` puts first; nullptr when there is none.
template <class Less>
const Recipe* extreme_lossless(const BackendFit& fit, Less less) {
  const Recipe* best = nullptr;
  for (const Recipe& recipe : fit.space.recipes) {
    if (recipe.lossless && (!best || less(recipe.bits_per_weight, best->bits_per_weight)))
      best = &recipe;
  }
  return best;
}

const Recipe* narrowest_lossless(const BackendFit& fit) {
  return extreme_lossless(fit, std::less<>());
}

struct Reference {
  BackendFit fit;
  Recipe baseline;
  Recipe quality;
};

Reference reference_on(const BackendFit& fit, const Model& model, const std::string& quality_name) {
  const Recipe* original = recipe_named(model.precision, fit);
  const Recipe* quality = recipe_named(quality_name, fit);
  return {fit, original && original->lossless ? *original : *narrowest_lossless(fit),
          quality && quality->lossless ? *quality : *extreme_lossless(fit, std::greater<>())};
}

// The engine that everything is compared with. The user's --framework does not restrict it: the
// comparison is with what one would run today.
Result<Reference> find_reference(const Model& model, const Facts& facts,
                                 const Assessment& assessment,
                                 const std::vector<BackendFit>& ranked, const Rules& rules,
                                 std::vector<std::string>& fallbacks) {
  std::string quality_name;
  for (const ReferenceEngine& row : rules.references) {
    if (!holds(row.preference.when, facts)) continue;
    quality_name = row.quality_recipe;
    for (const std::string& backend : row.preference.backends) {
      const BackendFit* fit = fit_named(backend, assessment.fits);
      if (fit && can_run(*fit) && narrowest_lossless(*fit))
        return reference_on(*fit, model, quality_name);
      fallbacks.push_back(str(
          plan::title_of(backend, rules), " is the reference engine by ", row.preference.id,
          " but cannot run here; the first framework with an unquantised recipe takes its place"));
    }
    break;
  }
  for (const BackendFit& fit : ranked) {
    if (narrowest_lossless(fit)) return reference_on(fit, model, quality_name);
  }
  return Error{
      .code = ErrorCode::unsupported,
      .message = "[plan] no framework offers an unquantised recipe of this model to compare with.",
      .hint = "Install the reference engine; `strop backends` lists what is there."};
}

// Preferred frameworks that cannot run, and who takes their place.
std::vector<std::string> absent_preferences(const Goal& goal, const Facts& facts,
                                            const Assessment& assessment, const std::string& first,
                                            const Rules& rules) {
  std::vector<std::string> texts;
  std::set<std::string> seen;
  for (const Preference& preference : plan::preferences_for(goal, facts, rules)) {
    const std::string& backend = preference.backends.front();
    const BackendFit* fit = fit_named(backend, assessment.fits);
    if ((fit && can_run(*fit)) || !seen.insert(backend).second) continue;
    texts.push_back(str(plan::title_of(backend, rules), " is preferred by ", preference.id, " but ",
                        fit ? why_not(*fit) : "is not installed", "; ",
                        plan::title_of(first, rules), " takes its place"));
  }
  return texts;
}

RunPreset default_preset(const BackendFit& fit) {
  for (const RunPreset& preset : fit.space.run_presets) {
    if (preset.name == "default") return preset;
  }
  return {"default", {}, "the engine's own defaults"};
}

std::vector<RunPreset> all_presets(const BackendFit& fit) {
  return fit.space.run_presets.empty() ? std::vector{default_preset(fit)} : fit.space.run_presets;
}

// Everything but the names and notes that people read.
std::string id_of_recipe(const Recipe& recipe) {
  Json json = encode(recipe);
  for (const char* name : {"id", "name", "note"}) json.erase(name);
  return id_of(json);
}

bool on_source_grid(const Recipe& recipe, const Model& model) {
  return !recipe.source_grid.empty() && recipe.source_grid == model.source_grid;
}

Recipe ready(Recipe recipe, const BackendFit& fit, const Model& model) {
  recipe.backend = fit.backend;
  if (on_source_grid(recipe, model))
    recipe.note += str(recipe.note.empty() ? "" : "; ", "source grid");
  recipe.id = id_of_recipe(recipe);
  return recipe;
}

Error impossible_limit(const std::vector<Candidate>& candidates, const Goal& goal,
                       const Model& model, const Target& target, const Rules& rules) {
  const auto smallest = std::min_element(
      candidates.begin(), candidates.end(), [](const Candidate& one, const Candidate& other) {
        return one.recipe.bits_per_weight < other.recipe.bits_per_weight;
      });
  const std::uint64_t least = *plan::least_bytes(smallest->recipe, model, rules);
  const auto error = [&](const char* limit, std::uint64_t bytes, const char* field,
                         const std::string& hint) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[plan] ", limit, " ", bytes_text(bytes), " is below the ",
                                bytes_text(least), " of the smallest recipe (", smallest->backend,
                                " ", smallest->recipe.name, ")."),
                 .hint = hint,
                 .field = field,
                 .value = std::to_string(bytes)};
  };
  const Limits& limits = goal.limits;
  if (limits.size_bytes && least > *limits.size_bytes)
    return error("size limit", *limits.size_bytes, "max-size",
                 "Raise --max-size or take a smaller model.");
  if (limits.memory_bytes && least > *limits.memory_bytes)
    return error("memory limit", *limits.memory_bytes, "max-memory",
                 "Raise --max-memory or take a smaller model.");
  return error("memory of the target", target.memory_bytes, "target",
               "Take a larger target or a smaller model.");
}

// A decoder has no positions for tokens beyond its context.
Result<void> check_workload(const Workload& workload, const Model& model) {
  const std::uint64_t wanted = std::uint64_t{workload.prompt_tokens} + workload.new_tokens;
  if (model.kind != ModelKind::llm || !model.context_length || wanted <= *model.context_length)
    return {};
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str("[plan] a request of ", workload.prompt_tokens, " + ", workload.new_tokens,
                     " tokens does not fit the model's context of ", *model.context_length, "."),
      .hint = "Give fewer tokens with --prompt-tokens and --new-tokens.",
      .field = "prompt-tokens",
      .value = std::to_string(workload.prompt_tokens)};
}

// What the step lacks here; empty: nothing.
std::string lack_of(const Step& step, const std::map<std::string, std::string>& missing_workers,
                    const std::string& no_calibration) {
  const auto missing = missing_workers.find(step.worker);
  if (missing != missing_workers.end()) return missing->second;
  return step.params.contains("calibration") ? no_calibration : std::string();
}

// Recipes that cannot be made here are no candidates; each says what would enable it.
Assessment without_missing(Assessment assessment,
                           const std::map<std::string, std::string>& missing_workers,
                           const std::string& no_calibration, std::vector<NotTried>& not_tried) {
  for (BackendFit& fit : assessment.fits) {
    std::erase_if(fit.space.recipes, [&](const Recipe& recipe) {
      for (const Step& step : recipe.steps) {
        const std::string lack = lack_of(step, missing_workers, no_calibration);
        if (lack.empty()) continue;
        not_tried.push_back({fit.backend, recipe.name, lack});
        return true;
      }
      return false;
    });
  }
  return assessment;
}

struct Selection {
  std::vector<Candidate> candidates;
  std::vector<NotTried> not_tried;
};

// Recipes that can meet the limits, each once.
Selection within_limits(const std::vector<Candidate>& all, const Goal& goal, const Model& model,
                        const Target& target, const Rules& rules) {
  Selection selection;
  std::set<std::string> seen;
  for (const Candidate& candidate : all) {
    if (!seen.insert(candidate.recipe.id).second) {
      selection.not_tried.push_back(
          {candidate.backend, candidate.recipe.name, "the same steps as another recipe"});
    } else if (auto broken = plan::broken_limit(candidate.recipe, goal, model, target, rules)) {
      selection.not_tried.push_back({candidate.backend, candidate.recipe.name, *std::move(broken)});
    } else {
      selection.candidates.push_back(candidate);
    }
  }
  return selection;
}

std::string why_beyond(std::size_t count, const Goal& goal) {
  if (goal.budget.trials && *goal.budget.trials == count)
    return str("the limit of ", count, " trials is reached by more useful recipes");
  return str("the budget of ", number_text(goal.budget.wall_seconds), " s is predicted to pay for ",
             count, " candidates, and others are more useful");
}

void share_budget(Plan& made) {
  double total = 0;
  for (const PlannedTrial& trial : made.trials) total += trial.role == Role::candidate ? 1 : 0;
  for (Choice& choice : made.choices) {
    const auto own =
        std::count_if(made.trials.begin(), made.trials.end(), [&](const PlannedTrial& trial) {
          return trial.role == Role::candidate && trial.recipe.backend == choice.backend;
        });
    choice.budget_share = total > 0 ? static_cast<double>(own) / total : 0;
  }
}

// A recipe of every framework, then the unquantised original once more with every run option, so
// that tuning is told apart from quantisation, then the other recipes by use.
std::vector<Candidate> all_candidates(const Reference& reference,
                                      const std::vector<BackendFit>& ranked, const Model& model,
                                      const Facts& facts, const Rules& rules) {
  std::vector<Candidate> all =
      plan::one_of_each_first(plan::in_order_of_use(ranked, reference.fit.backend, facts, rules));
  if (fit_named(reference.fit.backend, ranked))
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), ranked.size())),
               {reference.fit.backend, reference.baseline});
  for (Candidate& candidate : all)
    candidate.recipe =
        ready(std::move(candidate.recipe), *fit_named(candidate.backend, ranked), model);
  return all;
}

}  // namespace

Result<Plan> make_plan(const Goal& goal, const Model& model, const Target& target,
                       const Assessment& asked, const Rules& rules,
                       const std::map<std::string, std::string>& missing_workers,
                       const std::string& no_calibration) {
  Plan made;
  const Assessment assessment =
      without_missing(asked, missing_workers, no_calibration, made.not_tried);
  STROP_CHECK(check_goal(goal, assessment, rules));
  STROP_CHECK(check_workload(goal.workload, model));
  const std::vector<BackendFit> usable = usable_fits(goal, assessment, rules, made.not_tried);
  if (usable.empty()) return nothing_can_run(made.not_tried);

  const Facts facts = plan::facts_of(goal, model, target, assessment);
  made.choices = plan::rank(usable, goal, facts, rules);
  const std::vector<BackendFit> ranked = in_order_of(made.choices, usable);
  made.fallbacks = absent_preferences(goal, facts, assessment, ranked.front().backend, rules);
  STROP_TRY(const Reference reference,
            find_reference(model, facts, assessment, ranked, rules, made.fallbacks));

  const std::vector<Candidate> all = all_candidates(reference, ranked, model, facts, rules);
  Selection selection = within_limits(all, goal, model, target, rules);
  if (selection.candidates.empty()) return impossible_limit(all, goal, model, target, rules);

  const std::size_t affordable = plan::affordable(goal, model, target, ranked.size(), rules);
  const std::size_t count = std::min(affordable, selection.candidates.size());
  // Limits may have left out what came first.
  selection.candidates = plan::one_of_each_first(std::move(selection.candidates));

  const std::vector only_default{default_preset(reference.fit)};
  made.trials.push_back(
      {ready(reference.baseline, reference.fit, model), Role::baseline, only_default});
  made.trials.push_back(
      {ready(reference.quality, reference.fit, model), Role::quality_reference, only_default});
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    const Candidate& candidate = selection.candidates[i];
    if (i < count) {
      made.trials.push_back(
          {candidate.recipe, Role::candidate, all_presets(*fit_named(candidate.backend, ranked))});
    } else {
      made.not_tried.push_back({candidate.backend, candidate.recipe.name, why_beyond(count, goal)});
    }
  }
  made.not_tried.insert(made.not_tried.end(), selection.not_tried.begin(),
                        selection.not_tried.end());
  share_budget(made);
  made.id = id_of(encode(made));
  return made;
}

}  // namespace strop
