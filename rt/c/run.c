/* SPDX-License-Identifier: Apache-2.0 */
#include "coppice_program.h"

typedef struct phase_context {
  const coppice_program* program;
  const coppice_run_state* rs;
  const coppice_phase* phase;
  char* scratch;
  size_t scratch_stride;
} phase_context;

static int32_t group_items(const coppice_group* group, const coppice_run_state* rs) {
  const int32_t tiles = coppice_tile_count(rs, group->width);
  switch (group->kind) {
    case COPPICE_ITEM_TILE:
      return tiles;
    case COPPICE_ITEM_PART:
      return group->parts;
    default:
      return tiles * group->parts;
  }
}

static void run_item(void* ctx, int32_t index, int32_t thread) {
  const phase_context* c = (const phase_context*)ctx;
  const coppice_group* group = c->program->groups + c->phase->group_begin;
  for (int32_t items; index >= (items = group_items(group, c->rs)); ++group) index -= items;

  const int32_t tiles = coppice_tile_count(c->rs, group->width);
  coppice_item item = {0, tiles, 0, group->parts, c->scratch + (size_t)thread * c->scratch_stride};
  if (group->kind == COPPICE_ITEM_TILE) {
    item.tile_begin = index;
    item.tile_end = index + 1;
  } else if (group->kind == COPPICE_ITEM_PART) {
    item.part_begin = index;
    item.part_end = index + 1;
  } else {
    /* Tiles innermost: threads that work side by side then read the same weights. */
    item.tile_begin = index % tiles;
    item.tile_end = item.tile_begin + 1;
    item.part_begin = index / tiles;
    item.part_end = item.part_begin + 1;
  }
  coppice_run_state rs = *c->rs;
  rs.slot = thread;
  for (int32_t call = group->call_begin; call < group->call_end; ++call) {
    const coppice_call* now = c->program->calls + call;
    if (group->kind == COPPICE_ITEM_TILE) item.part_end = now->parts;
    now->kernel(now->args, &rs, &item);
  }
}

void coppice_run_program(const coppice_program* program, const coppice_run_state* rs, coppice_par_for par_for,
                         void* par_ctx, void* scratch, size_t scratch_stride) {
  phase_context context = {program, rs, NULL, (char*)scratch, scratch_stride};
  for (int32_t p = 0; p < program->phase_count; ++p) {
    context.phase = program->phases + p;
    int32_t items = 0;
    for (int32_t g = context.phase->group_begin; g < context.phase->group_end; ++g)
      items += group_items(program->groups + g, rs);
    par_for(par_ctx, items, run_item, &context);
  }
}
