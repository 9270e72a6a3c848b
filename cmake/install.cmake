# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where, and the .deb that cpack makes of it. The public headers include those of src and
# rt, which lie below include/coppice.
include(cmake/install_runtime.cmake)
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/coppice)
install(TARGETS coppice_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS coppice EXPORT coppiceTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT coppiceTargets NAMESPACE coppice:: DESTINATION ${config_dir})
install(DIRECTORY include/coppice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice/src FILES_MATCHING PATTERN "*.h"
        PATTERN "simd" EXCLUDE PATTERN "portable" EXCLUDE PATTERN "c" EXCLUDE PATTERN "support" EXCLUDE)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/coppiceConfig.cmake.in ${PROJECT_BINARY_DIR}/coppiceConfig.cmake
                              INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/coppiceConfig.cmake ${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake
        DESTINATION ${config_dir})
# At installation, as only then the prefix is known.
install(CODE "set(PROJECT_VERSION ${PROJECT_VERSION})\nset(CMAKE_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(CMAKE_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})\nset(COPPICE_HAVE_SIMD $<BOOL:${COPPICE_SIMD}>)
configure_file(\"${PROJECT_SOURCE_DIR}/cmake/coppice.pc.in\" \"${PROJECT_BINARY_DIR}/coppice.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/coppice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The Coppice authors <coppice@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trains and runs truly sparse neural networks on ordinary CPUs")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_STRIP_FILES ON)
include(CPack)
