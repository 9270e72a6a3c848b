/* SPDX-License-Identifier: Apache-2.0
 * C API of the Coppice runtime: versions and status codes. The calls for packed images come with them.
 * Every function here may be called from any thread; none allocates, prints or exits. */
#ifndef COPPICE_H
#define COPPICE_H

#ifdef __cplusplus
extern "C" {
#endif

#define COPPICE_VERSION_MAJOR 0
#define COPPICE_VERSION_MINOR 1
#define COPPICE_VERSION_PATCH 0
#define COPPICE_VERSION_STRING "0.1.0"

typedef enum coppice_status {
  COPPICE_OK = 0,
  COPPICE_INVALID = 1,
  COPPICE_UNSUPPORTED = 2,
} coppice_status;

#ifdef __cplusplus
}
#endif
#endif
