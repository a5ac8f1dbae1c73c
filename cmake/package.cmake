# The Debian package: `make package` builds build/package/tieline_VERSION_ARCH.deb. Its files are a component of their own,
# below /, so that `make install` stays what it is.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tieline)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The authors of Tieline <tieline@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "enterprise integration platform in one small program")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Signed events in, a durable ledger, mapping, delivery with retries and limits,\ndead letters, alerts, a web console.")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_SOURCE_DIR}/build/package)
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL package)
set(CPACK_DEBIAN_PACKAGE_PACKAGE_NAME tieline)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, libcurl4 (>= 7.88), tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(debian ${CMAKE_SOURCE_DIR}/packaging/debian)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/debian/conffiles CONTENT "/etc/default/tieline\n/etc/tieline/tieline.yaml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/debian/conffiles ${debian}/postinst ${debian}/prerm
                                       ${debian}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

function(tieline_package_file from to)
  install(FILES ${from} DESTINATION ${to} COMPONENT package EXCLUDE_FROM_ALL ${ARGN})
endfunction()
install(PROGRAMS $<TARGET_FILE:tieline> DESTINATION usr/bin COMPONENT package EXCLUDE_FROM_ALL)
tieline_package_file(${CMAKE_SOURCE_DIR}/packaging/systemd/tieline.service usr/lib/systemd/system)
tieline_package_file(${debian}/tieline.yaml etc/tieline)
tieline_package_file(${debian}/tieline.default etc/default RENAME tieline)
tieline_package_file(${debian}/copyright usr/share/doc/tieline)
tieline_package_file(${CMAKE_SOURCE_DIR}/README.md usr/share/doc/tieline)
tieline_package_file(${CMAKE_SOURCE_DIR}/CHANGELOG.md usr/share/doc/tieline)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION usr/share/doc/tieline COMPONENT package EXCLUDE_FROM_ALL
        FILES_MATCHING PATTERN "*.md")
tieline_package_file(${CMAKE_SOURCE_DIR}/packaging/prometheus/tieline.rules.yml usr/share/tieline)
tieline_package_file(${CMAKE_SOURCE_DIR}/packaging/grafana/tieline.json usr/share/tieline RENAME grafana.json)
add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/completion/tieline
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
  COMMAND tieline completion bash > ${CMAKE_BINARY_DIR}/completion/tieline
  DEPENDS tieline)
add_custom_target(completion DEPENDS ${CMAKE_BINARY_DIR}/completion/tieline)
install(FILES ${CMAKE_BINARY_DIR}/completion/tieline DESTINATION usr/share/bash-completion/completions COMPONENT package
        EXCLUDE_FROM_ALL)
include(CPack)
