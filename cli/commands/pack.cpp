// SPDX-License-Identifier: Apache-2.0
#include "pack/pack.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "base/text.h"
#include "command.h"
#include "coppice.h"
#include "coppice_cpk.h"
#include "io/zstd.h"
#include "judge_split.h"
#include "kernels/select.h"
#include "models/json.h"
#include "pack/choose_packed.h"
#include "packed.h"
#include "ranges.h"
#include "run_directory.h"
#include "simplify.h"
#include "stop.h"
#include "study/metric_text.h"
#include "terminal.h"
#include "train/cost_table.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "pack";

struct PackArguments {
  std::string run, to, state = "best", arithmetic, goal = "latency", cost_table;
  RangeArguments ranges;
  std::vector<int32_t> batches;
  bool store = false, unjudged = false, force = false, json = false;
};

bool for_chip(const PackArguments& arguments) { return arguments.goal == "mcu"; }

Arithmetic arithmetic_of(const PackArguments& arguments) {
  for (const Arithmetic a : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8})
    if (arguments.arithmetic == arithmetic_name(a)) return a;
  return for_chip(arguments) ? Arithmetic::kInt8 : Arithmetic::kFloat;
}

// ---- what it says

struct Packing {
  PackedNetwork packed;
  int64_t live = 0, total = 0, float_bytes = 0;  // of all parameters as 32-bit floats
  std::vector<std::string> notes;                // on passes
  std::string rates;                             // whose formats were chosen by; empty: by bytes
  int64_t chip_bytes = 0;                        // of memory on a chip, if it is packed for one
};

std::string density_text(int64_t live, int64_t total) {
  return decimal(100 * static_cast<double>(live) / static_cast<double>(total), 1) + " %";
}

void say_layers(const Packing& packing) {
  Table table({"layer", "weights", "density", "block", "format", "bytes", "because"});
  table.left({0, 3, 4, 6});
  for (const PackedStep& step : packing.packed.steps)
    if (!step.weight.empty())
      table.add({step.name, with_commas(step.total), density_text(step.live, step.total), step.block,
                 step.format, with_commas(step.bytes), step.reason});
  say(table.text());
  const auto others = std::count_if(packing.packed.steps.begin(), packing.packed.steps.end(),
                                    [](const PackedStep& step) { return step.weight.empty(); });
  say("and " + std::to_string(others) + (others == 1 ? " step" : " steps") +
      " without weights; all activations share " + bytes_text(packing.packed.arena_bytes));
  if (!packing.rates.empty()) say("rates    " + packing.rates);
  for (const std::string& note : packing.notes) say("note     " + note);
  for (const std::string& step : packing.packed.float_steps) say("floats   " + step);
}

void say_accuracy(const std::vector<const Metric*>& metrics, const Outputs& before, const Outputs& after) {
  for (const Metric* metric : metrics) {
    const Reading was = metric->read(before), is = metric->read(after);
    if (!was.value && !is.value) continue;
    std::string name = metric->name;
    name.resize(std::max<size_t>(name.size() + 1, 9), ' ');
    say(name + reading_text(*metric, was) + " before, " + reading_text(*metric, is) + " packed");
  }
}

Json layers_json(const Packing& packing) {
  Json layers = Json::array();
  for (const PackedStep& step : packing.packed.steps)
    if (!step.weight.empty())
      layers.push_back(Json{{"name", step.name},
                            {"weight", step.weight},
                            {"live", step.live},
                            {"total", step.total},
                            {"block", step.block},
                            {"format", step.format},
                            {"bytes", step.bytes},
                            {"reason", step.reason}});
  return layers;
}

Json pack_json(const PackArguments& arguments, const Packing& packing) {
  return Json{{"file", arguments.to},
              {"arithmetic", arithmetic_name(arithmetic_of(arguments))},
              {"for", arguments.goal},
              {"rates", packing.rates},
              {"bytes", packing.packed.file.size()},
              {"float32_bytes", packing.float_bytes},
              {"arena_bytes", packing.packed.arena_bytes},
              {"live_weights", packing.live},
              {"total_weights", packing.total},
              {"layers", layers_json(packing)},
              {"float_steps", packing.packed.float_steps},
              {"notes", packing.notes}};
}

// ---- the command

int64_t float_bytes_of(const Network& network) {
  int64_t numbers = 0;
  for (const std::vector<Param>* list : {&network.params, &network.states})
    for (const Param& param : *list) numbers += param.total();
  return numbers * static_cast<int64_t>(sizeof(float));
}

// Of the compressed copy; empty if none is wanted.
std::string stored_place(const PackArguments& arguments) {
  return arguments.store ? arguments.to + ".zst" : std::string();
}

// Of the machine that the file is for: what somebody names, the tuned ones of this CPU, or the shipped ones.
Result<CostTable> rates_of(Env& env, const PackArguments& arguments, const std::string& isa) {
  std::string path = arguments.cost_table;
  if (path.empty()) {
    const auto tuned = tuned_table_path(isa);
    if (tuned.ok() && env.exists(*tuned)) path = *tuned;
  }
  if (path.empty() || path == kShippedCostTable) return shipped_packed_rates(isa);
  TRY_ASSIGN(CostTable table, read_cost_table(env, path));
  if (has_packed_rates(table)) return table;
  if (arguments.cost_table.empty()) return shipped_packed_rates(isa);  // tuned by an older version
  return invalid(path + ": has no rates of packed networks; make it anew with `coppice tune --out FILE`");
}

// Ascending, each once.
std::vector<int32_t> batches_of(const PackArguments& arguments) {
  const std::set<int32_t> each(arguments.batches.begin(), arguments.batches.end());
  return {each.begin(), each.end()};
}

Status check_place(Env& env, const PackArguments& arguments) {
  if (!arguments.to.ends_with(".cpk")) return invalid("--output: '" + arguments.to + "' should end in .cpk");
  for (const std::string& place : {arguments.to, stored_place(arguments)})
    if (!place.empty() && env.exists(place) && !arguments.force)
      return invalid(place + ": exists already; --force writes over it");
  return {};
}

// Bytes of the compressed copy, 0 if there is none.
Result<int64_t> write_files(Env& env, const PackArguments& arguments, const std::string& file) {
  const std::string folder = std::filesystem::path(arguments.to).parent_path().string();
  if (!folder.empty()) TRY(env.make_directories(folder));
  TRY(write_atomic(env, arguments.to, file));
  if (!arguments.store) return 0;
  TRY_ASSIGN(const std::string stored, pack_zstd(file));
  TRY(write_atomic(env, stored_place(arguments), stored));
  return static_cast<int64_t>(stored.size());
}

void say_file(const char* what, const std::string& place, int64_t bytes, int64_t float_bytes) {
  say(what + place + ", " + bytes_text(bytes) + ", 1/" +
      decimal(static_cast<double>(float_bytes) / static_cast<double>(bytes), 1) +
      " of its parameters as 32-bit floats with all zeros (" + bytes_text(float_bytes) + ")");
}

// Which kernels the file is for, and those of them that answer here.
struct Kernel {
  std::string wanted, here;
};
Result<Kernel> kernels_of(const PackArguments& arguments) {
  const std::string& isa = arguments.ranges.isa;
  const std::vector<std::string> known{"c", "avx2", "avx512", "neon"}, here = available_isas();
  if (isa.empty()) {
    TRY_ASSIGN(const Kernels kernels, select_kernels());
    return Kernel{kernels.forward->isa, ""};
  }
  if (std::find(known.begin(), known.end(), isa) == known.end())
    return invalid("--isa: '" + isa + "' is none of c, avx2, avx512 and neon");
  return Kernel{isa, std::find(here.begin(), here.end(), isa) == here.end() ? "" : isa};
}

Result<int> pack(Env& env, const PackArguments& arguments) {
  TRY(check_place(env, arguments));
  if (for_chip(arguments) && !arguments.batches.empty())
    return invalid("--batch: a chip runs one sample at a time; leave it out with --for mcu");
  TRY_ASSIGN(const Kernel kernel, kernels_of(arguments));
  TRY_ASSIGN(const CostTable rates, rates_of(env, arguments, kernel.wanted));
  TRY_ASSIGN(const std::string state,
             checkpoint_path(env, arguments.run, arguments.state == "last" ? kLastFile : kBestFile));
  TRY_ASSIGN(Checkpoint model, read_checkpoint(env, state));
  const Arithmetic arithmetic = arithmetic_of(arguments);
  std::optional<Judge> judge;
  if (!arguments.unjudged || arithmetic == Arithmetic::kInt8) {
    TRY_ASSIGN(judge, load_judge(env, model, arguments.ranges));
  }
  const int threads = thread_count(model.info.recipe);

  Outputs before;
  Packing packing;
  packing.live = model.network.live_weights();
  packing.total = model.network.total_weights();
  packing.float_bytes = float_bytes_of(model.network);
  if (!arguments.unjudged)
    TRY(judge_split(model, judge->data, judge->split(), judge->name(), &before).status());
  TRY_ASSIGN(packing.notes, simplify(model.network));
  PackOptions options;
  options.arithmetic = arithmetic;
  options.batches = batches_of(arguments);
  options.goal = arguments.goal == "latency" ? PackGoal::kLatency : PackGoal::kSize;
  options.rates = &rates;
  if (options.goal == PackGoal::kLatency)
    packing.rates = rates.cpu + ", " + rates.isa + " (" + rates.origin + ")";
  if (arithmetic == Arithmetic::kInt8) {
    TRY_ASSIGN(options.ranges, ranges_of(model.network, *judge, arguments.ranges, threads));
  }
  options.metadata =
      json_text(Json{{"coppice", COPPICE_VERSION_STRING},
                     {"model", model.info.recipe.model},
                     {"preprocessing", Json::parse(preprocessing_text(model.info.preprocessing))}});
  auto packed = pack_network(model.network, options);
  if (!packed.ok()) return packed.status().within(state);
  packing.packed = packed.take();
  TRY_ASSIGN(const PackedImage image, PackedImage::of(packing.packed.file, arguments.to));
  if (for_chip(arguments)) {
    TRY_ASSIGN(const PackedSession session, PackedSession::create(image, {.isa = "c"}));
    packing.chip_bytes = session.bytes();
  }

  Outputs after;
  std::vector<const Metric*> metrics;
  if (!arguments.unjudged) {
    TRY_ASSIGN(after, packed_outputs(image, *judge, kernel.here, threads));
    TRY_ASSIGN(metrics, metrics_of(usual_metrics(judge->data), judge->data.task));
  }
  TRY_ASSIGN(const int64_t stored, write_files(env, arguments, packing.packed.file));
  if (arguments.json) {
    Json json = pack_json(arguments, packing);
    if (arguments.store) json["stored_bytes"] = stored;
    if (for_chip(arguments)) json["memory_bytes"] = packing.chip_bytes;
    if (!arguments.unjudged) {
      json["split"] = judge->name();
      json["before"] = metrics_json(metrics, before);
      json["after"] = metrics_json(metrics, after);
    }
    say(json_text(json));
    return kFine;
  }
  say("network  " + state + ", " + with_commas(packing.live) + " of " + with_commas(packing.total) +
      " weights live\n");
  say_layers(packing);
  if (arguments.unjudged)
    say("accuracy unknown: not judged");
  else
    say_accuracy(metrics, before, after);
  say_file("saved    ", arguments.to, static_cast<int64_t>(packing.packed.file.size()), packing.float_bytes);
  if (arguments.store) say_file("stored   ", stored_place(arguments), stored, packing.float_bytes);
  if (for_chip(arguments))
    say("chip     " + bytes_text(static_cast<int64_t>(packing.packed.file.size())) + " of flash, " +
        bytes_text(packing.chip_bytes) + " of memory to run it in plain C");
  return kFine;
}

}  // namespace

void add_pack_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Pack a network into one small file that runs anywhere");
  auto arguments = std::make_shared<PackArguments>();
  command->add_option("run", arguments->run, "a run directory, or one of its checkpoints")
      ->required()
      ->type_name("RUN");
  command->add_option("-o,--output", arguments->to, "where it goes; ends in .cpk")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--arithmetic", arguments->arithmetic,
                   "float; weights8: 8-bit weights, float activations; int8: 8-bit weights and activations")
      ->check(CLI::IsMember({"float", "weights8", "int8"}))
      ->default_str("float; int8 for mcu");
  command
      ->add_option(
          "--for", arguments->goal,
          "what formats are chosen by. latency: predicted time of a sample; size: bytes; mcu: bytes, and "
          "what a microcontroller needs is said")
      ->check(CLI::IsMember({"latency", "size", "mcu"}))
      ->capture_default_str();
  command
      ->add_option("--cost-table", arguments->cost_table,
                   "rates of the machine that the file is for, as `coppice tune` measured them there")
      ->type_name("default | FILE");
  command
      ->add_option("--batch", arguments->batches,
                   "also made to run so many samples at once, such as 16 or 16,64: networks without pictures")
      ->delimiter(',')
      ->check(CLI::Range(2, static_cast<int>(COPPICE_CPK_WIDEST)))
      ->type_name("N");
  command->add_flag("--store", arguments->store,
                    "also writes FILE.cpk.zst, compressed for transport, which all commands read");
  command->add_option("--state", arguments->state, "which state of a run: best or last")
      ->check(CLI::IsMember({"best", "last"}))
      ->capture_default_str();
  add_range_options(*command, arguments->ranges);
  add_judge_options(*command, arguments->ranges);
  command->add_option("--isa", arguments->ranges.isa,
                      "kernels that the file is for: c, avx2, avx512 or neon; else the best here");
  command->add_flag("--no-judge", arguments->unjudged, "do not say how accurate it is before and after");
  command->add_flag("--force", arguments->force, "write over a file that exists");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nBatch norms go into their layers, dead units and identities go, and each layer gets a format\n"
      "(docs/pack.md). The file needs nothing else to run: coppice run, or the C library (coppice.h).\n"
      "Examples:\n"
      "  coppice pack runs/third -o third.cpk\n"
      "  coppice pack runs/third -o third.cpk --arithmetic int8\n"
      "  coppice pack runs/third -o small.cpk --arithmetic weights8 --for size --store\n"
      "  coppice pack runs/third -o chip.cpk --for mcu\n"
      "  coppice pack runs/third -o phone.cpk --arithmetic int8 --isa neon");
  command->callback([arguments, &exit] {
    const auto code = pack(Env::system(), *arguments);
    exit = code.ok() ? *code : fail(kName, code.status());
  });
}

}  // namespace coppice::cli
