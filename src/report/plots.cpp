#include "report/plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "report/axis.h"
#include "report/characters.h"
#include "report/milestones.h"

namespace strop {
namespace {

constexpr double kWidth = 640, kHeight = 380;
constexpr double kLeft = 76, kRight = 616, kTop = 18, kBottom = 330;
constexpr double kCharacter = 6.6;  // of a label, wide, in pixels
constexpr double kFloor = 1e-5;     // of a divergence: float noise below

std::string px(double value) { return fixed(value, 1); }
std::string number_text(std::size_t value) { return std::to_string(value); }

Html line(double x1, double y1, double x2, double y2, std::string style) {
  return element("line", {{"class", std::move(style)},
                          {"x1", px(x1)},
                          {"y1", px(y1)},
                          {"x2", px(x2)},
                          {"y2", px(y2)}});
}

Html label(double x, double y, std::string_view words, std::string anchor = "start",
           std::string style = "label") {
  return element(
      "text",
      {{"class", std::move(style)}, {"x", px(x)}, {"y", px(y)}, {"text-anchor", std::move(anchor)}},
      words);
}

Html drawing(double height, std::string name, const Html& content) {
  return element(
      "svg",
      {{"viewBox", "0 0 640 " + px(height)}, {"role", "img"}, {"aria-label", std::move(name)}},
      content);
}

Html x_axis(const Axis& axis, double top, double bottom, std::string_view title) {
  Html out;
  for (const Tick& tick : ticks(axis)) {
    out += line(axis.at(tick.value), top, axis.at(tick.value), bottom, "grid");
    out += label(axis.at(tick.value), bottom + 16, tick.label, "middle", "tick");
  }
  return out + line(axis.begin, bottom, axis.end, bottom, "axis") +
         label((axis.begin + axis.end) / 2, bottom + 38, title, "middle", "title");
}

Html y_axis(const Axis& axis, std::string_view title) {
  Html out;
  for (const Tick& tick : ticks(axis)) {
    out += line(kLeft, axis.at(tick.value), kRight, axis.at(tick.value), "grid");
    out += label(kLeft - 7, axis.at(tick.value) + 4, tick.label, "end", "tick");
  }
  return out + element("text",
                       {{"class", "title"},
                        {"transform", "translate(14 174) rotate(-90)"},
                        {"text-anchor", "middle"}},
                       title);
}

// A shape per framework, so that colour is never needed to tell them apart.
Html shape(double x, double y, std::size_t framework, const std::string& style) {
  constexpr double kRadius = 5.5;
  if (framework % 4 == 1)
    return element("circle", {{"class", style}, {"cx", px(x)}, {"cy", px(y)}, {"r", px(kRadius)}});
  if (framework % 4 == 2)
    return element("rect", {{"class", style},
                            {"x", px(x - kRadius)},
                            {"y", px(y - kRadius)},
                            {"width", px(2 * kRadius)},
                            {"height", px(2 * kRadius)}});
  const auto at = [&](double dx, double dy) {
    return px(x + dx * kRadius) + "," + px(y + dy * kRadius) + " ";
  };
  const std::string points = framework % 4 == 3
                                 ? at(0, -1.2) + at(1.2, 1) + at(-1.2, 1)
                                 : at(0, -1.4) + at(1.4, 0) + at(0, 1.4) + at(-1.4, 0);
  return element("polygon", {{"class", style}, {"points", points}});
}

std::string mark_style(const Row& row, std::size_t framework) {
  return "mark fw" + number_text((framework - 1) % 6 + 1) + (row.on_front ? " filled" : "");
}

struct Point {
  const Row* row = nullptr;
  std::size_t framework = 1;
  double x = 0, y = 0;  // pixels
  Html whiskers;
  std::string words;  // for the tooltip
};

struct Box {
  double left, top, right, bottom;
  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

Box around(const Point& point) { return {point.x - 8, point.y - 8, point.x + 8, point.y + 8}; }

// Right of the mark, else left, above, below: the first place that hides nothing.
Html placed_label(const Point& point, std::vector<Box>& taken) {
  const std::string words = clipped(printable(recipe_text(*point.row->trial)), 26, "\u2026");
  const double width = kCharacter * static_cast<double>(display_width(words));
  struct Place {
    double dx, dy;
    const char* anchor;
  };
  const double ring = point.row->recommended ? 5 : 0;
  const std::array<Place, 8> places{{{11 + ring, 4, "start"},
                                     {-11 - ring, 4, "end"},
                                     {0, -12 - ring, "middle"},
                                     {0, 20 + ring, "middle"},
                                     {10, -9, "start"},
                                     {-10, -9, "end"},
                                     {10, 18, "start"},
                                     {-10, 18, "end"}}};
  const auto box_at = [&](const Place& place) {
    const double shift = place.anchor[0] == 's' ? 0 : place.anchor[0] == 'e' ? -width : -width / 2;
    const double left = point.x + place.dx + shift;
    return Box{left, point.y + place.dy - 11, left + width, point.y + place.dy + 3};
  };
  const auto free = [&](const Place& place) {
    const Box box = box_at(place);
    return box.left > kLeft && box.right < kWidth - 4 && box.top > 2 && box.bottom < kBottom &&
           std::none_of(taken.begin(), taken.end(),
                        [&](const Box& other) { return box.overlaps(other); });
  };
  const auto* place = std::find_if(places.begin(), places.end(), free);
  if (place == places.end()) place = places.begin();
  taken.push_back(box_at(*place));
  return label(point.x + place->dx, point.y + place->dy, words, place->anchor,
               point.row->recommended ? "label strong" : "label");
}

Html draw(const Point& point, std::vector<Box>& taken) {
  Html group = element("title", point.words) + point.whiskers;
  if (point.row->recommended)
    group += element("circle",
                     {{"class", "ring"}, {"cx", px(point.x)}, {"cy", px(point.y)}, {"r", "10.5"}});
  group += shape(point.x, point.y, point.framework, mark_style(*point.row, point.framework));
  group += placed_label(point, taken);
  return element("g", {{"class", "datum"}, {"data-trial", point.row->trial->id}}, group);
}

Html draw(const std::vector<Point>& points) {
  std::vector<Box> taken;
  for (const Point& point : points) taken.push_back(around(point));
  Html out;
  for (const Point& point : points) out += draw(point, taken);
  return out;
}

// A broken artifact may have an infinite divergence: it is told in the table, and no axis can hold
// it.
bool can_be_drawn(const Metric* metric) {
  return metric && !metric->noisy && std::isfinite(metric->value);
}

double divergence(const Row& row, const Wording& wording) {
  const Metric* distance = overall(*row.trial, wording.distance);
  return can_be_drawn(distance) ? std::max(distance->value, kFloor) : 0;  // 0: none
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

bool bounded(const Interval& interval) {
  return std::isfinite(interval.low) && std::isfinite(interval.high);
}

Html whisker_x(const Axis& axis, double y, const Interval& interval) {
  if (!bounded(interval)) return {};
  return line(axis.at(interval.low), y, axis.at(interval.high), y, "whisker");
}

Html whisker_y(const Axis& axis, double x, const Interval& interval) {
  if (!bounded(interval)) return {};
  return line(x, axis.at(interval.low), x, axis.at(interval.high), "whisker");
}

struct Coordinate {
  double value;
  std::optional<Interval> interval;
  std::string words;
};

using Coordinates = std::optional<Coordinate> (*)(const Row&);

// Through the points that no other beats in both directions of this picture. Lower is better.
Html front_line(const std::vector<Point>& points, bool smaller_x_is_better) {
  std::vector<std::pair<double, double>> places;
  for (const Point& point : points) {
    const bool beaten = std::any_of(points.begin(), points.end(), [&](const Point& other) {
      const bool no_worse_x = smaller_x_is_better ? other.x <= point.x : other.x >= point.x;
      return no_worse_x && other.y >= point.y && (other.x != point.x || other.y > point.y);
    });
    if (!beaten) places.emplace_back(point.x, point.y);
  }
  if (places.size() < 2) return {};
  std::sort(places.begin(), places.end());
  std::string path;
  for (const auto& [x, y] : places) path += px(x) + "," + px(y) + " ";
  return element("polyline", {{"class", "front-line"}, {"points", path}});
}

// Something horizontally, divergence vertically.
Html divergence_plot(const Summary& summary, Coordinates horizontal, std::string_view title,
                     std::string name, bool smaller_x_is_better) {
  Range x_range, y_range;
  std::vector<const Row*> rows;
  for (const Row& row : summary.rows) {
    const auto x = horizontal(row);
    const double y = divergence(row, *summary.wording);
    if (!x || y == 0) continue;
    rows.push_back(&row);
    x_range.add(x->value);
    y_range.add(y);
  }
  if (rows.size() < 2) return {};
  const Axis x_scale =
      axis_around(std::min(0.0, x_range.low), x_range.high * 1.02, kLeft, kRight, false);
  const Axis y_scale = axis_around(y_range.low, y_range.high, kBottom, kTop, true);
  std::vector<Point> points;
  for (const Row* row : rows) {
    const Coordinate x = *horizontal(*row);
    const Metric& distance = *overall(*row->trial, summary.wording->distance);
    Point point{row,
                framework_number(summary, row->trial->recipe.backend),
                x_scale.at(x.value),
                y_scale.at(divergence(*row, *summary.wording)),
                {},
                {}};
    if (x.interval) point.whiskers += whisker_x(x_scale, point.y, *x.interval);
    if (distance.interval) point.whiskers += whisker_y(y_scale, point.x, *distance.interval);
    point.words = trial_text(*row->trial) + ": " + x.words + ", " +
                  std::string(summary.wording->distance_short) + " " +
                  full_text(quantity(distance));
    points.push_back(std::move(point));
  }
  return drawing(kHeight, std::move(name),
                 x_axis(x_scale, kTop, kBottom, title) +
                     y_axis(y_scale, summary.wording->distance_axis) +
                     front_line(points, smaller_x_is_better) + draw(points));
}

std::optional<Coordinate> size_of(const Row& row) {
  if (!row.trial->artifact) return std::nullopt;
  const auto bytes = row.trial->artifact->total_bytes;
  return Coordinate{static_cast<double>(bytes) / 1e6, {}, value_text(bytes_quantity(bytes))};
}

std::optional<Coordinate> speed_of(const Row& row) {
  const Metric* speed = overall(*row.trial, "speedup");
  if (!speed && row.trial->role == Role::baseline) return Coordinate{1, {}, "1x"};
  if (!can_be_drawn(speed)) return std::nullopt;
  return Coordinate{speed->value, speed->interval, "speed " + full_text(quantity(*speed))};
}

struct Series {
  const Row* row;
  std::vector<const Metric*> buckets;
};

double middle(const Metric& bucket) {
  return (*bucket.context.position_begin + *bucket.context.position_end) / 2.0;
}

// Labels at the lines' ends, pushed apart where lines end together.
std::vector<double> spread(const std::vector<double>& wanted) {
  constexpr double kGap = 15;
  std::vector<std::size_t> order(wanted.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> out(wanted);
  for (std::size_t i = 1; i < order.size(); ++i)
    out[order[i]] = std::max(out[order[i]], out[order[i - 1]] + kGap);
  double limit = kBottom - 2;
  for (std::size_t i = order.size(); i-- > 0; limit -= kGap)
    out[order[i]] = std::min(out[order[i]], limit);
  return out;
}

Html series_line(const Series& series, const Axis& x, const Axis& y, std::size_t framework) {
  std::string points;
  Html marks;
  for (const Metric* bucket : series.buckets) {
    const double px_x = x.at(middle(*bucket)), px_y = y.at(std::max(bucket->value, kFloor));
    points += px(px_x) + "," + px(px_y) + " ";
    if (bucket->interval) marks += whisker_y(y, px_x, *bucket->interval);
    marks += shape(px_x, px_y, framework, mark_style(*series.row, framework) + " small");
  }
  return element("polyline", {{"class", "series fw" + number_text((framework - 1) % 6 + 1)},
                              {"points", points}}) +
         marks;
}

std::vector<Series> position_series(const Summary& summary, Range& x_range, Range& y_range) {
  std::vector<Series> out;
  for (const Row& row : summary.rows) {
    auto buckets = by_position(*row.trial, "kl_mean");
    std::erase_if(buckets, [](const Metric* bucket) { return !can_be_drawn(bucket); });
    if (buckets.size() < 2) continue;
    for (const Metric* bucket : buckets) {
      x_range.add(*bucket->context.position_begin);
      x_range.add(*bucket->context.position_end);
      y_range.add(std::max(bucket->value, kFloor));
    }
    out.push_back({&row, std::move(buckets)});
  }
  return out;
}

// Names left, one line per artifact, values right.
constexpr double kRowHeight = 26, kNames = 196, kBarsEnd = 530;

Html row_name(const Trial& trial, double y, bool strong) {
  return label(kNames - 10, y + 4, clipped(printable(trial_text(trial)), 27, "\u2026"), "end",
               strong ? "label strong" : "label");
}

const Metric* request_time(const Row& row) {
  const Metric* time = overall(*row.trial, "request_time");
  return can_be_drawn(time) ? time : nullptr;
}

double in_milliseconds(const Metric& metric) { return metric.unit == "s" ? 1e3 : 1; }

Html latency_row(const Summary& summary, const Row& row, const Axis& axis, double y) {
  const Metric& time = *request_time(row);
  const double factor = in_milliseconds(time);
  const std::size_t framework = framework_number(summary, row.trial->recipe.backend);
  Html group = element("title", trial_text(*row.trial) + ": " + full_text(quantity(time)));
  group += line(kNames, y, kBarsEnd, y, "grid");
  if (time.interval && bounded(*time.interval))
    group += line(axis.at(time.interval->low * factor), y, axis.at(time.interval->high * factor), y,
                  "whisker wide");
  group += shape(axis.at(time.value * factor), y, framework, mark_style(row, framework));
  group += row_name(*row.trial, y, row.recommended);
  group += label(kBarsEnd + 10, y + 4, value_text(quantity(time)), "start", "value");
  return element("g", {{"class", "datum"}, {"data-trial", row.trial->id}}, group);
}

// Of sorted values; between two of them where it must be.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Html distribution_row(const Summary& summary, const Row& row, const std::vector<double>& sorted,
                      const Axis& axis, double y) {
  constexpr std::size_t kSlowest = 20;
  const std::size_t framework = framework_number(summary, row.trial->recipe.backend);
  const std::string style = "fw" + number_text((framework - 1) % 6 + 1);
  const auto at = [&](double share) { return axis.at(quantile(sorted, share)); };
  Html group =
      element("title", str(trial_text(*row.trial), ": median ", fixed(quantile(sorted, 0.5), 2),
                           " ms, 95 % below ", fixed(quantile(sorted, 0.95), 2), " ms, slowest ",
                           fixed(sorted.back(), 2), " ms, ", sorted.size(), " tokens"));
  group += line(kNames, y, kBarsEnd, y, "grid");
  group += line(at(0.05), y, at(0.95), y, "spread " + style);
  group += line(at(0.25), y, at(0.75), y, "spread middle " + style);
  group += line(at(0.5), y - 8, at(0.5), y + 8, "median");
  const double tail = quantile(sorted, 0.95);
  for (std::size_t i = sorted.size() - std::min(kSlowest, sorted.size()); i < sorted.size(); ++i)
    if (sorted[i] > tail)
      group += element(
          "circle",
          {{"class", "dot " + style}, {"cx", px(axis.at(sorted[i]))}, {"cy", px(y)}, {"r", "1.7"}});
  group += row_name(*row.trial, y, row.recommended);
  group += label(kBarsEnd + 10, y + 4, fixed(quantile(sorted, 0.5), 1) + " ms", "start", "value");
  return element("g", {{"class", "datum"}, {"data-trial", row.trial->id}}, group);
}

double build_seconds(const Trial& trial) {
  if (!trial.artifact || trial.status == TrialStatus::dominated)
    return 0;  // built once for all options
  return std::min(trial.artifact->build_seconds, trial.wall_seconds);
}

struct Domain {
  std::string name;
  std::vector<std::pair<const Row*, const Metric*>> artifacts;
  double worst = 0;
};

// The domain that the artifacts are farthest from the original in comes first.
std::vector<Domain> domains_of(const Summary& summary, Range& range) {
  std::vector<Domain> domains;
  for (const Row& row : summary.rows) {
    for (const Metric* metric : by_domain(*row.trial, "kl_mean")) {
      if (!can_be_drawn(metric)) continue;
      const std::string& name = metric->context.domain;
      auto found = std::find_if(domains.begin(), domains.end(),
                                [&](const Domain& domain) { return domain.name == name; });
      if (found == domains.end()) found = domains.insert(found, Domain{name, {}, 0});
      found->artifacts.emplace_back(&row, metric);
      found->worst = std::max(found->worst, metric->value);
      range.add(std::max(metric->value, kFloor));
    }
  }
  std::stable_sort(domains.begin(), domains.end(),
                   [](const Domain& a, const Domain& b) { return a.worst > b.worst; });
  return domains;
}

Html domain_row(const Summary& summary, const Domain& domain, const Axis& axis, double y) {
  Html out = line(kNames, y, kRight, y, "grid") +
             label(kNames - 10, y + 4, clipped(printable(domain.name), 27, "\u2026"), "end");
  for (const auto& [row, metric] : domain.artifacts) {
    const std::size_t framework = framework_number(summary, row->trial->recipe.backend);
    Html mark = element("title", str(trial_text(*row->trial), ", ", printable(domain.name), ": ",
                                     full_text(quantity(*metric))));
    if (metric->interval && bounded(*metric->interval))
      mark += line(axis.at(std::max(metric->interval->low, kFloor)), y,
                   axis.at(std::max(metric->interval->high, kFloor)), y, "whisker");
    mark +=
        shape(axis.at(std::max(metric->value, kFloor)), y, framework, mark_style(*row, framework));
    out += element("g", {{"class", "datum"}, {"data-trial", row->trial->id}}, mark);
  }
  return out;
}

// One column of bars in the picture of the steps.
struct StepColumn {
  const char* title;
  std::optional<Metric> Milestone::*figure;
};
constexpr std::array kStepColumns{
    StepColumn{"size", &Milestone::size}, StepColumn{"accuracy", &Milestone::accuracy},
    StepColumn{"speed", &Milestone::speedup}, StepColumn{"peak memory", &Milestone::memory}};

struct StepCell {
  double value = 0;  // 0: no bar
  std::string words;
};

StepCell step_cell(const Milestone& milestone, const StepColumn& column) {
  const auto& figure = milestone.*column.figure;
  const bool unit = column.figure == &Milestone::speedup && has_unit_speed(milestone);
  if (!figure) return unit ? StepCell{1, "1x"} : StepCell{0, "\u2014"};
  if (!can_be_drawn(&*figure)) return {0, "noisy"};
  return {std::max(figure->value, 0.0), value_text(quantity(*figure))};
}

Html bar(double begin, double end, double y, std::string style) {
  return element("rect", {{"class", std::move(style)},
                          {"x", px(begin)},
                          {"y", px(y - 7)},
                          {"width", px(std::max(end - begin, 0.5))},
                          {"height", "14"}});
}

Html effort_row(const Trial& trial, const Axis& axis, double y) {
  const double build = build_seconds(trial);
  const double seconds = trial.wall_seconds;
  Html group =
      element("title", trial_text(trial) + ": build " + value_text(seconds_quantity(build)) +
                           ", measure " + value_text(seconds_quantity(seconds - build)));
  group += bar(axis.at(0), axis.at(build), y, "build") +
           bar(axis.at(build), axis.at(seconds), y, "measure");
  group += row_name(trial, y, false);
  const std::string status = trial.status == TrialStatus::failed      ? ", failed"
                             : trial.status == TrialStatus::dominated ? ", dominated"
                                                                      : "";
  group += label(axis.at(seconds) + 8, y + 4, fixed(seconds, seconds < 10 ? 1 : 0) + " s" + status,
                 "start", "value");
  return element("g", {{"class", "datum"}, {"data-trial", trial.id}}, group);
}

}  // namespace

std::size_t framework_number(const Summary& summary, std::string_view backend) {
  std::vector<std::string_view> seen;
  for (const Row& row : summary.rows) {
    if (std::find(seen.begin(), seen.end(), row.trial->recipe.backend) == seen.end())
      seen.push_back(row.trial->recipe.backend);
    if (row.trial->recipe.backend == backend) break;
  }
  return std::max<std::size_t>(seen.size(), 1);
}

Html size_plot(const Summary& summary) {
  return divergence_plot(summary, size_of, "size, MB (smaller is better)",
                         "Size against divergence", true);
}

Html speed_plot(const Summary& summary) {
  return divergence_plot(summary, speed_of, "speed against the original, x (larger is better)",
                         "Speed against divergence", false);
}

Html position_plot(const Summary& summary) {
  Range x_range, y_range;
  const std::vector<Series> all = position_series(summary, x_range, y_range);
  if (all.empty()) return {};
  constexpr double kLinesEnd = 460;
  const Axis x{x_range.low, x_range.high, kLeft, kLinesEnd, false};
  const Axis y = axis_around(y_range.low, y_range.high, kBottom, kTop, true);
  std::vector<double> ends;
  for (const Series& series : all)
    ends.push_back(y.at(std::max(series.buckets.back()->value, kFloor)) + 4);
  const std::vector<double> places = spread(ends);
  Html content = x_axis(x, kTop, kBottom, "position in the text, tokens") +
                 y_axis(y, "mean KL divergence, nats (log)");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Trial& trial = *all[i].row->trial;
    const double last = x.at(middle(*all[i].buckets.back()));
    Html group = series_line(all[i], x, y, framework_number(summary, trial.recipe.backend));
    group += line(last + 7, ends[i] - 4, kLinesEnd + 6, places[i] - 4, "leader");
    group += label(kLinesEnd + 9, places[i], clipped(printable(trial_text(trial)), 22, "\u2026"),
                   "start", all[i].row->recommended ? "label strong" : "label");
    content += element("g", {{"class", "datum"}, {"data-trial", trial.id}}, group);
  }
  return drawing(kHeight, "Divergence by position", content);
}

Html domain_plot(const Summary& summary) {
  Range range;
  const std::vector<Domain> domains = domains_of(summary, range);
  if (domains.size() < 2) return {};
  const double bottom = kTop + kRowHeight * static_cast<double>(domains.size());
  const Axis axis = axis_around(range.low, range.high, kNames, kRight, true);
  Html content = x_axis(axis, kTop, bottom, "mean KL divergence, nats (log)");
  double y = kTop + kRowHeight / 2;
  for (const Domain& domain : domains) {
    content += domain_row(summary, domain, axis, y);
    y += kRowHeight;
  }
  return drawing(bottom + 50, "Divergence by domain", content);
}

Html steps_plot(const Report& report) {
  constexpr double kStepNames = 100, kColumn = 132, kBar = 68;
  constexpr double kHead = kTop + 16;
  Html content;
  std::size_t drawn = 0;
  for (std::size_t i = 0; i < kStepColumns.size(); ++i) {
    const double left = kStepNames + kColumn * static_cast<double>(i);
    std::vector<StepCell> cells;
    double largest = 0;
    for (const Milestone& milestone : report.milestones) {
      cells.push_back(step_cell(milestone, kStepColumns[i]));
      largest = std::max(largest, cells.back().value);
    }
    content += label(left, kTop, kStepColumns[i].title, "start", "title");
    double y = kHead + kRowHeight / 2;
    for (const StepCell& cell : cells) {
      const double width = largest > 0 ? kBar * cell.value / largest : 0;
      if (width > 0) content += bar(left, left + width, y, "measure");
      content += label(left + width + (width > 0 ? 5 : 0), y + 4, cell.words, "start", "value");
      drawn += width > 0 ? 1 : 0;
      y += kRowHeight;
    }
  }
  if (drawn < 2) return {};
  double y = kHead + kRowHeight / 2;
  for (const Milestone& milestone : report.milestones) {
    content += label(kStepNames - 10, y + 4, milestone_title(milestone.kind), "end");
    y += kRowHeight;
  }
  return drawing(y + 4, "What each step brought", content);
}

Html latency_plot(const Summary& summary) {
  double longest = 0;
  std::vector<const Row*> rows;
  for (const Row& row : summary.rows) {
    const Metric* time = request_time(row);
    if (!time) continue;
    rows.push_back(&row);
    longest = std::max(
        longest, (time->interval && bounded(*time->interval) ? time->interval->high : time->value) *
                     in_milliseconds(*time));
  }
  if (rows.size() < 2) return {};
  const double bottom = kTop + kRowHeight * static_cast<double>(rows.size());
  const Axis axis = axis_around(0, longest, kNames, kBarsEnd, false);
  Html content = x_axis(axis, kTop, bottom, "time of one request, ms (less is better)");
  if (summary.baseline)
    for (const Row* row : rows)
      if (row->trial == summary.baseline) {
        const double x = axis.at(request_time(*row)->value * in_milliseconds(*request_time(*row)));
        content += line(x, kTop - 4, x, bottom, "baseline");
      }
  double y = kTop + kRowHeight / 2;
  for (const Row* row : rows) {
    content += latency_row(summary, *row, axis, y);
    y += kRowHeight;
  }
  return drawing(bottom + 50, "Request time", content);
}

Html distribution_plot(const Summary& summary, const RawSamples& samples) {
  std::vector<std::pair<const Row*, std::vector<double>>> rows;
  double longest = 0;
  for (const Row& row : summary.rows) {
    const auto found = samples.inter_token_ms.find(row.trial->id);
    if (found == samples.inter_token_ms.end() || found->second.size() < 20) continue;
    rows.emplace_back(&row, found->second);
    std::sort(rows.back().second.begin(), rows.back().second.end());
    longest = std::max(longest, rows.back().second.back());
  }
  if (rows.empty()) return {};
  const double bottom = kTop + kRowHeight * static_cast<double>(rows.size());
  const Axis axis = axis_around(0, longest, kNames, kBarsEnd, false);
  Html content =
      x_axis(axis, kTop, bottom, "time between neighbouring tokens, ms (less is better)");
  double y = kTop + kRowHeight / 2;
  for (const auto& [row, sorted] : rows) {
    content += distribution_row(summary, *row, sorted, axis, y);
    y += kRowHeight;
  }
  return drawing(bottom + 50, "Time between tokens", content);
}

Html effort_plot(const Report& report) {
  double longest = 0;
  std::vector<const Trial*> trials;
  for (const Trial& trial : report.trials) {
    if (trial.wall_seconds <= 0 || trial.status == TrialStatus::not_tried) continue;
    trials.push_back(&trial);
    longest = std::max(longest, trial.wall_seconds);
  }
  if (trials.empty()) return {};
  const double bottom = kTop + kRowHeight * static_cast<double>(trials.size());
  const Axis axis = axis_around(0, longest, kNames, kBarsEnd - 10, false);
  Html content = x_axis(axis, kTop, bottom, "wall time of the trial, s");
  double y = kTop + kRowHeight / 2;
  for (const Trial* trial : trials) {
    content += effort_row(*trial, axis, y);
    y += kRowHeight;
  }
  return drawing(bottom + 50, "Time spent per trial", content);
}

Html framework_legend(const Summary& summary) {
  std::vector<std::string> seen;
  Html items;
  for (const Row& row : summary.rows) {
    const std::string& backend = row.trial->recipe.backend;
    if (std::find(seen.begin(), seen.end(), backend) != seen.end()) continue;
    seen.push_back(backend);
    const std::string style = "mark filled fw" + number_text((seen.size() - 1) % 6 + 1);
    items += element("li", element("svg", {{"viewBox", "0 0 18 18"}, {"aria-hidden", "true"}},
                                   shape(9, 9, seen.size(), style)) +
                               text(backend));
  }
  items += element("li", "filled: on the front");
  items += element("li", "ring: recommended");
  items += element("li", "whisker: 95 % interval");
  items += element("li", "dotted line: the front of what is plotted");
  return element("ul", {{"class", "legend"}}, items);
}

}  // namespace strop
