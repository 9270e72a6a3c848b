// SPDX-License-Identifier: Apache-2.0
#include "pack/image_plan.h"

#include <algorithm>

#include "coppice_planes.h"
#include "pack/arena.h"

namespace coppice::pack {
namespace {

int64_t bytes_of(const coppice_cpk_value& v) {
  return int64_t{v.channels} * (v.height + 2 * v.halo) * (v.width + 2 * v.halo) *
             (v.type == COPPICE_CPK_F32 ? 4 : 1) +
         COPPICE_PLANE_SLACK;
}

bool is_port(const coppice_cpk_value& v) {
  return v.kind == COPPICE_CPK_INPUT || v.kind == COPPICE_CPK_OUTPUT;
}

// Why a step cannot do with samples what it does with pixels; null: it can.
const char* obstacle(const ImagePlan& plan, const coppice_cpk_step& step) {
  for (const int32_t v : {step.a, step.b, step.y}) {
    if (v < 0) continue;
    const coppice_cpk_value& value = plan.values[static_cast<size_t>(v)].value;
    if (value.height != 1 || value.width != 1 || value.halo != 0)
      return "works on pictures, whose pixels fill vectors already";
  }
  switch (step.op) {
    case COPPICE_CPK_CONV:
    case COPPICE_CPK_POOL:
      return "works on pictures, even though of one pixel";
    case COPPICE_CPK_NORM:
      return "joins all numbers of a sample";
    default:
      return nullptr;
  }
}

// Numbers are features of one pixel, then of `width` of them.
coppice_cpk_step widened(coppice_cpk_step step, const ImagePlan& single) {
  if (step.op == COPPICE_CPK_LINEAR) {
    step.op = COPPICE_CPK_CONV;
    step.as.conv = {1,
                    1,
                    1,
                    1,
                    0,
                    0,
                    single.values[static_cast<size_t>(step.y)].value.channels,
                    single.values[static_cast<size_t>(step.a)].value.channels};
  } else if (step.op == COPPICE_CPK_COPY) {
    step.as.copy.step_y = step.as.copy.step_x = 1;  // between the samples none is left out
  }
  return step;
}

// Appends the step that lays samples side by side, or one after the other again.
void turn(ImagePlan& plan, int32_t from, int32_t to, const std::string& name) {
  coppice_cpk_step step{};
  step.op = COPPICE_CPK_TURN;
  step.a = from;
  step.b = -1;
  step.y = to;
  plan.steps.push_back(step);
  plan.described.push_back({.name = name});
}

}  // namespace

void place(ImagePlan& plan) {
  std::vector<ArenaValue> lives(plan.values.size());
  for (size_t v = 0; v < plan.values.size(); ++v) {
    const auto root = static_cast<size_t>(plan.values[v].root);
    lives[root].bytes = std::max(lives[root].bytes, bytes_of(plan.values[v].value));
    lives[v].first = INT32_MAX;
    lives[v].last = -1;
  }
  for (size_t s = 0; s < plan.steps.size(); ++s)
    for (const int32_t v : {plan.steps[s].a, plan.steps[s].b, plan.steps[s].y}) {
      if (v < 0) continue;
      ArenaValue& life = lives[static_cast<size_t>(plan.values[static_cast<size_t>(v)].root)];
      life.first = std::min(life.first, static_cast<int32_t>(s));
      life.last = std::max(life.last, static_cast<int32_t>(s));
    }
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].root != static_cast<int32_t>(v) || plan.values[v].value.kind != COPPICE_CPK_SCRATCH)
      lives[v].bytes = 0;
  const ArenaPlan arena = plan_arena(lives);
  for (ImageValue& v : plan.values) {
    if (v.value.kind == COPPICE_CPK_SCRATCH)
      v.value.place =
          static_cast<uint32_t>(arena.offset[static_cast<size_t>(v.root)] / COPPICE_CPK_ALIGNMENT);
    else
      v.value.place = v.value.kind == COPPICE_CPK_INPUT ? 0 : 1;
  }
  plan.arena_bytes = arena.bytes;
}

Result<ImagePlan> tiles_of(const ImagePlan& single, int32_t width) {
  for (const bool copies : {false, true})  // which come before the step that needs them
    for (size_t s = 0; s < single.steps.size(); ++s) {
      if ((single.steps[s].op == COPPICE_CPK_COPY) != copies) continue;
      if (const char* why = obstacle(single, single.steps[s]))
        return unsupported("--batch: '" + single.described[s].name + "' " + why +
                           "; leave it out: samples then run one after the other");
    }
  ImagePlan tiles;
  tiles.width = width;
  tiles.values = single.values;
  std::vector<int32_t> beside(single.values.size());  // where samples lie side by side
  std::vector<std::pair<int32_t, int32_t>> answers;   // from there to the caller
  for (size_t v = 0; v < single.values.size(); ++v) {
    beside[v] = static_cast<int32_t>(v);
    tiles.values[v].value.width = width;
    if (!is_port(single.values[v].value)) continue;
    beside[v] = static_cast<int32_t>(tiles.values.size());
    ImageValue scratch = tiles.values[v];
    scratch.value.kind = COPPICE_CPK_SCRATCH;
    scratch.name += " side by side";
    scratch.root = beside[v];
    tiles.values.push_back(scratch);
    coppice_cpk_value& port = tiles.values[v].value;
    std::swap(port.channels, port.width);
    if (port.kind == COPPICE_CPK_INPUT)
      turn(tiles, static_cast<int32_t>(v), beside[v], scratch.name);
    else
      answers.emplace_back(beside[v], static_cast<int32_t>(v));
  }
  const auto at = [&](int32_t v) { return v < 0 ? v : beside[static_cast<size_t>(v)]; };
  for (coppice_cpk_step step : single.steps) {
    step = widened(step, single);
    step.a = at(step.a);
    step.b = at(step.b);
    step.y = at(step.y);
    tiles.steps.push_back(step);
  }
  tiles.described.insert(tiles.described.end(), single.described.begin(), single.described.end());
  for (const auto& [from, to] : answers)
    turn(tiles, from, to, single.values[static_cast<size_t>(to)].name + " one by one");
  return tiles;
}

}  // namespace coppice::pack
