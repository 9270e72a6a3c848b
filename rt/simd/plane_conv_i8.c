/* SPDX-License-Identifier: Apache-2.0
 * The same text as in plain C, for this instruction set. */
#include "../c/plane_conv_i8.c" /* NOLINT(bugprone-suspicious-include) */
