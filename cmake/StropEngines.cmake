# The engines' SDKs: an installed one first, else the one that tools/setup fetched. A missing SDK
# only leaves its worker out. Workers ask `if(STROP_HAVE_LLAMA)` and the like.

set(STROP_SDK_DIR "${PROJECT_SOURCE_DIR}/build/sdk" CACHE PATH "Where tools/setup puts the SDKs")

# A newly fetched SDK is looked at by the next build.
if(EXISTS "${STROP_SDK_DIR}/READY")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${STROP_SDK_DIR}/READY")
endif()

set(STROP_HAVE_LLAMA OFF)
set(STROP_HAVE_OPENVINO OFF)
set(STROP_HAVE_ONNXRUNTIME OFF)
set(STROP_HAVE_MLX OFF)
if(STROP_ENGINES)
  # Gives the imported target `llama`, which brings ggml and ggml-base.
  find_package(llama QUIET PATHS "${STROP_SDK_DIR}/llama.cpp")
  if(llama_FOUND)
    set(STROP_HAVE_LLAMA ON)
    message(STATUS "llama.cpp: ${llama_DIR}")
  else()
    message(STATUS "llama.cpp: not found, its worker is left out (tools/setup fetches it)")
  endif()

  # Gives openvino::runtime; strop_openvino_gguf is the GGUF frontend's library, whose passes
  # OpenVINO's own package does not export.
  find_package(OpenVINO 2026.4 QUIET PATHS "${STROP_SDK_DIR}/openvino/openvino/cmake")
  if(OpenVINO_FOUND)
    get_target_property(_openvino_library openvino::runtime LOCATION)
    cmake_path(GET _openvino_library PARENT_PATH STROP_OPENVINO_LIBS)
    file(GLOB _openvino_gguf "${STROP_OPENVINO_LIBS}/libopenvino_gguf_frontend.so*")
    if(_openvino_gguf)
      list(GET _openvino_gguf 0 _openvino_gguf)
      add_library(strop_openvino_gguf SHARED IMPORTED GLOBAL)
      set_target_properties(strop_openvino_gguf PROPERTIES IMPORTED_LOCATION "${_openvino_gguf}")
      target_link_libraries(strop_openvino_gguf INTERFACE openvino::runtime)
      set(STROP_HAVE_OPENVINO ON)
      message(STATUS "OpenVINO: ${OpenVINO_DIR}")
    else()
      message(STATUS "OpenVINO: ${OpenVINO_DIR} has no GGUF frontend, its worker is left out")
    endif()
  else()
    message(STATUS "OpenVINO: not found, its worker is left out (tools/setup fetches it)")
  endif()

  # Gives strop_onnxruntime. An installed one is taken when its headers and library are found in the
  # usual places; the wheel has the library only, tools/setup adds the headers.
  find_path(STROP_ONNXRUNTIME_INCLUDE onnxruntime_cxx_api.h
    PATH_SUFFIXES onnxruntime PATHS "${STROP_SDK_DIR}/onnxruntime/include")
  find_library(STROP_ONNXRUNTIME_LIBRARY NAMES onnxruntime libonnxruntime.so.1
    PATHS "${STROP_SDK_DIR}/onnxruntime/lib")
  mark_as_advanced(STROP_ONNXRUNTIME_INCLUDE STROP_ONNXRUNTIME_LIBRARY)
  if(STROP_ONNXRUNTIME_INCLUDE AND STROP_ONNXRUNTIME_LIBRARY)
    add_library(strop_onnxruntime SHARED IMPORTED GLOBAL)
    set_target_properties(strop_onnxruntime PROPERTIES
      IMPORTED_LOCATION "${STROP_ONNXRUNTIME_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${STROP_ONNXRUNTIME_INCLUDE}")
    set(STROP_HAVE_ONNXRUNTIME ON)
    message(STATUS "ONNX Runtime: ${STROP_ONNXRUNTIME_LIBRARY}")
  else()
    message(STATUS "ONNX Runtime: not found, its worker is left out (tools/setup fetches it)")
  endif()

  # Gives the imported target `mlx`.
  find_package(MLX 0.32 CONFIG QUIET PATHS "${STROP_SDK_DIR}/mlx/mlx/share/cmake/MLX")
  if(MLX_FOUND)
    set(STROP_HAVE_MLX ON)
    message(STATUS "MLX: ${MLX_DIR}")
  else()
    message(STATUS "MLX: not found, its worker is left out (tools/setup fetches it)")
  endif()
endif()
