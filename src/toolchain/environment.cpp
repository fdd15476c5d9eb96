#include "toolchain/environment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/files.h"
#include "core/hash.h"
#include "core/rule_file.h"
#include "core/units.h"
#include "toolchain/command.h"

namespace fs = std::filesystem;

namespace strop::toolchain {
namespace {

constexpr auto kStamp = "strop-toolchain.json";
constexpr std::size_t kDigestDigits = 16;
constexpr double kSpaceToSpare = 1.2;  // an installer unpacks before it moves

// An interpreter says what it is made of.
constexpr auto kDescribe =
    "import json, os, sys, sysconfig\n"
    "paths = [sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'),\n"
    "         sysconfig.get_config_var('LIBDIR') or '']\n"
    "paths = [os.path.realpath(path) for path in paths if path]\n"
    "print(json.dumps({'python': '%d.%d.%d' % sys.version_info[:3],\n"
    "    'executable': os.path.realpath(sys.executable),\n"
    "    'libraries': sorted(set(path for path in paths if os.path.isdir(path)))}))\n";

Result<fs::path> folder_of(const Manifest& manifest, const fs::path& root) {
  STROP_TRY(std::string lock, read_text(manifest.lock(), 4u << 20));
  if (manifest.builds) {
    for (const std::string& name : {manifest.builds->plain, manifest.builds->accelerated}) {
      STROP_TRY(const std::string more, read_text(manifest.folder / name, 4u << 20));
      lock += more;
    }
  }
  return root / manifest.name / sha256_hex(lock).substr(0, kDigestDigits);
}

Result<Stamp> stamp_from(const Json& json, const std::string& place) {
  std::optional<Error> error;
  const RuleReader reader(json, place, error);
  reader.only({"python", "executable", "libraries", "locks"});
  Stamp stamp{.python = reader.text("python"),
              .executable = reader.text("executable"),
              .libraries = reader.words("libraries")};
  // An interpreter that describes itself knows nothing of lock files.
  if (reader.has("locks")) stamp.locks = reader.words("locks");
  if (error) return *error;
  return stamp;
}

Json json_of(const Stamp& stamp) {
  return {{"python", stamp.python},
          {"executable", stamp.executable},
          {"libraries", stamp.libraries},
          {"locks", stamp.locks}};
}

Result<Stamp> describe(const fs::path& python, std::stop_token stop) {
  STROP_TRY(const Finished answer,
            run({.program = python, .arguments = {"-I", "-c", kDescribe}}, stop));
  const std::string what = str("what ", python.string(), " says of itself");
  if (answer.status != 0)
    return Error{.code = ErrorCode::corrupt,
                 .message = str(python.string(), " does not work: ", answer.last_lines)};
  STROP_TRY(const Json json, parse_json(answer.first_line, what));
  return stamp_from(json, what);
}

std::string range_of(const Manifest& manifest) {
  return str("Python ", to_text(manifest.python_oldest), " to ", to_text(manifest.python_newest));
}

// STROP_PYTHON, else python3, else the newest that is there.
Result<fs::path> find_python(const Manifest& manifest, std::stop_token stop) {
  std::vector<std::string> names{"python3"};
  for (auto minor = manifest.python_newest.minor + 1; minor-- > manifest.python_oldest.minor;)
    names.push_back("python" + to_text({manifest.python_newest.major, minor}));
  const char* const chosen = std::getenv("STROP_PYTHON");
  if (chosen && *chosen) names = {chosen};
  std::string seen;
  for (const std::string& name : names) {
    const fs::path program =
        name.find('/') == std::string::npos ? find_program(name) : fs::path(name);
    if (program.empty()) continue;
    const auto described = describe(program, stop);
    if (!described && described.error().code == ErrorCode::cancelled) return described.error();
    const auto version = described ? parse_version(described->python) : std::nullopt;
    if (version && *version >= manifest.python_oldest && *version <= manifest.python_newest)
      return program;
    seen += str(seen.empty() ? "" : ", ", name, " is ", described ? described->python : "broken");
  }
  return Error{.code = ErrorCode::not_found,
               .message = str("[toolchain] ", manifest.name, " needs ", range_of(manifest),
                              ", but ", seen.empty() ? "there is no python3 here" : seen, "."),
               .hint =
                   "Install one of them with its venv module (Debian: python3-venv), or name it "
                   "in STROP_PYTHON.",
               .field = "python"};
}

Result<void> check_space(const Manifest& manifest, const fs::path& root) {
  std::error_code error;
  const auto space = fs::space(root, error);
  const auto needed =
      static_cast<std::uint64_t>(static_cast<double>(manifest.disk_bytes) * kSpaceToSpare);
  if (error || space.available >= needed) return {};
  return Error{.code = ErrorCode::no_space,
               .message = str("[toolchain] ", manifest.name, " needs ", bytes_text(needed), " in ",
                              root.string(), ", but ", bytes_text(space.available), " are free."),
               .hint = "Free space there, or set STROP_STORE to a folder on another disk."};
}

// A way to make an environment and to fill it: the lock file's path comes last.
struct Installer {
  std::string name;
  Command make;
  Command fill;
};

std::vector<Installer> installers(const Manifest& manifest, const fs::path& python,
                                  const fs::path& aside) {
  std::vector<Installer> all;
  const std::string inside = (aside / "bin" / "python").string();
  if (const fs::path uv = find_program("uv"); !uv.empty()) {
    // Copies, because a link would share every file with uv's cache.
    all.push_back(
        {"uv",
         {uv, {"venv", "--quiet", "--python", python.string(), aside.string()}},
         {uv,
          {"pip", "install", "--python", inside, "--no-deps", "--require-hashes", "--only-binary",
           ":all:", "--link-mode", "copy", "--compile-bytecode", "-r"}}});
  }
  all.push_back({"pip",
                 {python, {"-I", "-m", "venv", aside.string()}},
                 {aside / "bin" / "python",
                  {"-I", "-m", "pip", "install", "--no-deps", "--require-hashes", "--only-binary",
                   ":all:", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
                   "--no-warn-script-location", "-r"}}});
  // pip's settings are where an index with plain builds is named.
  if (manifest.builds) std::reverse(all.begin(), all.end());
  return all;
}

std::size_t packages_in(const fs::path& lock) {
  const auto text = read_text(lock, 4u << 20);
  if (!text) return 1;
  std::size_t count = 0;
  for (auto at = text->find("=="); at != std::string::npos; at = text->find("==", at + 1)) ++count;
  return std::max<std::size_t>(count, 1);
}

Result<void> fill_from(const fs::path& lock, const Manifest& manifest, const Installer& installer,
                       const Tell& tell, std::stop_token stop) {
  const auto packages = static_cast<double>(packages_in(lock));
  double begun = 0;
  Command command = installer.fill;
  command.arguments.push_back(lock.string());
  STROP_TRY(const Finished filled, run(command, stop, [&](std::string_view line) {
              if (line.starts_with("Collecting") || line.starts_with("Downloaded") ||
                  line.starts_with("+ "))
                ++begun;
              tell(std::min(0.95, begun / packages), line);
            }));
  if (filled.status == 0) return {};
  return Error{.code = ErrorCode::io,
               .message = str("[toolchain] ", installer.name, " could not install ", manifest.name,
                              ": ", filled.last_lines),
               .hint = str("Check the network and the package index that ", installer.name,
                           " is set up for, then run the same command again: strop toolchain "
                           "install ",
                           manifest.name)};
}

// The names of the lock files that it took.
Result<std::vector<std::string>> fill(const Manifest& manifest, const Installer& installer,
                                      const Tell& tell, std::stop_token stop) {
  STROP_TRY(const Finished made, run(installer.make, stop));
  if (made.status != 0)
    return Error{
        .code = ErrorCode::io,
        .message = str("[toolchain] ", installer.name, " could not make an environment for ",
                       manifest.name, ": ", made.last_lines),
        .hint = "Install the venv module of Python (Debian: python3-venv) or uv."};
  STROP_CHECK(fill_from(manifest.lock(), manifest, installer, tell, stop));
  std::vector<std::string> locks{manifest.lock().filename()};
  if (!manifest.builds) return locks;
  const Builds& builds = *manifest.builds;
  auto plain = fill_from(manifest.folder / builds.plain, manifest, installer, tell, stop);
  if (!plain && plain.error().code == ErrorCode::cancelled) return plain.error();
  locks.push_back(plain ? builds.plain : builds.accelerated);
  if (plain) return locks;
  tell(0.5, str("the index has no plain builds: ", bytes_text(builds.download_bytes),
                " more to download"));
  STROP_CHECK(fill_from(manifest.folder / builds.accelerated, manifest, installer, tell, stop));
  return locks;
}

Result<void> sync_all(const fs::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::syncfs(fd.get()) != 0) return file_error("sync", folder, errno);
  return {};
}

// Without its stamp first, so that what an interrupted removal leaves is no environment.
Result<void> remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove(folder / kStamp, error);
  fs::remove_all(folder, error);
  if (error) return file_error("remove", folder, error.value());
  return {};
}

Result<void> publish(const fs::path& aside, const fs::path& folder,
                     const std::vector<std::string>& locks, std::stop_token stop) {
  STROP_TRY(Stamp stamp, describe(aside / "bin" / "python", stop));
  stamp.locks = locks;
  STROP_CHECK(sync_all(aside));
  STROP_CHECK(write_whole(aside / kStamp, text_of(json_of(stamp), 2)));
  STROP_CHECK(remove_folder(folder));
  if (::rename(aside.c_str(), folder.c_str()) != 0) return file_error("rename to", folder, errno);
  return sync_folder(folder.parent_path());
}

}  // namespace

Result<Environment> look(const Manifest& manifest, const fs::path& root) {
  Environment environment;
  STROP_TRY(environment.folder, folder_of(manifest, root));
  const fs::path file = environment.folder / kStamp;
  std::error_code error;
  if (!fs::exists(file, error)) return environment;
  const auto stamp = [&]() -> Result<Stamp> {
    STROP_TRY(const Json json, read_rule_file(file));
    return stamp_from(json, file.string());
  }();
  environment.stamp = stamp ? *stamp : Stamp{};
  if (!stamp) {
    environment.problem = stamp.error().message;
  } else if (::access(environment.python().c_str(), X_OK) != 0 ||
             fs::weakly_canonical(environment.python(), error) != stamp->executable) {
    environment.problem =
        str("its Python ", stamp->python, " at ", stamp->executable, " is not there any more");
  }
  return environment;
}

WorkerCommand worker_command(const Manifest& manifest, const fs::path& root) {
  WorkerCommand command{.name = manifest.name, .program = {}};
  const auto found = look(manifest, root);
  if (!found || !found->usable()) {
    const bool broken = found && found->stamp;
    command.missing = Error{
        .code = ErrorCode::not_found,
        .message = str("toolchain ", manifest.name, broken ? " is broken: " : " is not installed",
                       broken  ? found->problem
                       : found ? ""
                               : ": " + found.error().message,
                       "; strop toolchain install ", manifest.name),
        .hint = str("Run: strop toolchain install ", manifest.name),
        .field = "worker",
        .value = manifest.name};
    return command;
  }
  command.program = found->python();
  command.arguments = {"-I", "-B", "-X", "utf8", manifest.worker().string()};
  for (const auto& [name, value] : manifest.environment)
    command.environment.push_back(str(name, "=", value));
  command.read = {found->folder, manifest.folder.parent_path()};
  command.read.insert(command.read.end(), found->stamp->libraries.begin(),
                      found->stamp->libraries.end());
  command.execute = {found->stamp->executable};
  return command;
}

Result<std::vector<std::string>> differences(const Manifest& manifest,
                                             const Environment& environment, std::stop_token stop) {
  if (!environment.stamp) return std::vector<std::string>{"it is not installed"};
  if (!environment.problem.empty()) return std::vector{environment.problem};
  std::vector<std::string> found;
  Command verify{.program = environment.python(),
                 .arguments = {"-I", "-B", (manifest.folder.parent_path() / "verify.py").string()}};
  if (environment.stamp->locks.empty())
    return std::vector{std::string("it does not say what it was filled from")};
  for (const std::string& lock : environment.stamp->locks)
    verify.arguments.push_back((manifest.folder / lock).string());
  STROP_TRY(const Finished finished,
            run(verify, stop, [&](std::string_view line) { found.emplace_back(line); }));
  if (finished.status != 0)
    return std::vector{str("its Python cannot look at it: ", finished.last_lines)};
  return found;
}

Result<void> make(const Manifest& manifest, const fs::path& root, const Tell& tell,
                  std::stop_token stop) {
  STROP_TRY(const fs::path folder, folder_of(manifest, root));
  STROP_CHECK(make_folder(folder.parent_path()));
  STROP_CHECK(check_space(manifest, root));
  STROP_TRY(const fs::path python, find_python(manifest, stop));
  const fs::path aside = folder.parent_path() / str(".", folder.filename().string(), ".part");
  Result<void> made;
  std::vector<std::string> locks;
  for (const Installer& installer : installers(manifest, python, aside)) {
    STROP_CHECK(remove_folder(aside));
    tell(0, str("making an environment with ", installer.name));
    auto filled = fill(manifest, installer, tell, stop);
    made = filled ? Result<void>() : Result<void>(filled.error());
    if (filled) locks = *std::move(filled);
    if (made || made.error().code == ErrorCode::cancelled) break;
  }
  if (made) {
    tell(0.97, "writing it to the disk");
    made = publish(aside, folder, locks, stop);
  }
  std::error_code ignored;
  if (!made) fs::remove_all(aside, ignored);
  return made;
}

Result<void> remove(const std::string& name, const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root / name, error))
    folders.push_back(entry.path());
  for (const fs::path& folder : folders) STROP_CHECK(remove_folder(folder));
  fs::remove(root / name, error);
  return {};
}

std::optional<std::uint64_t> disk_use(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return std::nullopt;
  const auto entries = entries_below(folder);
  if (!entries) return std::nullopt;
  std::uint64_t bytes = 0;
  for (const auto& entry : *entries) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) == 0)
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace strop::toolchain
