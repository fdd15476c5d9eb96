# What `cmake --install` and cpack put where:
#   bin/strop, libexec/strop/strop-worker-*, share/strop   the program
#   lib/strop/ENGINE                                       an engine that tools/setup fetched
#   include/strop, lib/libstrop.a, lib/cmake/strop         for programs that use the library
#   share/doc/strop, share/man, shells' folders            documentation, manual page, completions
# An engine that the system brought stays where it is. Paths between these are relative, so that the
# whole can be moved.

install(DIRECTORY "${PROJECT_SOURCE_DIR}/share/" DESTINATION share/strop OPTIONAL)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
  "${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${PROJECT_SOURCE_DIR}/SECURITY.md"
  DESTINATION share/doc/strop OPTIONAL)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" DESTINATION share/doc/strop
  FILES_MATCHING PATTERN "*.md")

# What `strop ARGUMENTS...` prints when it is installed, as the file PLACE/NAME.
function(strop_install_printed place name)
  set(file "${PROJECT_BINARY_DIR}/printed/${name}")
  list(JOIN ARGN " " arguments)
  install(CODE "file(MAKE_DIRECTORY \"${PROJECT_BINARY_DIR}/printed\")
execute_process(COMMAND \"$<TARGET_FILE:strop>\" ${arguments}
  OUTPUT_FILE \"${file}\" COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES "${file}" DESTINATION "${place}")
endfunction()

if(TARGET strop AND NOT CMAKE_CROSSCOMPILING)
  strop_install_printed(share/man/man1 strop.1 man)
  strop_install_printed(share/bash-completion/completions strop completion bash)
  strop_install_printed(share/fish/vendor_completions.d strop.fish completion fish)
  # Where zsh looks below /usr/local, and below /usr on Debian.
  strop_install_printed(share/zsh/site-functions _strop completion zsh)
  strop_install_printed(share/zsh/vendor-completions _strop completion zsh)
endif()

# Every module of src/ in one library, made only from public headers outside.
add_library(strop_library STATIC)
get_property(modules GLOBAL PROPERTY STROP_MODULES)
foreach(module IN LISTS modules)
  target_sources(strop_library PRIVATE $<TARGET_OBJECTS:strop_${module}>)
endforeach()
target_include_directories(strop_library INTERFACE $<INSTALL_INTERFACE:include>)
target_compile_features(strop_library INTERFACE cxx_std_20)
target_link_libraries(strop_library PRIVATE OpenSSL::Crypto Threads::Threads)
set_target_properties(strop_library PROPERTIES OUTPUT_NAME strop EXPORT_NAME strop LINKER_LANGUAGE CXX
  ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
add_library(strop::strop ALIAS strop_library)

install(TARGETS strop_library EXPORT stropTargets ARCHIVE DESTINATION lib)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/strop" DESTINATION include)
install(FILES "${PROJECT_BINARY_DIR}/generated/strop/version.h" DESTINATION include/strop)
install(EXPORT stropTargets NAMESPACE strop:: DESTINATION lib/cmake/strop)

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/stropConfig.cmake.in stropConfig.cmake
  INSTALL_DESTINATION lib/cmake/strop)
write_basic_package_version_file(stropConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/stropConfig.cmake" "${PROJECT_BINARY_DIR}/stropConfigVersion.cmake"
  DESTINATION lib/cmake/strop)

if(STROP_HAVE_LLAMA)
  cmake_path(IS_PREFIX STROP_SDK_DIR "${llama_DIR}" NORMALIZE fetched)
  if(fetched)
    install(DIRECTORY "${STROP_SDK_DIR}/llama.cpp/lib/" DESTINATION lib/strop/llama.cpp
      FILES_MATCHING PATTERN "libllama.so*" PATTERN "libggml*.so*"
      PATTERN "cmake" EXCLUDE PATTERN "pkgconfig" EXCLUDE)
    install(FILES "${STROP_SDK_DIR}/llama.cpp/share/doc/llama.cpp/LICENSE"
      DESTINATION share/doc/strop/llama.cpp)
  endif()
endif()

if(STROP_HAVE_OPENVINO)
  cmake_path(IS_PREFIX STROP_SDK_DIR "${OpenVINO_DIR}" NORMALIZE fetched)
  if(fetched)
    # Without the C interface and the readers of formats that no worker takes.
    install(DIRECTORY "${STROP_OPENVINO_LIBS}/" DESTINATION lib/strop/openvino
      FILES_MATCHING PATTERN "lib*.so*"
      PATTERN "libopenvino_c.so*" EXCLUDE PATTERN "*_tensorflow_*" EXCLUDE
      PATTERN "*_pytorch_*" EXCLUDE PATTERN "*_paddle_*" EXCLUDE PATTERN "*_jax_*" EXCLUDE)
    file(GLOB licenses "${STROP_SDK_DIR}/openvino/openvino-*.dist-info/licenses")
    install(DIRECTORY "${licenses}/" DESTINATION share/doc/strop/openvino)
  endif()
endif()

if(STROP_HAVE_ONNXRUNTIME)
  cmake_path(IS_PREFIX STROP_SDK_DIR "${STROP_ONNXRUNTIME_LIBRARY}" NORMALIZE fetched)
  if(fetched)
    install(DIRECTORY "${STROP_SDK_DIR}/onnxruntime/lib/" DESTINATION lib/strop/onnxruntime)
    install(FILES "${STROP_SDK_DIR}/onnxruntime/LICENSE"
      "${STROP_SDK_DIR}/onnxruntime/ThirdPartyNotices.txt" DESTINATION share/doc/strop/onnxruntime)
  endif()
endif()

if(STROP_HAVE_MLX)
  cmake_path(IS_PREFIX STROP_SDK_DIR "${MLX_DIR}" NORMALIZE fetched)
  if(fetched)
    # The folders keep their places to each other: the library looks for its own beside itself.
    install(DIRECTORY "${STROP_SDK_DIR}/mlx/mlx/lib" DESTINATION lib/strop/mlx/mlx)
    install(DIRECTORY "${STROP_SDK_DIR}/mlx/mlx_cpu.libs" DESTINATION lib/strop/mlx OPTIONAL)
    file(GLOB licenses "${STROP_SDK_DIR}/mlx/mlx_*.dist-info/licenses" "${STROP_SDK_DIR}/mlx/mlx_*.dist-info/sboms")
    install(DIRECTORY ${licenses} DESTINATION share/doc/strop/mlx)
  endif()
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME strop)
set(CPACK_PACKAGE_VENDOR "The Strop authors")
set(CPACK_PACKAGE_CONTACT "The Strop authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Optimises AI models for a target, with the evidence")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.36), libstdc++6 (>= 12), libssl3 | libssl3t64, libpng16-16 | libpng16-16t64, libjpeg62-turbo, libarchive13 | libarchive13t64")
include(CPack)
