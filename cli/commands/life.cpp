// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>

#include "command.h"
#include "coppice_build.h"
#include "host/cpu.h"
#include "host/processors.h"
#include "stop.h"
#include "study/life_study.h"
#include "terminal.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "life";
constexpr char kRowsFile[] = "rows.jsonl", kPage[] = "life.html";

struct LifeArguments {
  LifeStudy study;
  std::string out = "runs/life-study";
  int threads = 0;
  bool json = false;
};

Status run_life(Env& env, LifeArguments& arguments) {
  LifeStudy& study = arguments.study;
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  study.program = COPPICE_PROGRAM;
  study.cpu = cpu.model;
  study.threads = arguments.threads > 0 ? arguments.threads : coppice_host_threads();
  if (env.exists(join_path(arguments.out, kRecipeFile)))
    return invalid(arguments.out + ": holds a run of `coppice train`; choose another place with --out");
  TRY(env.make_directories(arguments.out));
  ProgressLine line;
  LifeWatch watch;
  watch.stop = &stop_on_signals();
  // Winners with turned signs are a round of their own: the count begins anew.
  int64_t first = 0, last = 0;
  std::chrono::steady_clock::time_point began;
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (last == 0 || done < last) {
      first = done;
      began = std::chrono::steady_clock::now();
    }
    last = done;
    if (!line.due() || done == first) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    line.show(with_commas(done) + " of " + with_commas(all) + " networks  " +
              seconds_text(seconds / static_cast<double>(done - first) * static_cast<double>(all - done)) +
              " left");
  };
  auto rows = run_life_study(env, study, join_path(arguments.out, kRowsFile), watch);
  line.clear();
  if (rows.status().code() == Code::kInterrupted)
    return {Code::kInterrupted, "interrupted; what is done lies in " + arguments.out +
                                    ", and the same command goes on from there"};
  TRY(rows.status());
  const std::string page = join_path(arguments.out, kPage);
  TRY_ASSIGN(const std::string html, life_page(study, *rows));
  TRY(write_atomic(env, page, html));
  if (arguments.json) {
    Json json = Json::array();
    for (const LifeRow& row : *rows) json.push_back(life_row_json(study, row));
    say(json_text(json));
    return {};
  }
  say(life_table(study.search.steps, *rows).text());
  if (const auto tickets = ticket_table(*rows))
    say("\nfilters that were left, alone from their first values; and as many that were drawn\n" +
        tickets->text());
  say("\npage  " + page);
  return {};
}

}  // namespace

void add_life_command(CLI::App& app, int& exit) {
  CLI::App* command =
      app.add_subcommand(kName, "Study how often small networks learn the Game of Life exactly");
  auto arguments = std::make_shared<LifeArguments>();
  LifeStudy& study = arguments->study;
  LifeSearch& search = study.search;
  command->add_option("--steps", search.steps, "n: what a board is so many steps later")
      ->check(CLI::Range(1, 10))
      ->capture_default_str();
  command->add_option("--widths", study.widths, "m: in each step 2m filters of 3x3 and m of 1x1")
      ->delimiter(',')
      ->type_name("M,M,...")
      ->capture_default_str();
  command
      ->add_option("--densities", study.densities,
                   "of live cells on the boards; 0: drawn anew for each board")
      ->delimiter(',')
      ->type_name("D,D,...")
      ->capture_default_str();
  command
      ->add_option("--flips", study.flips,
                   "also train winners again with so many signs of their first values turned")
      ->delimiter(',')
      ->type_name("K,K,...");
  command
      ->add_option("--prune-to", study.prune_to,
                   "cut networks of larger widths, filter by filter, to this one; --updates are those of all "
                   "that a network takes")
      ->type_name("M")
      ->check(CLI::Range(1, 63));
  command
      ->add_option("--cut-updates", search.cut_updates,
                   "at most, after each cut; a wide network gets 10 times that")
      ->check(CLI::Range(int64_t{1}, int64_t{100000000}))
      ->capture_default_str();
  command->add_option("--networks", study.networks, "of each width and density")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--updates", search.updates, "at most, of each network")
      ->check(CLI::Range(int64_t{1}, int64_t{100000000}))
      ->capture_default_str();
  command
      ->add_option("--check-every", search.check_every, "updates; it ends when a check finds nothing wrong")
      ->check(CLI::Range(int64_t{1}, int64_t{100000000}))
      ->capture_default_str();
  command->add_option("--boards", search.boards, "of an update; 0: all there are, for one step")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_option("--learning-rate", search.learning_rate, "of Adam")
      ->check(CLI::Range(1e-9, 10.0))
      ->capture_default_str();
  command->add_option("--seed", search.seed, "of the first network; the next ones count up")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1000000000000000000}))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "networks at a time; 0: one per core")
      ->check(CLI::Range(0, 1024));
  command->add_option("--out", arguments->out, "rows and page; a study that lies there goes on")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print a JSON list, one object a network");
  command->footer(
      "\nOne step of Life on a torus, exactly: all 512 neighbourhoods. Protocol: Springer and Kenyon 2020, 8 "
      "fresh boards\n"
      "of 32 x 32 an update, Adam. Networks are trained side by side; Ctrl-C keeps what is done.\n"
      "Examples:\n"
      "  coppice life --widths 1,3 --networks 16\n"
      "  coppice life --densities 0,0.2,0.38,0.5 --flips 1,2,4,8 --out runs/life-all\n"
      "  coppice life --widths 1,8 --prune-to 1 --boards 0 --out runs/life-cut");
  command->callback([arguments, &exit] {
    const Status status = run_life(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail(kName, status);
  });
}

}  // namespace coppice::cli
