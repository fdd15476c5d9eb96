// Runs every *.case file of a folder: test-cases FOLDER SHARE [--update]. Says each difference and
// how many hold; with --update it writes what is into those that do not.
#include <algorithm>
#include <iostream>
#include <regex>

#include "cases/case_file.h"
#include "cases/verbs.h"
#include "core/files.h"

namespace fs = std::filesystem;
using namespace strop;
using namespace strop::cases;

namespace {

std::vector<fs::path> case_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".case") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<Json> base_of(const fs::path& folder) {
  STROP_TRY(const std::string text, read_text(folder / "base.json", 1u << 20));
  return parse_json(text, "base.json");
}

// What is wrong; nothing when the case holds.
std::vector<std::string> check(const Case& wanted, const Json& base, const fs::path& share) {
  Json given = base;
  given.merge_patch(wanted.given);
  const auto answer = run(wanted.verb, given, share);
  if (wanted.error.empty())
    return answer ? differences(*answer, wanted.expect) : std::vector{answer.error().message};
  if (answer) return {"gives an answer, must give an error"};
  const std::string text = answer.error().message + " " + answer.error().hint;
  if (std::regex_search(text, std::regex(wanted.error))) return {};
  return {str("error is \"", text, "\", must match ", wanted.error)};
}

std::vector<std::string> check_file(const fs::path& file, const Json& base, const fs::path& share) {
  try {
    const auto wanted = read_case(file);
    return wanted ? check(*wanted, base, share) : std::vector{wanted.error().message};
  } catch (const std::exception& error) {  // a case that is not of the form its verb needs
    return {error.what()};
  }
}

Result<void> update(const fs::path& file, const Json& base, const fs::path& share) {
  STROP_TRY(const Case wanted, read_case(file));
  Json given = base;
  given.merge_patch(wanted.given);
  STROP_TRY(const Json answer, run(wanted.verb, given, share));
  return write_expect(file, adopted(answer, wanted.expect));
}

}  // namespace

int main(int argc, char** argv) {
  const bool updates = argc == 4 && std::string_view(argv[3]) == "--update";
  if (argc != 3 && !updates) {
    std::cerr << "usage: test-cases FOLDER SHARE [--update]\n";
    return 2;
  }
  const auto base = base_of(argv[1]);
  if (!base) {
    std::cerr << base.error().message << "\n";
    return 1;
  }
  const std::vector<fs::path> files = case_files(argv[1]);
  std::size_t failed = 0;
  for (const fs::path& file : files) {
    const auto wrong = check_file(file, *base, argv[2]);
    failed += wrong.empty() ? 0 : 1;
    for (const std::string& text : wrong)
      std::cout << file.filename().string() << ": " << text << "\n";
    if (!updates || wrong.empty()) continue;
    if (const auto updated = update(file, *base, argv[2]); !updated)
      std::cout << file.filename().string() << ": not updated: " << updated.error().message << "\n";
  }
  std::cout << files.size() - failed << " of " << files.size() << " cases hold\n";
  return failed == 0 && !files.empty() ? 0 : 1;
}
