# Compiler settings of our own code, as the interface target strop_flags.

option(STROP_WERROR "Warnings are errors (for developers and CI, not for users)" OFF)
option(STROP_TESTS "Build tests, fuzz replays, benchmarks and examples" ON)
option(STROP_FUZZ "Build fuzz/ for libFuzzer, which needs clang, instead of replays" OFF)
option(STROP_ENGINES "Build the workers that need an engine's SDK, where it is found" ON)
set(STROP_SANITIZE "" CACHE STRING "Sanitizers, such as address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(STROP_CCACHE ccache)
mark_as_advanced(STROP_CCACHE)
if(STROP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths relative to the tree, so that one clone's build serves another's.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
    CCACHE_NOHASHDIR=1 "${STROP_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

add_library(strop_flags INTERFACE)
target_compile_options(strop_flags INTERFACE -fstack-protector-strong)
target_compile_options(strop_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers  # {.name = x} leaves the others at their defaults on purpose
  $<$<BOOL:${STROP_WERROR}>:-Werror>)
target_compile_definitions(strop_flags INTERFACE _GLIBCXX_ASSERTIONS)

if(STROP_SANITIZE)
  target_compile_options(strop_flags INTERFACE
    -fsanitize=${STROP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(strop_flags INTERFACE -fsanitize=${STROP_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  # -Wrestrict: g++ 12 gives false alarms on joined strings when it optimises.
  target_compile_options(strop_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections -Wno-restrict)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(strop_flags INTERFACE
      -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed)
  endif()
endif()
