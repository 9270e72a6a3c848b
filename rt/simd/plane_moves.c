/* SPDX-License-Identifier: Apache-2.0
 * The same text as in plain C, for this instruction set; but every second pixel of a row, of which a
 * convolution with stride 2 has its input made, by hand: for rows this short gcc takes longer to find out
 * whether they overlap than to copy them. */
#include "vec.h"

#if LANES == 4
typedef uint32_t words __attribute__((vector_size(16), aligned(4), may_alias));
#define WORDS_PICKED 0, 2, 5, 7
#else
typedef uint32_t words __attribute__((vector_size(32), aligned(4), may_alias));
#define WORDS_PICKED 0, 2, 4, 6, 9, 11, 13, 15
#endif
typedef int8_t bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
typedef int8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

enum { kWords = sizeof(words) / 4 };

/* The upper half begins one element early, so that nothing behind the last one is read. */
INLINE void second_words(uint32_t* to, const uint32_t* from) {
  const words lower = *(const words*)from, upper = *(const words*)(from + kWords - 1);
  *(words*)to = __builtin_shufflevector(lower, upper, WORDS_PICKED);
}
INLINE void second_bytes8(char* to, const char* from) {
  const bytes8 lower = *(const bytes8*)from, upper = *(const bytes8*)(from + 7);
  *(bytes8*)to = __builtin_shufflevector(lower, upper, 0, 2, 4, 6, 9, 11, 13, 15);
}
INLINE void second_bytes16(char* to, const char* from) {
  const bytes16 lower = *(const bytes16*)from, upper = *(const bytes16*)(from + 15);
  *(bytes16*)to =
      __builtin_shufflevector(lower, upper, 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
}

/* The last vector overlaps the one before. */
#define EVERY_SECOND
static void every_second_4(uint32_t* to, const uint32_t* from, int32_t count) {
  int32_t i = 0;
  for (; i + kWords <= count; i += kWords) second_words(to + i, from + 2 * i);
  if (i == count) return;
  if (count >= kWords)
    second_words(to + count - kWords, from + 2 * (count - kWords));
  else
    for (; i < count; ++i) to[i] = from[2 * i];
}
static void every_second_1(char* to, const char* from, int32_t count) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) second_bytes16(to + i, from + 2 * i);
  for (; i + 8 <= count; i += 8) second_bytes8(to + i, from + 2 * i);
  if (i == count) return;
  if (count >= 8)
    second_bytes8(to + count - 8, from + 2 * (count - 8));
  else
    for (; i < count; ++i) to[i] = from[2 * i];
}

#include "../c/plane_moves.c" /* NOLINT(bugprone-suspicious-include) */
