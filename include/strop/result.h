// Errors that input, machine, framework or network can cause travel as values.
// The names are a subset of std::expected, so that it can replace Result in C++23.
#pragma once

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

namespace strop {

// Closed set: a caller may switch over it.
enum class ErrorCode {
  invalid_input,  // the user's value breaks a rule
  unsupported,    // well-formed, but not something this build or framework can do
  not_found,
  corrupt,  // a file breaks its own format
  io,
  no_space,
  busy,           // somebody else holds the lock
  crashed,        // a worker died
  out_of_memory,  // a worker passed its memory limit
  timeout,
  cancelled,
  backend,  // a framework refused or failed
};

struct Error {
  ErrorCode code = ErrorCode::backend;
  std::string message = {};                  // "[stage] what is wrong: rule, value."
  std::string hint = {};                     // the next step, a sentence; may be empty
  std::string field = {};                    // which field of the input, if one
  std::string value = {};                    // its value, as read
  std::optional<std::uint64_t> offset = {};  // byte offset in the file, if one
  bool operator==(const Error&) const = default;
};

// Joins its arguments into one message.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

// A value or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

// NOLINTBEGIN(bugprone-macro-parentheses, readability-identifier-naming): a declaration takes none.
#define STROP_JOIN_(a, b) a##b
#define STROP_JOIN(a, b) STROP_JOIN_(a, b)
#define STROP_TRY_(name, declaration, expression) \
  auto name = (expression);                       \
  if (!name) return std::move(name).error();      \
  declaration = *std::move(name)
// NOLINTEND(bugprone-macro-parentheses, readability-identifier-naming)

// STROP_TRY(auto file, open(path)): the value, or return the error from this function.
#define STROP_TRY(declaration, expression) \
  STROP_TRY_(STROP_JOIN(strop_result_, __LINE__), declaration, expression)

// STROP_CHECK(write(file)): continue, or return the error from this function.
#define STROP_CHECK(expression)                                                               \
  do {                                                                                        \
    if (auto strop_check = (expression); !strop_check) return std::move(strop_check).error(); \
  } while (false)

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   const std::string& message);

// Our own bug: throws std::logic_error in every build type.
#define STROP_ASSERT(condition, ...)                                                        \
  do {                                                                                      \
    if (!(condition))                                                                       \
      ::strop::assertion_failed(#condition, __FILE__, __LINE__, ::strop::str(__VA_ARGS__)); \
  } while (false)

}  // namespace strop
