# The kinds of target. Those of src/, backends/ and apps/ take the *.cpp files of their folder, so
# that a new file needs no edit of a list, and name every module they use: a stage cannot link what
# it must not know.

set_property(GLOBAL PROPERTY STROP_MODULES "")
set_property(GLOBAL PROPERTY STROP_WANTED "")

# Links modules by name. One that is not there is reported by strop_check_modules, with its user.
function(_strop_link target)
  foreach(module IN LISTS ARGN)
    target_link_libraries(${target} PUBLIC $<TARGET_NAME_IF_EXISTS:strop_${module}>)
    set_property(GLOBAL APPEND PROPERTY STROP_WANTED "${target}>${module}")
  endforeach()
endfunction()

# The folder's sources, without those of another operating system.
function(_strop_sources out)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(systems linux macos windows)
  if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
    list(REMOVE_ITEM systems macos)
  elseif(WIN32)
    list(REMOVE_ITEM systems windows)
  else()
    list(REMOVE_ITEM systems linux)
  endif()
  foreach(system IN LISTS systems)
    list(FILTER sources EXCLUDE REGEX "_${system}\\.cpp$")
  endforeach()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# strop_module(NAME [DEPENDS modules...] [LIBS libraries...]): one folder of src/, as the static
# library strop_NAME, alias strop::NAME. It includes "strop/x.h" and "FOLDER/x.h".
function(strop_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LIBS")
  _strop_sources(sources)
  if(NOT sources)
    message(STATUS "src/${name} has no sources yet")
    return()
  endif()
  add_library(strop_${name} STATIC ${sources})
  add_library(strop::${name} ALIAS strop_${name})
  target_include_directories(strop_${name}
    PUBLIC "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated"
    PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(strop_${name} PRIVATE strop_flags PUBLIC ${arg_LIBS} Threads::Threads)
  _strop_link(strop_${name} ${arg_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY STROP_MODULES ${name})
endfunction()

# strop_worker(NAME [DEPENDS modules...] [LIBS libraries...]): one folder of backends/, as the
# program libexec/strop/strop-worker-NAME. core and formats are always there.
function(strop_worker name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LIBS")
  _strop_sources(sources)
  if(NOT sources)
    message(STATUS "worker ${name} has no sources yet")
    return()
  endif()
  set(target strop-worker-${name})
  add_executable(${target} ${sources})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${target} PRIVATE strop_flags ${arg_LIBS})
  _strop_link(${target} core formats ${arg_DEPENDS})
  # An engine's libraries come with the worker when it is installed, one folder per engine.
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/libexec/strop"
    INSTALL_RPATH "$ORIGIN/../../lib/strop/llama.cpp;$ORIGIN/../../lib/strop/openvino;\
$ORIGIN/../../lib/strop/onnxruntime;$ORIGIN/../../lib/strop/mlx/mlx/lib")
  install(TARGETS ${target} RUNTIME DESTINATION libexec/strop COMPONENT strop)
endfunction()

# Puts what every worker in Python needs, and each backend's toolchain under its name, into `folder`
# and into the installation.
function(strop_toolchains folder)
  file(GLOB shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/toolchain/python/*.py")
  file(MAKE_DIRECTORY "${folder}")
  foreach(file IN LISTS shared)
    configure_file("${file}" "${folder}" COPYONLY)
  endforeach()
  install(FILES ${shared} DESTINATION share/strop/toolchains)
  file(GLOB toolchains CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/backends/*/toolchain*/toolchain.json")
  foreach(manifest IN LISTS toolchains)
    cmake_path(GET manifest PARENT_PATH toolchain)
    file(READ "${manifest}" text)
    string(JSON name GET "${text}" name)
    file(MAKE_DIRECTORY "${folder}/${name}")
    file(GLOB files CONFIGURE_DEPENDS "${toolchain}/toolchain.json" "${toolchain}/*.txt" "${toolchain}/*.py")
    foreach(file IN LISTS files)
      configure_file("${file}" "${folder}/${name}" COPYONLY)
      install(FILES "${file}" DESTINATION share/strop/toolchains/${name})
    endforeach()
  endforeach()
endfunction()

# strop_app(NAME [DEPENDS modules...] [LIBS libraries...]): one folder of apps/, as bin/NAME. It
# sees the public headers only.
function(strop_app name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LIBS")
  _strop_sources(sources)
  if(NOT sources)
    message(STATUS "app ${name} has no sources yet")
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE strop_flags ${arg_LIBS})
  _strop_link(${name} ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT strop)
endfunction()

# strop_test(NAME [DEPENDS modules...] [LIBS libraries...] [LABELS labels...] [TIMEOUT seconds]
#            [ARGS arguments...] [SOURCES files...]): the *_test.cpp files of the folder as one
# doctest program and one ctest. Label `fast` unless told otherwise. Without DEPENDS it tests the
# module of its own name. Other files come in by SOURCES, such as those of a backend's folder.
function(strop_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "DEPENDS;LIBS;LABELS;ARGS;SOURCES")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp")
  if(NOT sources)
    message(STATUS "test ${name} has no sources yet")
    return()
  endif()
  if(NOT arg_DEPENDS)
    set(arg_DEPENDS ${name})
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(target test-${name})
  add_executable(${target} ${sources} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated" "${PROJECT_SOURCE_DIR}/src"
    "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${target} PRIVATE
    STROP_SOURCE_DIR="${PROJECT_SOURCE_DIR}" STROP_BUILD_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${target} PRIVATE strop_flags strop_test_main ${arg_LIBS})
  _strop_link(${target} ${arg_DEPENDS})
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests"
    OUTPUT_VARIABLE place)
  if(place MATCHES "^unit/")
    set(test unit.${name})
  else()
    set(test ${name})
  endif()
  add_test(NAME ${test} COMMAND ${target} ${arg_ARGS})
  set_tests_properties(${test} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
    SKIP_RETURN_CODE 77)
endfunction()

# Names every module that is asked for and does not exist.
function(strop_check_modules)
  get_property(modules GLOBAL PROPERTY STROP_MODULES)
  get_property(wanted GLOBAL PROPERTY STROP_WANTED)
  foreach(pair IN LISTS wanted)
    string(REPLACE ">" ";" pair "${pair}")
    list(GET pair 0 user)
    list(GET pair 1 module)
    if(NOT module IN_LIST modules)
      message(WARNING "${user} depends on the module ${module}, which does not exist")
    endif()
  endforeach()
endfunction()

# strop_fuzz(NAME [DEPENDS modules...] [LIBS libraries...]): fuzz/fuzz_NAME.cpp. With clang and
# STROP_FUZZ it is a libFuzzer program; otherwise fuzz/replay_main.cpp runs it over fuzz/corpus/NAME
# and tests/attacks/NAME, as a ctest.
function(strop_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LIBS")
  set(target fuzz-${name})
  add_executable(${target} fuzz_${name}.cpp)
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated" "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${target} PRIVATE strop_flags ${arg_LIBS})
  _strop_link(${target} ${arg_DEPENDS})
  if(STROP_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_sources(${target} PRIVATE replay_main.cpp)
  set(seeds "")
  foreach(folder "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}" "${PROJECT_SOURCE_DIR}/tests/attacks/${name}")
    if(IS_DIRECTORY "${folder}")
      list(APPEND seeds "${folder}")
    endif()
  endforeach()
  add_test(NAME fuzz.${name} COMMAND ${target} ${seeds})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS "fast;fuzz" TIMEOUT 120)
endfunction()
