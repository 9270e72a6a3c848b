/* SPDX-License-Identifier: Apache-2.0
 * run_images FOLDER: of each 0.cpk, 1.cpk, ... that is there with samples in 0.in (floats), writes what it
 * says to 0.ISA.out, on plain C and on the best kernels of this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coppice.h"
#include "host/kernels.h"

enum { kAlignment = 64, kThreads = 3 };

static void* read_file(const char* folder, int image, const char* suffix, size_t* size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%d.%s", folder, image, suffix);
  FILE* file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  void* bytes = aligned_alloc(kAlignment, (*size + kAlignment) / kAlignment * kAlignment);
  if (!bytes || fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

/* Shared out as for several threads, though one does it all: the last part first. */
static void backwards(void* ctx, int32_t items, void (*fn)(void* fn_ctx, int32_t item, int32_t thread),
                      void* fn_ctx) {
  (void)ctx;
  for (int32_t i = items - 1; i >= 0; --i) fn(fn_ctx, i, i % kThreads);
}

static size_t numbers(coppice_tensor tensor) {
  return (size_t)tensor.channels * (size_t)tensor.height * (size_t)tensor.width;
}

/* Returns 0 where something went wrong. */
static int run_image(const char* folder, int image, const void* bytes, size_t size, const char* isa) {
  coppice_image view;
  coppice_problem problem;
  if (coppice_image_open(&view, bytes, size, &problem) != COPPICE_OK) return 0;
  const coppice_options options = {
      .kernels = coppice_host_kernels(isa), .threads = kThreads, .par_for = backwards};
  const size_t need = coppice_session_bytes(&view, &options);
  void* memory = aligned_alloc(kAlignment, need);
  coppice_session* session = coppice_session_create(&view, &options, memory, need);
  size_t input_bytes;
  float* input = (float*)read_file(folder, image, "in", &input_bytes);
  const size_t in = numbers(coppice_input(&view, 0)), out = numbers(coppice_output(&view, 0));
  float* output = (float*)malloc(out * sizeof(float));
  char path[4096];
  snprintf(path, sizeof path, "%s/%d.%s.out", folder, image, isa);
  FILE* file = fopen(path, "wb");
  if (!session || !input || !output || !file) return 0;
  for (size_t at = 0; at + in <= input_bytes / sizeof(float); at += in) {
    const void* inputs[] = {input + at};
    void* outputs[] = {output};
    coppice_run(session, inputs, outputs);
    if (fwrite(output, sizeof(float), out, file) != out) return 0;
  }
  free(memory);
  free(input);
  free(output);
  return fclose(file) == 0;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const char* best = coppice_host_kernels(NULL)->isa;
  int image = 0;
  for (;; ++image) {
    size_t size;
    void* bytes = read_file(argv[1], image, "cpk", &size);
    if (!bytes) break;
    if (!run_image(argv[1], image, bytes, size, "c") || !run_image(argv[1], image, bytes, size, best)) {
      fprintf(stderr, "%d.cpk: failed\n", image);
      return 1;
    }
    free(bytes);
  }
  printf("%d %s\n", image, best);
  return 0;
}
