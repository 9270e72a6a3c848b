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

/* A square of numbers: after a round that deals out the rows of the upper and the lower half lane by lane,
 * the bits of row and lane have rotated by one; after as many rounds as a lane has bits, they are swapped. */
#if LANES == 16
#define DEAL_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define DEAL_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define DEAL_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define DEAL_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define DEAL_LOW 0, 4, 1, 5
#define DEAL_HIGH 2, 6, 3, 7
#endif
#define TURN_TOGETHER
enum { kTurnTogether = LANES };
INLINE void turn_together(const float* x, int64_t x_row, float* y, int64_t y_row) {
  vec rows[LANES], dealt[LANES];
  UNROLL for (int i = 0; i < LANES; ++i) rows[i] = v_load(x + i * x_row);
  UNROLL for (int bit = 1; bit < LANES; bit *= 2) {
    UNROLL for (int i = 0; i < LANES / 2; ++i) {
      dealt[2 * i] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], DEAL_LOW);
      dealt[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], DEAL_HIGH);
    }
    UNROLL for (int i = 0; i < LANES; ++i) rows[i] = dealt[i];
  }
  UNROLL for (int i = 0; i < LANES; ++i) v_store(y + i * y_row, rows[i]);
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

/* Both halves of a vector of pairs. Rows shorter than one are dealt one by one. */
#if LANES == 4
#define WORDS_EVEN 0, 2, 4, 6
#define WORDS_ODD 1, 3, 5, 7
#else
#define WORDS_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define WORDS_ODD 1, 3, 5, 7, 9, 11, 13, 15
#endif
INLINE void deal_words(uint32_t* even, uint32_t* odd, const uint32_t* from) {
  const words lower = *(const words*)from, upper = *(const words*)(from + kWords);
  *(words*)even = __builtin_shufflevector(lower, upper, WORDS_EVEN);
  *(words*)odd = __builtin_shufflevector(lower, upper, WORDS_ODD);
}
static void deal_4(uint32_t* even, uint32_t* odd, const uint32_t* from, int32_t count) {
  int32_t i = 0;
  for (; i + kWords <= count; i += kWords) deal_words(even + i, odd + i, from + 2 * i);
  if (i == count) return;
  if (count >= kWords) {
    i = count - kWords;
    deal_words(even + i, odd + i, from + 2 * i);
  } else {
    for (; i < count; ++i) {
      even[i] = from[2 * i];
      odd[i] = from[2 * i + 1];
    }
  }
}
#define BYTES8_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define BYTES8_ODD 1, 3, 5, 7, 9, 11, 13, 15
INLINE void deal_bytes8(char* even, char* odd, const char* from) {
  const bytes8 lower = *(const bytes8*)from, upper = *(const bytes8*)(from + 8);
  *(bytes8*)even = __builtin_shufflevector(lower, upper, BYTES8_EVEN);
  *(bytes8*)odd = __builtin_shufflevector(lower, upper, BYTES8_ODD);
}
INLINE void deal_bytes16(char* even, char* odd, const char* from) {
  const bytes16 lower = *(const bytes16*)from, upper = *(const bytes16*)(from + 16);
  *(bytes16*)even = __builtin_shufflevector(lower, upper, BYTES8_EVEN, 16, 18, 20, 22, 24, 26, 28, 30);
  *(bytes16*)odd = __builtin_shufflevector(lower, upper, BYTES8_ODD, 17, 19, 21, 23, 25, 27, 29, 31);
}
static void deal_1(char* even, char* odd, const char* from, int32_t count) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) deal_bytes16(even + i, odd + i, from + 2 * i);
  for (; i + 8 <= count; i += 8) deal_bytes8(even + i, odd + i, from + 2 * i);
  if (i == count) return;
  if (count >= 8) {
    i = count - 8;
    deal_bytes8(even + i, odd + i, from + 2 * i);
  } else {
    for (; i < count; ++i) {
      even[i] = from[2 * i];
      odd[i] = from[2 * i + 1];
    }
  }
}

/* Sums over a window: gcc takes lanes apart that are an array. */
typedef float floats8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ints8 __attribute__((vector_size(32)));

#define MEAN_OF_WINDOW
static float mean_f32_of_window(const float* x, int64_t pitch, int32_t height, int32_t width) {
  floats8 lanes = {0};
  float ends = 0.0f;
  for (int32_t y = 0; y < height; ++y, x += pitch) {
    int32_t i = 0;
    for (; i + 8 <= width; i += 8) lanes += *(const floats8*)(x + i);
    for (; i < width; ++i) ends += x[i];
  }
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) +
         ends;
}
static int32_t mean_i8_of_window(const int8_t* x, int64_t pitch, int32_t height, int32_t width) {
  ints8 lanes = {0};
  int32_t sum = 0;
  for (int32_t y = 0; y < height; ++y, x += pitch) {
    int32_t i = 0;
    for (; i + 8 <= width; i += 8) lanes += __builtin_convertvector(*(const bytes8*)(x + i), ints8);
    for (; i < width; ++i) sum += x[i];
  }
  UNROLL for (int l = 0; l < 8; ++l) sum += lanes[l];
  return sum;
}

#include "../c/plane_moves.c" /* NOLINT(bugprone-suspicious-include) */
