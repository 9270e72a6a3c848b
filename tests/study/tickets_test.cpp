// SPDX-License-Identifier: Apache-2.0
// Where each run of the study begins, and that an interruption changes nothing.
#include "study/tickets.h"

#include <gtest/gtest.h>

#include <map>

#include "exec/oracle.h"
#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::expect_same_network;
using testing::small_recipe;
using testing::TempDir;

TicketStudy study_of(const TempDir& directory, Rewind rewind = Rewind::kWeights, int64_t rewind_to = 0) {
  TicketStudy study;
  study.recipe = small_recipe({{"density", "1"}, {"epochs", "4"}, {"optimizer", "adam"}});
  study.directory = directory.path();
  study.rounds = 2;
  study.share = 0.5;
  study.rewind = rewind;
  study.rewind_to = rewind_to;
  return study;
}

Checkpoint checkpoint_of(const TempDir& directory, const std::string& file) {
  auto checkpoint = read_checkpoint(Env::system(), directory.file("seed-1/" + file));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  return checkpoint.take();
}

// Stops as soon as the run of that name has done an update, so that its checkpoint is hardly beyond its
// begin.
struct StopIn {
  std::atomic<bool> stop{false};
  TicketWatch watch;
  StopIn(const std::string& name, int64_t step) {
    watch.stop = &stop;
    watch.on_step = [this, name, step](const TicketProgress& progress, const StepEvent& event) {
      stop = progress.name == "seed 1, " + name && event.step >= step;
    };
  }
};

std::map<std::string, double> accuracies(const std::vector<TicketRow>& rows) {
  std::map<std::string, double> out;
  for (const TicketRow& row : rows)
    out[row.kind + std::to_string(row.round)] = row.account.report.test->accuracy;
  return out;
}

TEST(Tickets, HalveTheWeightsInEachRound) {
  const TempDir directory;
  TicketStudy study = study_of(directory);
  study.redrawn = study.shuffled = true;
  const auto rows = run_tickets(Env::system(), study);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  ASSERT_EQ(rows->size(), 7u);
  const int64_t all = (*rows)[0].account.report.total_weights;
  for (const TicketRow& row : *rows) {
    const double share = row.round == 0 ? 1 : row.round == 1 ? 0.5 : 0.25;
    EXPECT_EQ(row.account.report.live_weights, std::llround(share * static_cast<double>(all))) << row.kind;
    EXPECT_EQ(row.account.report.progress.step, 20) << row.kind;
  }
  const auto patterns = [&](const std::string& run) {
    std::vector<Pattern> out;
    const Checkpoint last = checkpoint_of(directory, run + "/last.safetensors");
    for (const Param& param : last.network.params)
      if (param.is_weight()) out.push_back(param.pattern());
    return out;
  };
  EXPECT_TRUE(patterns("round-01") == patterns("round-01-redrawn"));
  EXPECT_FALSE(patterns("round-01") == patterns("round-01-shuffled"));
  // Each kind is another network.
  std::set<double> losses;
  for (const TicketRow& row : *rows) losses.insert(row.account.report.test->loss);
  EXPECT_EQ(losses.size(), 7u);
  // Asked again, nothing is trained.
  TicketWatch watch;
  watch.on_step = [](const TicketProgress&, const StepEvent&) { FAIL() << "it was trained already"; };
  EXPECT_EQ(accuracies(run_tickets(Env::system(), study, watch).take()), accuracies(*rows));
}

// The first checkpoint of a round, where it is stopped in its very first update.
Checkpoint begin_of_round(const TempDir& directory, const TicketStudy& study) {
  StopIn after("round-01", 0);
  after.watch.on_step = [&](const TicketProgress& progress, const StepEvent&) {
    after.stop = progress.name == "seed 1, round-01";
  };
  TicketStudy slow = study;
  EXPECT_EQ(run_tickets(Env::system(), slow, after.watch).status().code(), Code::kInterrupted);
  return checkpoint_of(directory, "round-01/last.safetensors");
}

TEST(Tickets, BeginWithTheValuesThatTheyHadOrWithThoseThatTheyHave) {
  for (const Rewind rewind : {Rewind::kWeights, Rewind::kRate}) {
    const TempDir directory;
    TicketStudy study = study_of(directory, rewind, 7);
    study.recipe =
        small_recipe({{"density", "1"}, {"epochs", "4"}, {"optimizer", "adam"}, {"learning_rate", "1e-12"}});
    // At such a rate nothing moves by more than a rounding; so the begin is seen after an update.
    const Checkpoint begun = begin_of_round(directory, study);
    EXPECT_EQ(begun.info.progress.step, 8);
    const Checkpoint from = checkpoint_of(
        directory, rewind == Rewind::kWeights ? "rewind.safetensors" : "dense/last.safetensors");
    for (size_t p = 0; p < begun.network.params.size(); ++p) {
      const Param &is = begun.network.params[p], &was = from.network.params[p];
      const auto x = dense_values(is, is.value), y = dense_values(was, was.value);
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_TRUE(std::abs(x[i] - y[i]) < 1e-9 || (is.is_weight() && x[i] == 0)) << is.name();
    }
  }
}

TEST(Tickets, GoOnAfterAnInterruption) {
  for (const Rewind rewind : {Rewind::kWeights, Rewind::kNone}) {
    const TempDir whole, parts;
    const auto rows = run_tickets(Env::system(), study_of(whole, rewind, 5)).take();
    for (const auto& [name, step] :
         {std::pair("dense", 3), {"dense", 8}, {"round-01", 12}, {"round-02", 9}}) {
      StopIn after(name, step);
      const auto stopped = run_tickets(Env::system(), study_of(parts, rewind, 5), after.watch);
      EXPECT_EQ(stopped.status().code(), Code::kInterrupted) << stopped.status().message();
    }
    const auto rest = run_tickets(Env::system(), study_of(parts, rewind, 5));
    ASSERT_TRUE(rest.ok()) << rest.status().message();
    EXPECT_EQ(accuracies(*rest), accuracies(rows));
    for (const char* file :
         {"dense/last.safetensors", "round-01/last.safetensors", "round-02/last.safetensors"})
      expect_same_network(checkpoint_of(whole, file).network, checkpoint_of(parts, file).network);
  }
}

// Ctrl-C at the very update that rounds go back to.
TEST(Tickets, GoOnFromTheRewindPoint) {
  const TempDir whole, parts;
  StopIn after("dense", 5);
  EXPECT_EQ(run_tickets(Env::system(), study_of(parts, Rewind::kWeights, 5), after.watch).status().code(),
            Code::kInterrupted);
  const auto rest = run_tickets(Env::system(), study_of(parts, Rewind::kWeights, 5));
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  EXPECT_EQ(accuracies(*rest),
            accuracies(run_tickets(Env::system(), study_of(whole, Rewind::kWeights, 5)).take()));
  TicketStudy other = study_of(parts, Rewind::kWeights, 5);
  other.share = 0.4;
  EXPECT_EQ(run_tickets(Env::system(), other).status().message(),
            parts.path() + ": holds another study of tickets; choose another place with --out");
}

TEST(Tickets, RefuseWhatIsNoDenseNetworkOfClasses) {
  const TempDir directory;
  TicketStudy study = study_of(directory);
  study.recipe.sparsity.density = 0.5;
  EXPECT_EQ(run_tickets(Env::system(), study).status().message(),
            "density: tickets begin with a dense network; leave it out");
  study = study_of(directory, Rewind::kWeights, 20);
  EXPECT_EQ(run_tickets(Env::system(), study).status().message(),
            "--rewind-to: the run has 20 updates; choose fewer");
  const TempDir long_one;
  study = study_of(long_one);
  study.rounds = 40;
  EXPECT_EQ(run_tickets(Env::system(), study).status().message().find("--rounds: the last of 40: density "),
            0u);
  study = study_of(directory);
  study.recipe.sparsify.method = "rigl";
  EXPECT_EQ(run_tickets(Env::system(), study).status().message(),
            "method: tickets are pruned between runs, not in them; leave it out");
}

}  // namespace
}  // namespace coppice
