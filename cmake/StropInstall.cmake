# What `cmake --install` puts where.

install(DIRECTORY "${PROJECT_SOURCE_DIR}/share/" DESTINATION share/strop COMPONENT strop OPTIONAL)
