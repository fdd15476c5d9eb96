#include "report/html.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/hash.h"
#include "report/markup.h"
#include "report/sections.h"
#include "sample.h"

namespace fs = std::filesystem;
using namespace strop;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
    ++n;
  return n;
}

std::string page(const Report& report) {
  const auto assets = load_html_assets(STROP_SOURCE_DIR "/share/report");
  REQUIRE(assets);
  return html_page(report, *assets);
}

}  // namespace

TEST_CASE("elements escape text and attributes") {
  CHECK(element("b", "a<b & \"c\"").str() == "<b>a&lt;b &amp; &quot;c&quot;</b>");
  CHECK(element("i", {{"title", "'\"><x>"}, {"class", ""}}, "").str() ==
        "<i title=\"&#39;&quot;&gt;&lt;x&gt;\"></i>");
}

TEST_CASE("hostile names stay text") {
  const std::string text = page(sample::hostile_report());
  CHECK(count(text, "<script") == count(page(sample::report()), "<script"));
  CHECK_FALSE(has(text, "<img"));
  CHECK_FALSE(has(text, "\xe2\x80\xae"));
  CHECK(std::none_of(text.begin(), text.end(),
                     [](char c) { return c >= 0 && c < ' ' && c != '\n'; }));
}

TEST_CASE("a name cannot pose as a placeholder of the page") {
  Report report = sample::report();
  report.model->path = "/models/{{script}}";
  CHECK(count(page(report), "'use strict'") == 1);
}

TEST_CASE("the page asks for nothing from anywhere") {
  const std::string text = page(sample::report());
  CHECK_FALSE(has(text, "http://"));
  CHECK_FALSE(has(text, "https://"));
  CHECK_FALSE(has(text, "url("));
  CHECK_FALSE(has(text, " style="));  // the policy would refuse it
  CHECK(has(text, "default-src &#39;none&#39;"));
}

TEST_CASE("the policy names the digest of the style") {
  // printf 'x' | openssl dgst -sha256 -binary | base64
  const std::string text = html_page(sample::empty_report(), {"{{policy}}|{{style}}", "x", "x"});
  CHECK(has(text, "sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="));
}

TEST_CASE("every plot, section and table heading is there") {
  const std::string text = page(sample::report());
  for (const char* part :
       {"Size against divergence", "Speed against divergence", "Divergence by position",
        "Request time", "time went", "aria-label=\"What each step brought\""})
    CHECK_MESSAGE(has(text, part), part);
  CHECK(count(text, "<figure>") == 6);
  CHECK(count(text, "<figcaption>") == 6);
  CHECK(count(text, "role=\"img\"") == 6);
  CHECK(count(text, "<h1>") == 1);
  CHECK(count(text, "<th>") == 0);  // each has a scope
  for (const char* id : {"artifacts", "steps", "plots", "gates", "advice", "plan", "setbacks",
                         "conditions", "reproduce"})
    CHECK_MESSAGE(has(text, "<section id=\"" + std::string(id) + "\""), id);
}

TEST_CASE("domains are drawn, the one that suffers most on top, and hostile names as text") {
  Report report = sample::report();
  CHECK_FALSE(has(page(report), "Divergence by domain"));
  for (Trial& trial : report.trials) {
    if (!trial.measurement) continue;
    for (const auto& [domain, kl] :
         {std::pair{"news", 0.002}, {"<code>", 0.02}, {"broken", std::nan("")}}) {
      Metric metric{.metric = "kl_mean", .unit = "nats", .value = kl, .samples = 10};
      metric.context.domain = domain;
      metric.interval = Interval{kl / 2, kl * 2, 0.95};
      trial.measurement->metrics.push_back(metric);
    }
  }
  const std::string text = page(report);
  REQUIRE(has(text, "aria-label=\"Divergence by domain\""));
  const std::string plot = text.substr(text.find("aria-label=\"Divergence by domain\""));
  CHECK(plot.find("&lt;code&gt;") < plot.find(">news<"));
  CHECK_FALSE(has(text, "<code>:"));
}

TEST_CASE("the times between tokens are drawn where the raw samples are there") {
  const auto assets = load_html_assets(STROP_SOURCE_DIR "/share/report");
  REQUIRE(assets);
  const std::string text = html_page(sample::report(), *assets, sample::raw_samples());
  CHECK(count(text, "<figure>") == 7);
  CHECK(has(text, "1260 tokens"));
  RawSamples few;
  few.inter_token_ms[sample::report().trials[0].id] = {1, 2, 3};
  CHECK(count(html_page(sample::report(), *assets, few), "<figure>") == 6);
}

TEST_CASE("raw samples are read from inside of the run's folder only, and only whole ones") {
  const fs::path folder = fs::temp_directory_path() / str("strop-raw-samples-", ::getpid());
  fs::create_directories(folder / "samples");
  const auto write = [&](const std::string& name, const std::string& content) {
    std::ofstream(folder / name) << content;
  };
  Report report;
  Trial trial{.id = "t", .status = TrialStatus::ok};
  trial.recipe.backend = "b";
  trial.recipe.name = "r";
  trial.measurement.emplace().metrics = {
      {.metric = "inter_token_latency_p50", .unit = "ms", .samples_path = "samples/a.json"}};
  report.trials = {trial};
  const std::string whole = R"({"series":[{"name":"b r","seconds":[[1.0,1.5,2.25],[1,2,4]]}]})";
  const auto read = [&] { return read_raw_samples(report, folder).inter_token_ms["t"]; };
  write("samples/a.json", whole);
  CHECK(read() == std::vector<double>{500, 750, 1000, 2000});
  for (const char* broken :
       {"", "{", "[]", R"({"series":3})", R"({"series":[{"name":"b r","seconds":[[2,1]]}]})",
        R"({"series":[{"name":"b r","seconds":[["x","y"]]}]})",
        R"({"series":[{"name":"other","seconds":[[1,2]]}]})"}) {
    write("samples/a.json", broken);
    CHECK_MESSAGE(read().empty(), broken);
  }
  write("outside.json", whole);
  auto& path = report.trials[0].measurement->metrics[0].samples_path;
  for (const std::string& escape :
       {std::string("samples/../../") + folder.filename().string() + "/outside.json",
        (folder / "outside.json").string()}) {
    path = escape;
    CHECK_MESSAGE(read().empty(), escape);
  }
  path = "outside.json";
  CHECK(read().size() == 4);
  fs::remove_all(folder);
}

TEST_CASE("the plan is checked against the measurement") {
  Report report = sample::report();
  CHECK(has(page(report), "the measurement agrees"));
  std::swap(report.plan->choices[0].rank, report.plan->choices[1].rank);
  CHECK(has(page(report), "the measurement overruled the plan"));
}

TEST_CASE("an empty run makes a page without plots") {
  const std::string text = page(sample::empty_report());
  CHECK(has(text, "No artifact was measured."));
  CHECK(count(text, "<figure>") == 0);
}

TEST_CASE("odd figures do not break the plots") {
  for (const double odd :
       {0.0, -1.0, 1e300, std::numeric_limits<double>::infinity(), std::nan("")}) {
    Report report = sample::report();
    for (Trial& trial : report.trials)
      if (trial.measurement)
        for (Metric& metric : trial.measurement->metrics)
          metric.value = odd, metric.interval = Interval{odd, odd, 0.95};
    const std::string text = page(report);
    CHECK_FALSE(has(text, "=\"not a number"));
    CHECK_FALSE(has(text, "not a number,"));
    CHECK(has(text, "How to reproduce it"));
  }
}

TEST_CASE("the command names what was not at its default, quoted") {
  Report report = sample::report();
  CHECK(command_line(report) == "strop run /models/SmolLM2-135M-Instruct -o DIR");
  report.model->path = "/my models/it's";
  report.goal.prefer = "speed";
  report.goal.profile = Profile::production;
  CHECK(command_line(report) ==
        "strop run '/my models/it'\\''s' -o DIR --profile production --prefer speed");
  report.goal.thresholds.speedup = 1.5;
  report.goal.thresholds.accuracy_ratio = 0.9;
  report.goal.thresholds.conversion_kl = 0.3;
  report.goal.workload.new_tokens = 16;
  report.goal.seed = 7;
  CHECK(command_line(report) ==
        "strop run '/my models/it'\\''s' -o DIR --profile production --min-accuracy 0.9000 --gate "
        "speed=1.5 --gate conversion=0.3 --prefer speed --new-tokens 16 --seed 7");
}

TEST_CASE("a missing asset is an error that names it") {
  const auto assets = load_html_assets("/nowhere");
  REQUIRE_FALSE(assets);
  CHECK(assets.error().code == ErrorCode::not_found);
  CHECK(has(assets.error().message, "page.html"));
}

TEST_CASE("the page of a model of tensors speaks of inferences and noise") {
  const std::string text = page(sample::tensor_report());
  for (const char* words : {"One inference", "Best throughput", "Noise over signal", "312 /s at 8",
                            "noise over signal, energy (log)"})
    CHECK(has(text, words));
  CHECK_FALSE(has(text, "First token"));
  CHECK_FALSE(has(text, "KL divergence"));
  CHECK(has(page(sample::report()), "First token"));
}

TEST_CASE("the matrix names what each framework makes of an artifact, and why one opens none") {
  const std::string text = page(sample::tensor_report());
  CHECK(has(text, "Artifacts in other frameworks"));
  CHECK(has(text, "does not open gguf"));
  CHECK_FALSE(has(page(sample::report()), "Artifacts in other frameworks"));
  Report hostile = sample::tensor_report();
  hostile.matrix.front().backend = "<b>bad</b>";
  hostile.matrix.back().reason = "\"><script>";
  CHECK_FALSE(has(page(hostile), "<b>bad"));
  CHECK_FALSE(has(page(hostile), "\"><script>"));
}
