/* SPDX-License-Identifier: Apache-2.0
 * What makes a block of bytes an image: sections where they say they are, values that fit the arena, and
 * steps that read and write nothing else. */
#include <string.h>

#include "steps.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "images are read as they lie in memory, which has to be little-endian"
#endif

_Static_assert(sizeof(coppice_cpk_header) == 32 && sizeof(coppice_cpk_section) == 32 &&
                   sizeof(coppice_cpk_plan) == 32 && sizeof(coppice_cpk_value) == 32 &&
                   sizeof(coppice_cpk_step) == 72,
               "docs/format.md gives these sizes");

typedef struct walk {
  coppice_image* image;
  const coppice_cpk_section* sections;
  coppice_problem problem;
} walk;

static coppice_status refuse(walk* w, coppice_status status, const char* part, int32_t index,
                             const char* what) {
  w->problem = (coppice_problem){what, part, index};
  return status;
}

static uint64_t checksum_of(const void* bytes, uint64_t count) {
  return coppice_cpk_checksum(0, (const uint64_t*)bytes, count / 8);
}

static coppice_status open_header(walk* w, const void* bytes, size_t size) {
  const coppice_cpk_header* header = (const coppice_cpk_header*)bytes;
  if ((uintptr_t)bytes % COPPICE_CPK_ALIGNMENT != 0)
    return refuse(w, COPPICE_INVALID, "header", 0, "the bytes do not begin at a multiple of 64 in memory");
  if (size < sizeof *header || memcmp(header->magic, COPPICE_CPK_MAGIC, sizeof header->magic) != 0)
    return refuse(w, COPPICE_INVALID, "header", 0, "this is not a packed network (.cpk)");
  if (header->version != COPPICE_CPK_VERSION)
    return refuse(w, COPPICE_UNSUPPORTED, "header", 0,
                  "another version of the format than this program reads");
  if (header->file_bytes != size)
    return refuse(w, COPPICE_INVALID, "header", 0, "the file is not as long as it says");
  const size_t table = COPPICE_CPK_SECTIONS * sizeof(coppice_cpk_section);
  if (header->section_count != COPPICE_CPK_SECTIONS || size < sizeof *header + table)
    return refuse(w, COPPICE_INVALID, "header", 0, "there are too few or too many sections");
  w->sections = (const coppice_cpk_section*)(const void*)(header + 1);
  coppice_cpk_header blank = *header;
  blank.checksum = 0;
  const uint64_t hash = coppice_cpk_checksum(checksum_of(&blank, sizeof blank),
                                             (const uint64_t*)(const void*)w->sections, table / 8);
  if (hash != header->checksum)
    return refuse(w, COPPICE_INVALID, "header", 0, "the checksum says that the file was damaged");
  return COPPICE_OK;
}

/* Sections follow each other, so they share no bytes. */
static coppice_status open_sections(walk* w, const unsigned char* bytes, uint64_t size) {
  uint64_t end = sizeof(coppice_cpk_header) + COPPICE_CPK_SECTIONS * sizeof(coppice_cpk_section);
  for (int32_t i = 0; i < COPPICE_CPK_SECTIONS; ++i) {
    const coppice_cpk_section* s = w->sections + i;
    if (s->kind != (uint32_t)i)
      return refuse(w, COPPICE_INVALID, "section", i, "it is of another kind than its place asks for");
    if (s->offset % COPPICE_CPK_ALIGNMENT != 0 || s->bytes % 8 != 0 || s->offset < end || s->offset > size ||
        s->bytes > size - s->offset)
      return refuse(w, COPPICE_INVALID, "section", i,
                    "it does not lie inside the file, behind the one before");
    if (checksum_of(bytes + s->offset, s->bytes) != s->checksum)
      return refuse(w, COPPICE_INVALID, "section", i, "the checksum says that the file was damaged");
    end = s->offset + s->bytes;
  }
  return COPPICE_OK;
}

/* Where a section begins, and how many entries of this size it has; -1 if they do not fill it. */
static const void* entries_of(const walk* w, int32_t section, uint64_t entry_bytes, int32_t* count) {
  const coppice_cpk_section* s = w->sections + section;
  *count = s->bytes % entry_bytes == 0 && s->bytes / entry_bytes <= INT32_MAX
               ? (int32_t)(s->bytes / entry_bytes)
               : -1;
  return w->image->bytes + s->offset;
}

/* The values and steps of a plan, which lie in their sections. */
static void take_plan(coppice_image* image, const coppice_cpk_plan* plan) {
  image->values += plan->value_begin - image->plan->value_begin;
  image->steps += plan->step_begin - image->plan->step_begin;
  image->values_total = plan->value_end - plan->value_begin;
  image->steps_total = plan->step_end - plan->step_begin;
  image->plan = plan;
}

static coppice_status open_plans(walk* w) {
  coppice_image* image = w->image;
  int32_t values, steps;
  image->plans =
      (const coppice_cpk_plan*)entries_of(w, COPPICE_CPK_PLANS, sizeof *image->plans, &image->plans_total);
  image->values = (const coppice_cpk_value*)entries_of(w, COPPICE_CPK_VALUES, sizeof *image->values, &values);
  image->steps = (const coppice_cpk_step*)entries_of(w, COPPICE_CPK_STEPS, sizeof *image->steps, &steps);
  if (image->plans_total < 1 || values < 0 || steps < 0)
    return refuse(w, COPPICE_INVALID, "section",
                  image->plans_total < 1 ? 0
                  : values < 0           ? 1
                                         : 2,
                  "its size is not that of whole entries");
  for (int32_t i = 0; i < image->plans_total; ++i) {
    const coppice_cpk_plan* p = image->plans + i;
    if (p->value_begin < 0 || p->value_begin > p->value_end || p->value_end > values || p->step_begin < 0 ||
        p->step_begin > p->step_end || p->step_end > steps || p->arena_bytes % COPPICE_CPK_ALIGNMENT != 0 ||
        p->arena_bytes > (uint64_t)UINT32_MAX * COPPICE_CPK_ALIGNMENT)
      return refuse(w, COPPICE_INVALID, "plan", i, "its values, steps or bytes are not there");
    if (i == 0 ? p->width != 1 : p->width <= p[-1].width || p->width > COPPICE_CPK_WIDEST)
      return refuse(w, COPPICE_INVALID, "plan", i,
                    "plans do not begin with single samples, or are not in order");
  }
  image->plan = image->plans;
  image->values += image->plan->value_begin;
  image->steps += image->plan->step_begin;
  image->data = image->bytes + w->sections[COPPICE_CPK_DATA].offset;
  image->data_bytes = w->sections[COPPICE_CPK_DATA].bytes;
  image->text = (const char*)image->bytes + w->sections[COPPICE_CPK_TEXT].offset;
  image->text_bytes = w->sections[COPPICE_CPK_TEXT].bytes;
  if (image->data_bytes < COPPICE_CPK_SLACK)
    return refuse(w, COPPICE_INVALID, "section", COPPICE_CPK_DATA, "it does not end in 64 zeros");
  return COPPICE_OK;
}

/* Numbers of a value, halo included; 0 where sizes are absurd. */
static uint64_t numbers_of(const coppice_cpk_value* v) {
  const int32_t most = COPPICE_CPK_LARGEST_AXIS;
  if (v->channels < 1 || v->height < 1 || v->width < 1 || v->halo < 0 || v->channels > most ||
      v->height > most || v->width > most || v->halo > most)
    return 0;
  const uint64_t height = (uint64_t)v->height + 2 * (uint64_t)v->halo,
                 width = (uint64_t)v->width + 2 * (uint64_t)v->halo;
  const uint64_t plane = height * width; /* at most 2^52 */
  return plane > (uint64_t)1 << 31 || plane * (uint64_t)v->channels > (uint64_t)1 << 31
             ? 0
             : plane * (uint64_t)v->channels;
}

static const char* value_problem(const coppice_image* image, const coppice_cpk_value* v) {
  const uint64_t numbers = numbers_of(v);
  if (v->kind >= COPPICE_CPK_VALUE_KINDS || v->type >= COPPICE_CPK_TYPES || v->wrap > 1 || v->reserved != 0)
    return "it is of an unknown kind or type";
  if (numbers == 0) return "its sizes make no sense";
  if (v->zero_point < INT8_MIN || v->zero_point > INT8_MAX || !(v->scale > 0.0f) || v->scale > 1e30f)
    return "its scale or zero point makes no sense";
  const uint64_t bytes = numbers * (v->type == COPPICE_CPK_F32 ? 4 : 1);
  switch (v->kind) {
    case COPPICE_CPK_INPUT:
    case COPPICE_CPK_OUTPUT:
      return v->place < COPPICE_MAX_INPUTS && v->halo == 0 ? NULL : "it is no input or output of a caller";
    case COPPICE_CPK_CONST:
      return (uint64_t)v->place * 4 + bytes + COPPICE_CPK_SLACK <= image->data_bytes
                 ? NULL
                 : "it does not lie in the data section";
    default:
      return (uint64_t)v->place * COPPICE_CPK_ALIGNMENT + bytes + COPPICE_PLANE_SLACK <=
                     image->plan->arena_bytes
                 ? NULL
                 : "it does not lie in the arena";
  }
}

static int32_t plan_index(const coppice_image* image) { return (int32_t)(image->plan - image->plans); }

/* Inputs and outputs have the numbers 0, 1, ..., inputs first, each once. */
static coppice_status count_ports(walk* w) {
  coppice_image* image = w->image;
  int32_t owner[COPPICE_MAX_INPUTS] = {0}, kinds[COPPICE_MAX_INPUTS] = {0}, ports = 0;
  for (int32_t i = 0; i < image->values_total; ++i) {
    const coppice_cpk_value* v = image->values + i;
    if (v->kind != COPPICE_CPK_INPUT && v->kind != COPPICE_CPK_OUTPUT) continue;
    if (owner[v->place]++ != 0)
      return refuse(w, COPPICE_INVALID, "value", image->plan->value_begin + i, "another one has its number");
    kinds[v->place] = v->kind;
    ++ports;
  }
  int32_t inputs = 0, outputs = 0;
  for (int32_t p = 0; p < ports; ++p) {
    if (!owner[p] || (p > 0 && kinds[p] < kinds[p - 1]))
      return refuse(w, COPPICE_INVALID, "plan", plan_index(image),
                    "its inputs and outputs are not numbered in order");
    *(kinds[p] == COPPICE_CPK_INPUT ? &inputs : &outputs) += 1;
  }
  if (image->plan != image->plans && (inputs != image->inputs || outputs != image->outputs))
    return refuse(w, COPPICE_INVALID, "plan", plan_index(image),
                  "it has other inputs or outputs than the first");
  image->inputs = inputs;
  image->outputs = outputs;
  return COPPICE_OK;
}

static const coppice_cpk_value* port(const coppice_image* image, int32_t place) {
  for (int32_t i = 0; i < image->values_total; ++i) {
    const coppice_cpk_value* v = image->values + i;
    if ((v->kind == COPPICE_CPK_INPUT || v->kind == COPPICE_CPK_OUTPUT) && v->place == (uint32_t)place)
      return v;
  }
  return NULL;
}

/* Of single samples. */
static coppice_image first_plan(const coppice_image* image) {
  coppice_image first = *image;
  take_plan(&first, first.plans);
  return first;
}

/* A tile of samples goes in and out as [samples][1][numbers of a sample]. */
static coppice_status open_ports(walk* w) {
  const coppice_image* image = w->image;
  const coppice_image first = first_plan(image);
  for (int32_t p = 0; p < image->inputs + image->outputs; ++p) {
    const coppice_cpk_value *v = port(image, p), *one = port(&first, p);
    if (v->channels != image->plan->width || v->height != 1 || (uint64_t)v->width != numbers_of(one) ||
        v->kind != one->kind || v->type != one->type || v->zero_point != one->zero_point ||
        memcmp(&v->scale, &one->scale, sizeof v->scale) != 0)
      return refuse(w, COPPICE_INVALID, "plan", plan_index(image),
                    "what goes in and out are not samples as in the first");
  }
  return COPPICE_OK;
}

static coppice_status open_values(walk* w) {
  for (int32_t i = 0; i < w->image->values_total; ++i) {
    const char* what = value_problem(w->image, w->image->values + i);
    if (what) return refuse(w, COPPICE_INVALID, "value", w->image->plan->value_begin + i, what);
  }
  const coppice_status status = count_ports(w);
  return status != COPPICE_OK || w->image->plan == w->image->plans ? status : open_ports(w);
}

static coppice_status open_steps(walk* w) {
  coppice_builder b = {.image = w->image, .threads = 1, .verify = 1};
  return coppice_build_steps(&b)
             ? COPPICE_OK
             : refuse(w, COPPICE_INVALID, b.part, w->image->plan->step_begin + b.index, b.what);
}

coppice_status coppice_image_open(coppice_image* image, const void* bytes, size_t size,
                                  coppice_problem* problem) {
  memset(image, 0, sizeof *image);
  image->bytes = (const unsigned char*)bytes;
  walk w = {.image = image};
  coppice_status status = open_header(&w, bytes, size);
  if (status == COPPICE_OK) status = open_sections(&w, image->bytes, size);
  if (status == COPPICE_OK) status = open_plans(&w);
  for (int32_t i = 0; status == COPPICE_OK && i < image->plans_total; ++i) {
    take_plan(image, image->plans + i);
    status = open_values(&w);
    if (status == COPPICE_OK) status = open_steps(&w);
  }
  if (status == COPPICE_OK) take_plan(image, image->plans);
  if (problem) *problem = w.problem;
  return status;
}

coppice_status coppice_image_choose(coppice_image* image, int32_t width) {
  for (int32_t i = 0; i < image->plans_total; ++i)
    if (image->plans[i].width == width) {
      take_plan(image, image->plans + i);
      return COPPICE_OK;
    }
  return COPPICE_UNSUPPORTED;
}

static coppice_tensor tensor_of(const coppice_image* image, int32_t place) {
  const coppice_image first = first_plan(image);
  const coppice_cpk_value* v = port(&first, place);
  if (!v) return (coppice_tensor){0};
  return (coppice_tensor){v->channels, v->height,    v->width, v->type == COPPICE_CPK_I8,
                          v->scale,    v->zero_point};
}

coppice_tensor coppice_input(const coppice_image* image, int32_t index) { return tensor_of(image, index); }
coppice_tensor coppice_output(const coppice_image* image, int32_t index) {
  return tensor_of(image, image->inputs + index);
}
size_t coppice_arena_bytes(const coppice_image* image) { return (size_t)image->plan->arena_bytes; }
