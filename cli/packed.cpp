// SPDX-License-Identifier: Apache-2.0
#include "packed.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/rng.h"
#include "base/text.h"
#include "command.h"
#include "report/table.h"
#include "report/text.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr int kRounds = 200;

using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

// Of each step the 20th percentile of some rounds, all in turn, on one thread.
std::vector<double> step_times(const PackedSession& session, const PackedImage& image,
                               const coppice_image& plan) {
  const auto steps = static_cast<size_t>(plan.steps_total);
  const int32_t batch = plan.plan->width;
  std::vector<float> input(static_cast<size_t>(elements_of(image.input()) * batch)),
      output(static_cast<size_t>(elements_of(image.output()) * batch));
  Rng rng(1, stream_id("explain", "input"));
  for (float& number : input) number = rng.normal();
  std::vector<std::vector<double>> times(steps);
  for (int round = 0; round < kRounds; ++round) {
    auto before = Clock::now();
    for (size_t s = 0; s < steps; ++s) {
      session.run_step(static_cast<int32_t>(s), input.data(), output.data());
      const auto after = Clock::now();
      times[s].push_back(microseconds(before, after));
      before = after;
    }
  }
  std::vector<double> out;
  for (std::vector<double>& of_step : times) {
    std::sort(of_step.begin(), of_step.end());
    out.push_back(of_step[of_step.size() / 5]);
  }
  return out;
}

std::string density_text(const Json& step) {
  return percent(step["live"].get<double>() / step["total"].get<double>());
}

}  // namespace

bool is_packed(const std::string& path) { return path.ends_with(".cpk") || path.ends_with(".cpk.zst"); }

Result<PackedText> packed_text(const PackedImage& image, const std::string& path) {
  const std::string place = path + ": text";
  TRY_ASSIGN(Json json, parse_json(place, std::string(image.text())));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  PackedText text;
  TRY_ASSIGN(text.model, object.text("model"));
  TRY_ASSIGN(text.arithmetic, object.text("arithmetic"));
  TRY_ASSIGN(text.values, object.texts("values"));
  TRY_ASSIGN(const JsonObject preprocessing, object.object("preprocessing"));
  TRY_ASSIGN(text.preprocessing, read_preprocessing(json_text(preprocessing.raw())));
  TRY_ASSIGN(const std::vector<JsonObject> steps, object.objects("steps"));
  for (const JsonObject& step : steps) {
    TRY(step.text("name").status());
    if (!step.has("weight")) continue;
    for (const char* key : {"block", "format", "reason"}) TRY(step.text(key).status());
    for (const char* key : {"live", "total"}) TRY(step.integer(key, 0, int64_t{1} << 53).status());
  }
  int32_t all_values = 0, all_steps = 0;
  for (int32_t p = 0; p < image.view().plans_total; ++p) {
    all_values = std::max(all_values, image.view().plans[p].value_end);
    all_steps = std::max(all_steps, image.view().plans[p].step_end);
  }
  if (text.values.size() != static_cast<size_t>(all_values) || steps.size() != static_cast<size_t>(all_steps))
    return corrupt(place + ": should name each value and each step");
  text.json = std::move(json);
  return text;
}

std::string sizes_text(const coppice_cpk_value& value) {
  return std::to_string(value.channels) + " x " + std::to_string(value.height) + " x " +
         std::to_string(value.width);
}

const char* op_name(const coppice_cpk_step& step) {
  constexpr const char* kNames[] = {"linear", "conv", "pool", "add",     "map",
                                    "affine", "norm", "copy", "convert", "turn"};
  return kNames[step.op];
}

// The steps of a plan with their times.
Result<int64_t> explain_plan(const PackedImage& image, const PackedText& text, int32_t batch) {
  TRY_ASSIGN(const coppice_image plan, image.plan(batch));
  TRY_ASSIGN(const PackedSession session, PackedSession::create(image, {.batch = batch}));
  const std::vector<double> times = step_times(session, image, plan);
  double all = 0;
  for (const double time : times) all += time;
  Table table({"step", "op", "makes", "of", "density", "block", "format", "us", "share"});
  table.left({0, 1, 2, 3, 5, 6});
  for (size_t s = 0; s < times.size(); ++s) {
    const coppice_cpk_step& step = plan.steps[s];
    const coppice_cpk_value& y = plan.values[step.y];
    const Json& said = text.json["steps"][static_cast<size_t>(plan.plan->step_begin) + s];
    const bool layer = said.contains("weight");
    const std::string name = said["name"], type = y.type == COPPICE_CPK_F32 ? "floats" : "int8";
    table.add({name, op_name(step), sizes_text(y), type, layer ? density_text(said) : "",
               layer ? said["block"].get<std::string>() : "", layer ? said["format"].get<std::string>() : "",
               decimal(times[s], 2), percent(times[s] / all)});
  }
  table.add({"all", "", "", "", "", "", "", decimal(all, 2), ""});
  say((batch == 1 ? "One sample" : std::to_string(batch) + " samples at once") + ", " + session.isa() +
      " kernels, each step alone\n");
  say(table.text());
  return session.bytes();
}

Result<int> explain_packed(Env& env, const std::string& path) {
  TRY_ASSIGN(const PackedImage image, PackedImage::read(env, path));
  TRY_ASSIGN(const PackedText text, packed_text(image, path));
  say(path + ": " + text.model + ", " + text.arithmetic + "\n");
  std::string memory;
  for (const int32_t batch : image.batches()) {
    TRY_ASSIGN(const int64_t bytes, explain_plan(image, text, batch));
    TRY_ASSIGN(const coppice_image plan, image.plan(batch));
    memory += "\nmemory   " + bytes_text(bytes) + " to run " +
              (batch == 1 ? "a sample" : std::to_string(batch) + " samples") + ", of these " +
              bytes_text(static_cast<int64_t>(coppice_arena_bytes(&plan))) + " activations";
  }
  std::string reasons;
  for (int32_t s = 0; s < image.view().steps_total; ++s) {
    const Json& said = text.json["steps"][static_cast<size_t>(s)];
    if (said.contains("weight"))
      reasons += "  " + text.step(s) + ": " + said["reason"].get<std::string>() + "\n";
  }
  say("\nWhy a layer has its format\n" + reasons);
  say("file     " + bytes_text(image.bytes()) + memory);
  return kFine;
}

Result<int> inspect_packed(Env& env, const std::string& path, bool as_json) {
  TRY_ASSIGN(const PackedImage image, PackedImage::read(env, path));
  TRY_ASSIGN(const PackedText text, packed_text(image, path));
  const coppice_image& view = image.view();
  if (as_json) {
    say(json_text(text.json));
    return kFine;
  }
  say(path + ": " + text.model + ", " + text.arithmetic + ", " + bytes_text(image.bytes()) + "\n");
  constexpr const char* kSections[] = {"plans", "values", "steps", "data", "text"};
  const auto* sections =
      reinterpret_cast<const coppice_cpk_section*>(view.bytes + sizeof(coppice_cpk_header));
  Table table({"section", "at", "bytes", "checksum"});
  for (size_t s = 0; s < COPPICE_CPK_SECTIONS; ++s) {
    char sum[20];
    std::snprintf(sum, sizeof sum, "%016llx", static_cast<unsigned long long>(sections[s].checksum));
    table.add({kSections[s], with_commas(static_cast<int64_t>(sections[s].offset)),
               with_commas(static_cast<int64_t>(sections[s].bytes)), sum});
  }
  say(table.text());
  constexpr const char* kKinds[] = {"input", "output", "const", "scratch", "state"};
  for (const int32_t batch : image.batches()) {
    TRY_ASSIGN(const coppice_image plan, image.plan(batch));
    Table values({"value", "kind", "of", "sizes", "halo", "scale", "zero point", "place"});
    values.left({0, 1, 2, 3});
    for (int32_t v = 0; v < plan.values_total; ++v) {
      const coppice_cpk_value& value = plan.values[v];
      const bool integers = value.type == COPPICE_CPK_I8;
      values.add({text.values[static_cast<size_t>(plan.plan->value_begin + v)], kKinds[value.kind],
                  integers ? "int8" : "floats", sizes_text(value), std::to_string(value.halo),
                  integers ? shortest(value.scale) : "", integers ? std::to_string(value.zero_point) : "",
                  with_commas(int64_t{value.place})});
    }
    if (batch > 1) say("\n" + std::to_string(batch) + " samples at once");
    say("\n" + values.text());
    say("\n" + std::to_string(plan.steps_total) + " steps: coppice explain " + path);
  }
  return kFine;
}

}  // namespace coppice::cli
