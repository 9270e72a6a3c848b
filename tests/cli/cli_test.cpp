// SPDX-License-Identifier: Apache-2.0
// The program as a person meets it: exit codes, sentences, and files.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "models/json.h"
#include "support/pictures.h"
#include "support/program.h"
#include "train/cost_table.h"

namespace coppice {
namespace {

using testing::content;
using testing::Outcome;

constexpr char kSmall[] =
    " --train-samples 400 --test-samples 50 --model mlp:784-16-10 --epochs 2 --batch 32 --threads 1 ";

class Cli : public ::testing::Test {
 protected:
  Outcome coppice(const std::string& arguments, const std::string& input = "") {
    return program_.run(arguments, input);
  }
  void expect_refusal(const std::string& arguments, int code, const std::string& sentence) {
    program_.expect_refusal(arguments, code, sentence);
  }

  // Starts a training that takes long, and sends a signal once it has saved something.
  int interrupted_run(const std::string& directory, int signal) {
    const std::string path = folder_.file(directory);
    const pid_t child = fork();
    // -1 would be killed as all processes that there are.
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) {
      if (std::freopen("/dev/null", "w", stdout) == nullptr ||
          std::freopen("/dev/null", "w", stderr) == nullptr)
        _exit(99);
      execl(COPPICE_BINARY, "coppice", "train", "--train-samples", "2000", "--test-samples", "50", "--model",
            "mlp:784-16-10", "--batch", "32", "--threads", "1", "--epochs", "60", "--out", path.c_str(),
            nullptr);
      _exit(99);
    }
    for (int wait = 0; wait < 1000 && content(path + "/metrics.jsonl").empty(); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  testing::Program program_;
  const testing::TempDir& folder_ = program_.folder;
};

TEST_F(Cli, SaysItsVersion) {
  const Outcome outcome = coppice("--version");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(outcome.out.starts_with("coppice 0.1.0 (")) << outcome.out;
}

TEST_F(Cli, HelpNamesEveryCommandAndExample) {
  const Outcome outcome = coppice("--help");
  EXPECT_EQ(outcome.code, 0);
  for (const char* command : {"train", "eval", "explain", "inspect", "data", "bench", "tune"}) {
    EXPECT_NE(outcome.out.find(command), std::string::npos) << command;
    const Outcome help = coppice(std::string(command) + " --help");
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_NE(help.out.find("Examples:"), std::string::npos) << command;
  }
  EXPECT_EQ(coppice("").code, 2);
}

TEST_F(Cli, ExplainsThatANetworkIsStillToLoseWeights) {
  const auto said = [&](const std::string& flags) {
    return coppice("explain --data glyphs --model mlp:784-16-10 --density 0.1 " + flags).out;
  };
  EXPECT_NE(said("--method granet").find("granet takes the density from 50.00 % to 10.00 % within 70.00 %"),
            std::string::npos);
  EXPECT_NE(said("--method obs").find("from 100.00 % to 10.00 % before the first update"), std::string::npos);
  EXPECT_EQ(said("--method rigl").find("the start"), std::string::npos);
}

TEST_F(Cli, TrainsAndEvaluates) {
  const Outcome trained = coppice(std::string("train --density 0.2") + kSmall);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.err, "");
  const std::string run = "runs/glyphs-mlp-784-16-10-density-0.2-seed-1";
  for (const char* word : {"weights live (20.0", "test ", "best.safetensors", "the dense network takes"})
    EXPECT_NE(trained.out.find(word), std::string::npos) << word << "\n" << trained.out;
  for (const char* file : {"recipe.toml", "metrics.jsonl", "best.safetensors", "last.safetensors"})
    EXPECT_TRUE(std::filesystem::exists(folder_.file(run + "/" + file))) << file;

  const Outcome evaluated = coppice("eval " + run + " --json");
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const auto json = parse_json("eval", evaluated.out);
  ASSERT_TRUE(json.ok()) << evaluated.out;
  EXPECT_EQ((*json)["samples"], 50);
  EXPECT_EQ((*json)["live_weights"], 2541);

  // The recipe it wrote trains the same network again, next to the first.
  const Outcome again = coppice("train " + run + "/recipe.toml --json");
  ASSERT_EQ(again.code, 0) << again.err;
  const auto account = parse_json("train", again.out);
  ASSERT_TRUE(account.ok()) << again.out;
  EXPECT_EQ((*account)["run"], run + "-2");
  EXPECT_EQ((*account)["stop"], "done");
  EXPECT_EQ((*account)["test"]["accuracy"], (*json)["accuracy"]);

  EXPECT_EQ(coppice("eval " + run + " --exact-life").code, 2);
  EXPECT_EQ(coppice("eval " + run + "/last.safetensors").code, 0);
  EXPECT_NE(coppice("inspect " + run).out.find("fc1.weight.indices"), std::string::npos);
  EXPECT_EQ(coppice("inspect " + run + " --recipe").out, content(folder_.file(run + "/recipe.toml")) + "\n");
  const Outcome explained = coppice("explain " + run + " --calls");
  EXPECT_EQ(explained.code, 0) << explained.err;
  EXPECT_NE(explained.out.find("segments"), std::string::npos) << explained.out;
}

TEST_F(Cli, DrawsRunsAndPutsThemSideBySide) {
  for (const char* density : {"1", "0.2"})
    ASSERT_EQ(coppice(std::string("train --density ") + density + kSmall + " --out runs/" + density).code, 0);
  const std::string page = content(folder_.file("runs/0.2/report.html"));
  EXPECT_NE(page.find("Its worst mistakes"), std::string::npos);

  const Outcome compared = coppice("compare runs/1 runs/0.2 --html both.html");
  ASSERT_EQ(compared.code, 0) << compared.err;
  EXPECT_NE(compared.out.find("2,541 (0.20x)"), std::string::npos) << compared.out;
  EXPECT_NE(content(folder_.file("both.html")).find("0.2, training"), std::string::npos);
  const auto json = parse_json("compare", coppice("compare runs/1 runs/0.2 --json").out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)[1]["live_weights"], 2541);
  EXPECT_EQ((*json)[1]["epochs"].size(), 2U);

  // The same page again, from the files and the data.
  ASSERT_EQ(coppice("report runs/0.2 --out again.html").code, 0);
  EXPECT_EQ(content(folder_.file("again.html")), page);
}

TEST_F(Cli, StudiesTheGameOfLife) {
  const std::string small =
      "life --widths 6 --networks 2 --updates 500 --learning-rate 0.003 --densities 0.38 --out life";
  const Outcome first = coppice(small);
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find("95 % interval"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder_.file("life/life.html")));
  const std::string rows = content(folder_.file("life/rows.jsonl"));
  const auto json = parse_json("life", coppice(small + " --json").out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->size(), 2U);
  EXPECT_EQ((*json)[0]["parameters"], 205);
  EXPECT_EQ(content(folder_.file("life/rows.jsonl")), rows) << "nothing is made again";
  // It is no run, and stands beside runs.
  ASSERT_EQ(coppice(std::string("train --density 0.2") + kSmall + " --out run").code, 0);
  const Outcome both = coppice("compare life run");
  EXPECT_EQ(both.code, 0);
  EXPECT_NE(both.err.find("life: is no run, and is left out"), std::string::npos) << both.err;
}

TEST_F(Cli, CutsANetworkThatLearntLifeToTwentyFiveNumbers) {
  const Outcome cut = coppice(
      "life --widths 8 --prune-to 1 --boards 0 --check-every 10 --cut-updates 200 --learning-rate 0.003 "
      "--densities 0.38 --networks 1 --out cut");
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_NE(cut.out.find("cut to"), std::string::npos);
  EXPECT_NE(cut.out.find("alone from their first values"), std::string::npos);
  EXPECT_NE(content(folder_.file("cut/rows.jsonl")).find("\"parameters\":25"), std::string::npos);
  EXPECT_NE(content(folder_.file("cut/life.html")).find("The ticket in a network of width 8"),
            std::string::npos);
}

TEST_F(Cli, ReadsARecipeWithFlagsOverIt) {
  folder_.write("my.toml", "data = \"glyphs\"\nmodel = \"mlp:784-16-10\"\ntrain_samples = 300\nepochs = 9\n");
  const Outcome outcome = coppice("train my.toml --epochs 1 --test-samples 20 --json --out here");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(content(folder_.file("here/recipe.toml")).find("epochs = 1\n"), std::string::npos);
  folder_.write("my.toml", "data = \"glyphs\"\nepohcs = 9\n");
  expect_refusal("train my.toml", 2,
                 "my.toml line 2: 'epohcs' is not a key of a recipe; did you mean 'epochs'?");
}

TEST_F(Cli, TrainsOnAFolderOfPicturesWithOneCommand) {
  for (const auto& [name, value] : {std::pair("dark", 30), std::pair("light", 200)}) {
    std::filesystem::create_directories(folder_.file(std::string("mine/") + name));
    for (int i = 0; i < 12; ++i)
      folder_.write(std::string("mine/") + name + "/" + std::to_string(i) + ".png",
                    testing::png_of(testing::plain(9, 12, 1, static_cast<uint8_t>(value + i))));
  }
  const Outcome outcome = coppice("train --data mine/ --image-size 7 --density 0.5 --epochs 3 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto account = parse_json("account", outcome.out);
  ASSERT_TRUE(account.ok());
  EXPECT_EQ((*account)["test"]["samples"], 2);
  const std::string run = (*account)["run"].get<std::string>();
  EXPECT_TRUE(run.starts_with("runs/mine-mlp-49-300-100-2")) << run;
  EXPECT_NE(content(folder_.file(run + "/recipe.toml")).find("image_size = \"7\""), std::string::npos);
  // The folder that was learnt from keeps its split, another one is a test as a whole.
  EXPECT_EQ((*parse_json("eval", coppice("eval " + run + " --data ./mine --json").out))["samples"], 2);
  std::filesystem::rename(folder_.file("mine"), folder_.file("moved"));
  EXPECT_EQ((*parse_json("eval", coppice("eval " + run + " --data moved --json").out))["samples"], 24);
  folder_.write("moved/dark/0.png", "broken");
  expect_refusal("train --data moved", 1, "moved/dark/0.png: is neither a PNG nor a JPEG picture");
}

TEST_F(Cli, StopsAtCtrlCWithCode130AndGoesOn) {
  ASSERT_EQ(interrupted_run("stopped", SIGINT), 130);
  expect_refusal("train --resume stopped --batch 16", 2, "--batch: is part of the run and cannot be changed");
  const Outcome rest = coppice("train --resume stopped --max-time 1h --json");
  ASSERT_EQ(rest.code, 0) << rest.err;
  const Outcome whole = coppice(
      "train --train-samples 2000 --test-samples 50 --model mlp:784-16-10 --batch 32 --threads 2 --epochs 60 "
      "--out whole --json");
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto a = parse_json("rest", rest.out), b = parse_json("whole", whole.out);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ((*a)["test"], (*b)["test"]);
  EXPECT_EQ((*a)["steps"], (*b)["steps"]);

  // The same after a death without warning.
  ASSERT_EQ(interrupted_run("killed", SIGKILL), -SIGKILL);
  const Outcome revived = coppice("train --resume killed --json");
  ASSERT_EQ(revived.code, 0) << revived.err;
  EXPECT_EQ((*parse_json("revived", revived.out))["test"], (*b)["test"]);
}

TEST_F(Cli, SaysWhyItCannotWrite) {
  folder_.write("file", "");
  const Outcome outcome = coppice(std::string("train --out file/run") + kSmall);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("file"), std::string::npos) << outcome.err;
}

TEST_F(Cli, BenchSpeaksTheProtocolOfThePeers) {
  const Outcome served =
      coppice("bench linear --rows 64 --cols 64 --batch 32 --density 0.25 --threads 2 --serve",
              "cal\ngo\nmemory\nquit\n");
  ASSERT_EQ(served.code, 0) << served.err;
  std::istringstream lines(served.out);
  std::string ready, cal, go, memory;
  std::getline(lines, ready) && std::getline(lines, cal) && std::getline(lines, go) &&
      std::getline(lines, memory);
  const auto set_up = parse_json("ready", ready);
  ASSERT_TRUE(set_up.ok()) << served.out;
  EXPECT_EQ((*set_up)["ready"], true);
  EXPECT_EQ((*set_up)["live_weights"], 1024);
  EXPECT_EQ((*set_up)["flops"], 3 * 2 * 1024 * 32);
  EXPECT_GT((*parse_json("cal", cal))["fma_gflops"].get<double>(), 0);
  EXPECT_GT((*parse_json("go", go))["ms"].get<double>(), 0);
  EXPECT_GT((*parse_json("memory", memory))["peak_bytes"].get<int64_t>(), 0);
  EXPECT_EQ(coppice("bench linear --serve --rows 16 --cols 16", "jump\n").code, 2);
}

// A product whose result nobody reads is dropped from plans; here it is what is measured.
TEST_F(Cli, BenchRunsAllThreeProductsOfALayer) {
  for (const char* block : {"1x1", "16x1"}) {
    const std::string flags =
        std::string(" --batch 16 --seconds 0.02 --calls --density 0.5 --block ") + block;
    const std::string linear = coppice("bench linear --rows 32 --cols 32" + flags).out;
    for (const char* call : {"\ny ", "\ndx ", "\ndw "})
      EXPECT_NE(linear.find(call), std::string::npos) << call << linear;
    const std::string conv = coppice("bench conv --inputs 16 --outputs 16 --size 8" + flags).out;
    for (const char* call : {"\ny ", "\nboth"}) EXPECT_NE(conv.find(call), std::string::npos) << call << conv;
  }
}

TEST_F(Cli, BenchTimesStepsAndConvolutions) {
  for (const char* kind : {"step --model mlp:64-32-10 --density 0.5", "step --model life:1,2",
                           "conv --inputs 16 --outputs 16 --size 8"}) {
    const Outcome outcome = coppice(std::string("bench ") + kind + " --batch 16 --seconds 0.05 --json");
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto json = parse_json("bench", outcome.out);
    ASSERT_TRUE(json.ok()) << outcome.out;
    EXPECT_GT((*json)["ms"].get<double>(), 0);
    EXPECT_GT((*json)["gflops"].get<double>(), 0);
  }
}

// The table that it writes is the one that the next run takes, and says so.
TEST_F(Cli, TunesAndUsesTheTable) {
  const std::string network = "--model mlp:784-16-10 --train-samples 400 --test-samples 50 --epochs 1 ";
  const Outcome before = coppice("explain " + network);
  EXPECT_NE(before.out.find("by the cost table shipped with coppice"), std::string::npos) << before.out;

  // Rough rates get no further than --out; here they stand for those of minutes.
  const Outcome tuned = coppice("tune --quick --seconds 0.01 --json --out rough.json");
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const auto json = parse_json("tune", tuned.out);
  ASSERT_TRUE(json.ok()) << tuned.out;
  EXPECT_NE(coppice("explain " + network).out.find("shipped"), std::string::npos);
  const std::string file = *tuned_table_path((*json)["table"]["isa"]);
  EXPECT_EQ(file.rfind(folder_.file("config") + "/cost-", 0), 0u) << file;
  std::filesystem::create_directories(folder_.file("config"));
  std::filesystem::rename(folder_.file("rough.json"), file);
  EXPECT_EQ((*parse_json("file", content(file))), (*json)["table"]);
  std::set<std::string> formats;
  for (const Json& row : (*json)["table"]["rows"]) {
    formats.insert(row["format"]);
    EXPECT_GT(row["gflops"].get<double>(), 0);
  }
  for (const char* format :
       {"segments", "blocks4", "blocks16", "dense", "gather", "conv_dense", "conv_blocks4", "conv_blocks16"})
    EXPECT_TRUE(formats.contains(format)) << format;
  EXPECT_EQ((*json)["crossovers"].size(), 6u) << tuned.out;

  const Outcome explained = coppice("explain " + network);
  EXPECT_NE(explained.out.find("by the cost table " + file), std::string::npos) << explained.out;
  EXPECT_NE(coppice("explain --cost-table default " + network).out.find("shipped"), std::string::npos);
  const Outcome trained = coppice("train --out here " + network);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.out.find("table    " + file), std::string::npos) << trained.out;

  // The run keeps the table: it is judged by it when nobody else has it any more.
  std::filesystem::remove_all(folder_.file("config"));
  const Outcome kept = coppice("explain here");
  EXPECT_NE(kept.out.find(std::filesystem::path(file).filename().string()), std::string::npos) << kept.out;
  EXPECT_EQ(kept.out.find(folder_.path()), std::string::npos)
      << "a checkpoint says where its table lay: " << kept.out;
  EXPECT_NE(kept.out.find("; the run keeps it"), std::string::npos) << kept.out;
  EXPECT_EQ(coppice("eval here").code, 0);
  expect_refusal("train --resume here --cost-table default", 2, "--cost-table: is part of the run");
  // Its recipe repeats it from anywhere, as it names the table beside it.
  EXPECT_EQ(coppice("train here/recipe.toml --out again").code, 0);
  EXPECT_EQ(coppice("train --resume here/last.safetensors --epochs 2").code, 0)
      << "a file of a run stands for it";
  const Outcome bench =
      coppice("bench linear --rows 64 --cols 64 --seconds 0.02 --cost-table here/cost-table.json");
  EXPECT_NE(bench.out.find("by here/cost-table.json"), std::string::npos) << bench.out << bench.err;
}

TEST_F(Cli, TuneSaysWhatItMeasured) {
  const Outcome tuned = coppice("tune --quick --seconds 0.01 --isa c --threads 2 --out table.json");
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  for (const char* part : {"c kernels, 2 threads", "before   shipped with coppice", "segments", "blocks16",
                           "faster than", "rough ", "written  table.json"})
    EXPECT_NE(tuned.out.find(part), std::string::npos) << part << "\n" << tuned.out;
  EXPECT_TRUE(std::filesystem::exists(folder_.file("table.json")));
  EXPECT_FALSE(std::filesystem::exists(folder_.file("config")));
  const Outcome unwritable = coppice("tune --quick --seconds 0.01 --out table.json/t.json");
  EXPECT_EQ(unwritable.code, 1);
  EXPECT_NE(unwritable.err.find("table.json"), std::string::npos) << unwritable.err;
}

TEST_F(Cli, TuneLeavesNothingAfterCtrlC) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen("/dev/null", "w", stderr) == nullptr)
      _exit(99);
    execl(COPPICE_BINARY, "coppice", "tune", "--seconds", "600", nullptr);
    _exit(99);
  }
  // Before it listens, a signal would end it without a word.
  const std::string status_file = "/proc/" + std::to_string(child) + "/status";
  const auto listens = [&] {
    const std::string text = content(status_file);
    const size_t at = text.find("SigCgt:");
    return at != std::string::npos &&
           (std::stoull(text.substr(at + 7), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
  };
  for (int wait = 0; wait < 1000 && !listens(); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("config")));
}

TEST_F(Cli, ShowsData) {
  const Outcome glyphs = coppice("data info glyphs --json");
  EXPECT_EQ((*parse_json("data", glyphs.out))["test"], 2000);
  const Outcome life = coppice("data info life");
  EXPECT_EQ(life.code, 0);
  EXPECT_NE(life.out.find("anew in each epoch"), std::string::npos);
  const Outcome sized = coppice("data info life --life-side 5");
  EXPECT_NE(sized.out.find("5 x 5"), std::string::npos) << sized.out;
  expect_refusal("data info glyphs --grey", 2, "--grey: belongs to own data");
}

TEST_F(Cli, SaysWhatItRecognisedInOwnData) {
  folder_.write("t.csv", "a,b,kind\n1,10,x\n3,10,y\n5,10,x\n");
  const Outcome table = coppice("data info t.csv --test-share 0 --validation 0");
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("rows of numbers"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("mean 3.0000, 10.0000; standard deviation 1.6330, 1.0000"), std::string::npos)
      << table.out;
  const auto json = parse_json("data", coppice("data info t.csv --test-share 0 --validation 0 --json").out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["counts"]["train"], (std::vector<int>{2, 1}));
  expect_refusal("data info t.csv --sheet x.html", 2, "--sheet: the samples of 't.csv' are rows of numbers");
  expect_refusal("data info t.csv --label c", 2, "has no column 'c'");
}

TEST_F(Cli, WritesAContactSheet) {
  for (const char* name : {"a<b", "c"})
    for (int i = 0; i < 3; ++i) {
      std::filesystem::create_directories(folder_.file(std::string("mine/") + name));
      folder_.write(std::string("mine/") + name + "/" + std::to_string(i) + ".png",
                    testing::png_of(testing::plain(20, 30, 3, static_cast<uint8_t>(40 * i))));
    }
  ASSERT_EQ(coppice("data info mine --sheet s.png").code, 0);
  const auto sheet = read_image(Env::system(), folder_.file("s.png"));
  ASSERT_TRUE(sheet.ok()) << sheet.status().message();
  EXPECT_EQ(sheet->info, (ImageInfo{2 * 22 + 2, 12 * 32 + 2, 3}));
  ASSERT_EQ(coppice("data info mine --sheet s.html").code, 0);
  const std::string page = content(folder_.file("s.html"));
  EXPECT_NE(
      page.find(
          "<h2>a&lt;b (2)</h2><div class=\"scroll\"><img alt=\"a&lt;b\" src=\"data:image/png;base64,iVBOR"),
      std::string::npos)
      << page;
  EXPECT_EQ(page.find("http"), std::string::npos) << "self-contained";
  ASSERT_EQ(coppice("data info life --sheet life.png").code, 0);
  expect_refusal("data info mine --sheet s.gif", 2, "should end with .html or .png");
  expect_refusal("data info mine --sheet nowhere/s.png", 1, "nowhere");
}

}  // namespace
}  // namespace coppice
