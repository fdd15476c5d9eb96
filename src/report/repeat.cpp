#include "report/repeat.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "report/figures.h"
#include "report/terminal_writer.h"

namespace strop {
namespace {

std::string name_of_trial(const PinnedTrial& trial) {
  const std::string role = trial.role == Role::baseline            ? " (baseline)"
                           : trial.role == Role::quality_reference ? " (reference)"
                                                                   : "";
  const bool plain = trial.run_preset.name.empty() || trial.run_preset.name == "default";
  return trial.recipe.backend + " " + trial.recipe.name +
         (plain ? "" : " " + trial.run_preset.name) + role;
}

std::string name_of_number(const Metric& metric) {
  std::string name = metric.metric;
  const MetricContext& context = metric.context;
  if (context.position_begin && context.position_end)
    name += str(" at ", *context.position_begin, "-", *context.position_end);
  if (context.depth) name += str(" at depth ", *context.depth);
  if (context.concurrency) name += str(" of ", *context.concurrency, " at once");
  if (context.batch) name += str(" at batch ", *context.batch);
  return name;
}

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What a figure is made of says what another value of it means.
enum class Origin {
  clock,   // times, rates, energy: they follow the machine's minutes
  memory,  // of processes
  answers  // sizes, quality, counts, and the paired speed, which is what a run claims
};

Origin origin_of(const Metric& metric) {
  constexpr std::array<std::string_view, 6> kUnits{"s",         "ms",         "tokens/s",
                                                   "samples/s", "requests/s", "J"};
  constexpr std::array<std::string_view, 5> kOfTimes{"inter_token_variation", "inference_variation",
                                                     "stress_slowdown", "soak_latency_growth",
                                                     "ab_test"};
  constexpr std::array<std::string_view, 2> kGrowth{"stress_growth", "soak_memory_growth"};
  if (is_one_of(kUnits, metric.unit) || is_one_of(kOfTimes, metric.metric)) return Origin::clock;
  const bool of_memory = metric.unit == "bytes" || is_one_of(kGrowth, metric.metric);
  return of_memory ? Origin::memory : Origin::answers;
}

bool meet(const Interval& a, const Interval& b) { return a.low <= b.high && b.low <= a.high; }

// Memory of a process differs by some pages from start to start, its smallest parts too.
constexpr double kPages = 0.02;
constexpr double kFewBytes = 1 << 20;

bool within_pages(const Metric& before, const Metric& now) {
  // Growth is a share of the memory as it is.
  const double most = before.unit == "bytes" ? std::max(kPages * before.value, kFewBytes) : kPages;
  return std::abs(now.value - before.value) <= most;
}

Sameness sameness(const Metric& before, const Metric& now) {
  const bool both_infinite = !std::isfinite(before.value) && !std::isfinite(now.value);
  if (before.value == now.value || both_infinite) return Sameness::same;
  if (before.interval && now.interval && meet(*before.interval, *now.interval))
    return Sameness::same;
  if (before.noisy || now.noisy) return Sameness::noisy;
  const Origin origin = origin_of(before);
  if (origin == Origin::memory && within_pages(before, now)) return Sameness::same;
  return origin == Origin::clock ? Sameness::moved : Sameness::changed;
}

// The clock decides how many inferences make a request.
MetricContext without_inferences(MetricContext context) {
  context.inferences.reset();
  return context;
}

bool is_same_number(const Metric& a, const Metric& b) {
  return a.metric == b.metric && without_inferences(a.context) == without_inferences(b.context);
}

class Differences {
 public:
  explicit Differences(Repeat& repeat) : repeat_(repeat) {}

  void input(std::string what, const std::string& before, const std::string& now) {
    if (before != now) repeat_.inputs.push_back({std::move(what), before, now});
  }

  void number(NumberChange change) {
    ++repeat_.compared;
    if (change.sameness != Sameness::same) repeat_.numbers.push_back(std::move(change));
  }

 private:
  Repeat& repeat_;
};

template <class T, class Key>
const T* find(const std::vector<T>& list, const Key& is_it) {
  const auto found = std::find_if(list.begin(), list.end(), is_it);
  return found == list.end() ? nullptr : &*found;
}

std::string machine_text(const std::optional<Target>& machine) {
  if (!machine) return "";
  std::string text = machine->os + " " + machine->arch;
  for (const Device& device : machine->devices) {
    text += ", " + device.name;
    if (device.cores) text += str(" (", *device.cores, *device.cores == 1 ? " core)" : " cores)");
  }
  return text;
}

void compare_inputs(const LockFile& before, const LockFile& now, Differences& differences) {
  differences.input("strop", before.tool_version, now.tool_version);
  differences.input("machine", machine_text(before.machine), machine_text(now.machine));
  for (const PinnedData& data : before.data) {
    const PinnedData* other =
        find(now.data, [&](const PinnedData& d) { return d.what == data.what; });
    differences.input(data.what, data.sha256, other ? other->sha256 : "");
  }
  for (const PinnedWorker& worker : before.workers) {
    const PinnedWorker* other =
        find(now.workers, [&](const PinnedWorker& w) { return w.name == worker.name; });
    const std::string what = "worker " + worker.name;
    if (!other || other->version != worker.version)
      differences.input(what, worker.version, other ? other->version : "");
    else
      differences.input(what, worker.sha256, other->sha256);
  }
}

void compare_files(const PinnedTrial& before, const PinnedTrial& now, Differences& differences) {
  for (const ArtifactFile& file : before.files) {
    const ArtifactFile* other =
        find(now.files, [&](const ArtifactFile& f) { return f.path == file.path; });
    differences.number({.trial = name_of_trial(before),
                        .number = "file " + file.path,
                        .before_text = file.sha256,
                        .now_text = other ? other->sha256 : "",
                        .sameness = !other                         ? Sameness::missing
                                    : other->sha256 == file.sha256 ? Sameness::same
                                                                   : Sameness::changed});
  }
}

void compare_numbers(const PinnedTrial& before, const PinnedTrial& now, Differences& differences) {
  const auto same_number = [](const Metric& a) {
    return [&a](const Metric& b) { return is_same_number(a, b); };
  };
  for (const Metric& metric : before.numbers) {
    const Metric* other = find(now.numbers, same_number(metric));
    NumberChange change{
        .trial = name_of_trial(before), .number = name_of_number(metric), .before = metric};
    change.sameness = other ? sameness(metric, *other) : Sameness::missing;
    if (other) change.now = *other;
    differences.number(std::move(change));
  }
  for (const Metric& metric : now.numbers) {
    if (!find(before.numbers, same_number(metric)))
      differences.number({.trial = name_of_trial(now),
                          .number = name_of_number(metric),
                          .now = metric,
                          .sameness = Sameness::added});
  }
}

bool breaks_the_repeat(const NumberChange& change) {
  // How many requests there are, and so which percentiles, the clock decides.
  if (change.sameness == Sameness::missing)
    return !change.before || origin_of(*change.before) != Origin::clock;
  return change.sameness == Sameness::changed;
}

std::string word_of(Sameness sameness) {
  switch (sameness) {
    case Sameness::same:
      return "same";
    case Sameness::changed:
      return "changed";
    case Sameness::moved:
      return "moved";
    case Sameness::noisy:
      return "too noisy";
    case Sameness::missing:
      return "not measured now";
    case Sameness::added:
      return "new";
  }
  return {};
}

std::string value_of(const std::optional<Metric>& metric, const std::string& text) {
  if (metric) return full_text(quantity(*metric));
  return text.empty() ? "\u2014" : text.substr(0, 16);
}

TerminalPaint paint_of(const NumberChange& change) {
  return breaks_the_repeat(change)            ? TerminalPaint::bad
         : change.sameness == Sameness::noisy ? TerminalPaint::warn
                                              : TerminalPaint::dim;
}

std::string short_text(const std::string& value) {
  if (value.empty()) return "none";
  const bool digest =
      value.size() == 64 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
  return digest ? value.substr(0, 16) : value;
}

std::string summary_text(const Repeat& repeat) {
  const auto count = [&](Sameness sameness) {
    return std::count_if(repeat.numbers.begin(), repeat.numbers.end(),
                         [&](const NumberChange& c) { return c.sameness == sameness; });
  };
  std::string text = str(
      repeat.compared, " numbers compared: ", repeat.compared - repeat.numbers.size(), " the same");
  for (const Sameness sameness :
       {Sameness::changed, Sameness::missing, Sameness::noisy, Sameness::moved, Sameness::added})
    if (const auto n = count(sameness); n > 0) text += str(", ", n, " ", word_of(sameness));
  return text;
}

}  // namespace

Repeat repeat_of(const LockFile& before, const LockFile& now) {
  Repeat repeat{.run_id = before.run_id, .date = before.date};
  Differences differences(repeat);
  compare_inputs(before, now, differences);
  for (const PinnedTrial& trial : before.trials) {
    const PinnedTrial* other =
        find(now.trials, [&](const PinnedTrial& t) { return t.id == trial.id; });
    const PinnedTrial nothing{};
    compare_files(trial, other ? *other : nothing, differences);
    compare_numbers(trial, other ? *other : nothing, differences);
  }
  repeat.repeated = repeat.inputs.empty() &&
                    std::none_of(repeat.numbers.begin(), repeat.numbers.end(), breaks_the_repeat);
  return repeat;
}

std::string repeat_text(const Repeat& repeat, const TerminalStyle& style) {
  TerminalWriter writer(style);
  writer.line(str("Repeat of run ", repeat.run_id, " of ", repeat.date), TerminalPaint::bold);
  writer.field(
      "Verdict",
      repeat.repeated ? "repeated: every input is the same, no number changed" : "not repeated",
      TerminalPaint::bold, repeat.repeated ? TerminalPaint::good : TerminalPaint::bad);
  writer.field("Numbers", summary_text(repeat));
  std::string label = "Inputs";
  if (repeat.inputs.empty()) writer.field(label, "none differs");
  for (const InputChange& input : repeat.inputs) {
    writer.field(
        label, input.what + ": was " + short_text(input.before) + ", now " + short_text(input.now),
        TerminalPaint::bold, TerminalPaint::bad);
    label.clear();
  }
  if (repeat.numbers.empty()) return writer.take();
  writer.line();
  std::vector<std::vector<TerminalCell>> rows;
  // What decides comes first.
  for (const bool decides : {true, false})
    for (const NumberChange& change : repeat.numbers)
      if (breaks_the_repeat(change) == decides)
        rows.push_back({{change.trial},
                        {change.number},
                        {value_of(change.before, change.before_text)},
                        {value_of(change.now, change.now_text)},
                        {word_of(change.sameness), paint_of(change)}});
  writer.table({{"artifact", false, 12},
                {"number", false, 12},
                {"was", true, 10},
                {"is", true, 10},
                {"", false, 9}},
               rows);
  writer.paragraph(
      "moved: what a clock or a counter of energy told, beyond its interval; these follow the "
      "machine's minutes, and so does how many of them there are",
      TerminalPaint::dim);
  return writer.take();
}

}  // namespace strop
