# SPDX-License-Identifier: Apache-2.0
# Writes OUT from coppice_build.h.in, only if it changes: SOURCE is the checkout, VERSION that of the project.
execute_process(COMMAND git describe --always --dirty WORKING_DIRECTORY ${SOURCE} ERROR_QUIET
                OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT COMMIT)
  set(COMMIT "unknown")
endif()
configure_file(${SOURCE}/cli/coppice_build.h.in ${OUT} @ONLY)
