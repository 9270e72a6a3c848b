# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where of the runtime alone.
include(GNUInstallDirs)
install(TARGETS coppice_rt EXPORT coppiceTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS coppice_runtime LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY rt/include/ rt/host DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice/rt FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
