# The report page in a real Chromium; skipped where there is none.
add_executable(report-page "${CMAKE_CURRENT_LIST_DIR}/report_page.cpp"
  "${PROJECT_SOURCE_DIR}/tests/unit/report/sample.cpp")
target_include_directories(report-page PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(report-page PRIVATE strop_flags strop_report)
add_test(NAME integration.report_page
  COMMAND "${CMAKE_CURRENT_LIST_DIR}/report_page_check" $<TARGET_FILE:report-page>
          "${PROJECT_SOURCE_DIR}/share/report")
set_tests_properties(integration.report_page PROPERTIES LABELS "fast" TIMEOUT 240 SKIP_RETURN_CODE 77)
