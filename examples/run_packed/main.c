/* SPDX-License-Identifier: Apache-2.0
 * Runs a packed network: main FILE.cpk INPUT.f32, the numbers of one sample as 32-bit floats. It prints what
 * the network says. Only the runtime is linked (libcoppice_rt): no C++, no other library. */
#include <stdio.h>
#include <stdlib.h>

#include "coppice.h"
#include "host/kernels.h"

/* The whole file at a multiple of 64, or NULL. */
static void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  const long bytes = ftell(file);
  rewind(file);
  void* memory = bytes > 0 ? aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64) : NULL;
  if (memory && fread(memory, 1, (size_t)bytes, file) != (size_t)bytes) {
    free(memory);
    memory = NULL;
  }
  fclose(file);
  *size = memory ? (size_t)bytes : 0;
  return memory;
}

static size_t numbers(coppice_tensor tensor) {
  return (size_t)tensor.channels * (size_t)tensor.height * (size_t)tensor.width;
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: %s FILE.cpk INPUT.f32\n", argv[0]), 2;
  size_t size, input_size;
  void* bytes = read_file(argv[1], &size);
  if (!bytes) return fprintf(stderr, "%s: cannot be read\n", argv[1]), 1;
  coppice_image image;
  coppice_problem problem;
  if (coppice_image_open(&image, bytes, size, &problem) != COPPICE_OK)
    return fprintf(stderr, "%s: %s %d: %s\n", argv[1], problem.part, problem.index, problem.what), 1;

  const coppice_tensor in = coppice_input(&image, 0), out = coppice_output(&image, 0);
  void* input = read_file(argv[2], &input_size);
  if (input_size != numbers(in) * sizeof(float))
    return fprintf(stderr, "%s: should be %zu floats\n", argv[2], numbers(in)), 1;
  float* output = (float*)malloc(numbers(out) * sizeof(float));

  /* All memory that it takes; on a microcontroller this is a static array. */
  const coppice_options options = {.kernels = coppice_host_kernels(NULL), .threads = 1};
  const size_t need = coppice_session_bytes(&image, &options);
  void* memory = aligned_alloc(64, need);
  coppice_session* session = coppice_session_create(&image, &options, memory, need);
  if (!session || !output) return fprintf(stderr, "not enough memory for %zu bytes\n", need), 1;

  const void* inputs[] = {input};
  void* outputs[] = {output};
  coppice_run(session, inputs, outputs);
  for (size_t i = 0; i < numbers(out); ++i) printf("%.6g\n", (double)output[i]);
  free(output);
  free(memory);
  free(input);
  free(bytes);
  return 0;
}
