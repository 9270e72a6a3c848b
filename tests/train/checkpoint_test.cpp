// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/rng.h"
#include "io/safetensors.h"
#include "models/models.h"
#include "ops/build.h"
#include "support/failing_env.h"
#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::expect_same_network;
using testing::FailingEnv;
using testing::TempDir;

RunInfo some_info() {
  RunInfo info;
  info.recipe = testing::small_recipe();
  info.preprocessing.features = {1, 28, 28};
  info.preprocessing.normalisation = {{0.1f}, {0.3f}};
  info.preprocessing.outputs = 10;
  for (int c = 0; c < 10; ++c) info.preprocessing.classes.push_back("class \"" + std::to_string(c) + "\"");
  info.progress = {
      3, 2, 17, 15, 1.25, 128, {"accuracy", true, 0.1 + 0.2, 1.0 / 3.0}, 2, 1, 0.7, {1e9, 2e9, 3e9}, 4, 0.25};
  info.isa = "avx512";
  return info;
}

// A network whose every array holds different numbers.
Network some_network(Graph graph, const char* block, double density) {
  SparsityConfig sparsity;
  sparsity.density = density;
  sparsity.block = *BlockShape::parse(block);
  Network network = Network::create(std::move(graph), sparsity, 5).take();
  Rng rng(9, stream_id("test", "values"));
  for (std::vector<Param>* list : {&network.params, &network.states})
    for (Param& param : *list) {
      param.ensure(param.moment1);
      param.ensure(param.moment2);
      for (Floats* array : {&param.value, &param.moment1, &param.moment2})
        for (float& value : *array) value = rng.normal();
    }
  return network;
}
Network some_network(const std::string& model, const char* block, double density,
                     const ModelInput& input = {1, 28, 28, 10}) {
  return some_network(*make_model(model, input), block, density);
}

TEST(Checkpoint, GivesBackWeightsStateAndProgressBitForBit) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  RunInfo info = some_info();
  info.preprocessing.fit = Fit::kStretch;
  info.preprocessing.numbers = true;
  for (const char* block : {"1x1", "4x1", "16x1", "16x4"})
    for (const double density : {0.1, 1.0}) {
      const Network network = some_network("mlp:784-32-16-10", block, density);
      ASSERT_TRUE(write_checkpoint(Env::system(), path, network, info, true).ok());
      const auto read = read_checkpoint(Env::system(), path);
      ASSERT_TRUE(read.ok()) << read.status().message();
      expect_same_network(read->network, network);
      ASSERT_EQ(read->network.choices.size(), network.choices.size());
      EXPECT_TRUE(read->network.choices[0].block == network.choices[0].block);
      EXPECT_EQ(read->network.choices[0].reason, network.choices[0].reason);
      EXPECT_EQ(recipe_to_toml(read->info.recipe), recipe_to_toml(info.recipe));
      EXPECT_EQ(read->info.preprocessing.classes, info.preprocessing.classes);
      EXPECT_EQ(read->info.preprocessing.fit, info.preprocessing.fit);
      EXPECT_EQ(read->info.preprocessing.numbers, info.preprocessing.numbers);
      EXPECT_EQ(read->info.preprocessing.normalisation.stddev, info.preprocessing.normalisation.stddev);
      EXPECT_EQ(read->info.progress.best.value, info.progress.best.value);
      EXPECT_EQ(read->info.progress.best.metric, "accuracy");
      EXPECT_TRUE(read->info.progress.best.larger_is_better);
      EXPECT_EQ(read->info.progress.best.loss, info.progress.best.loss);
      EXPECT_EQ(read->info.progress.loss_sum, info.progress.loss_sum);
      EXPECT_EQ(read->info.progress.step, 17);
      EXPECT_EQ(read->info.progress.batch, 2);
      EXPECT_EQ(read->info.isa, "avx512");
    }
}

TEST(Checkpoint, KeepsTheNamesOfColumns) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  RunInfo info = some_info();
  info.preprocessing.features = {2, 1, 1};
  info.preprocessing.normalisation = {{0, 0}, {1, 1}};
  info.preprocessing.numbers = true;
  const Network network = some_network("mlp:2-8-10", "1x1", 0.5, {2, 1, 1, 10});
  for (const ColumnNames& columns : {ColumnNames{}, ColumnNames{{"a", "b \"c\""}, "kind"}}) {
    info.preprocessing.columns = columns;
    ASSERT_TRUE(write_checkpoint(Env::system(), path, network, info, false).ok());
    const auto read = read_checkpoint(Env::system(), path);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->info.preprocessing.columns, columns);
    const auto file = SafetensorsFile::open(Env::system(), path);
    EXPECT_EQ(read_column_names(*file).take(), columns);
    // As files from before there were names.
    EXPECT_EQ(file->metadata().at("preprocessing").find("\"label\"") == std::string::npos,
              columns.label.empty());
  }
}

TEST(Checkpoint, KeepsWhatTheOutputsMean) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  RunInfo info = some_info();
  info.preprocessing.classes.clear();
  info.preprocessing.outputs = 2;
  info.preprocessing.target_names = {"price", "rooms \"and\" doors"};
  info.progress.best = {"mae", false, std::nullopt, 0.5};
  for (const Task task : {Task::kLabels, Task::kRegression}) {
    info.preprocessing.task = task;
    info.preprocessing.target_scale = {{1.0f / 3, -2}, {3e7f, 0.1f}};
    const Network network = some_network("mlp:784-8-2", "1x1", 0.5, {1, 28, 28, 2, task});
    ASSERT_TRUE(write_checkpoint(Env::system(), path, network, info, true).ok());
    const auto read = read_checkpoint(Env::system(), path);
    ASSERT_TRUE(read.ok()) << read.status().message();
    const Preprocessing& p = read->info.preprocessing;
    EXPECT_EQ(p.task, task);
    EXPECT_EQ(p.target_names, info.preprocessing.target_names);
    EXPECT_EQ(p.target_scale.mean,
              task == Task::kLabels ? std::vector<float>{} : info.preprocessing.target_scale.mean);
    EXPECT_EQ(p.target_scale.stddev,
              task == Task::kLabels ? std::vector<float>{} : info.preprocessing.target_scale.stddev);
    EXPECT_EQ(read->info.progress.best.metric, "mae");
    EXPECT_FALSE(read->info.progress.best.larger_is_better);
    EXPECT_FALSE(read->info.progress.best.value.has_value());
  }
}

TEST(Checkpoint, AScoreIsBetterByItsMetricThenByItsLoss) {
  const auto score = [](bool larger, std::optional<double> value, double loss) {
    return Score{"any", larger, value, loss};
  };
  EXPECT_TRUE(score(true, 0.6, 9).better_than(score(true, 0.5, 1)));
  EXPECT_FALSE(score(true, 0.5, 1).better_than(score(true, 0.6, 9)));
  EXPECT_TRUE(score(false, 0.5, 9).better_than(score(false, 0.6, 1)));
  EXPECT_FALSE(score(false, 0.6, 1).better_than(score(false, 0.5, 9)));
  EXPECT_TRUE(score(true, 0.5, 1).better_than(score(true, 0.5, 2)));
  EXPECT_FALSE(score(true, 0.5, 2).better_than(score(true, 0.5, 2)));
  EXPECT_TRUE(score(true, -3, 9).better_than(score(true, std::nullopt, 1)));
  EXPECT_FALSE(score(false, std::nullopt, 1).better_than(score(false, 3, 9)));
  EXPECT_TRUE(score(false, std::nullopt, 1).better_than(score(false, std::nullopt, 9)));
}

TEST(Checkpoint, KeepsTheCostTableBitForBit) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  Network network = some_network("mlp:784-8-10", "1x1", 0.1);
  network.cost_table = {"a CPU", {{"segments", 0.1, 1.0 / 3.0}, {"dense", 1.0, 0.1 + 0.2}}, "avx2", "c0de"};
  network.cost_table.origin = "somewhere.json";
  ASSERT_TRUE(write_checkpoint(Env::system(), path, network, some_info(), true).ok());
  const auto read = read_checkpoint(Env::system(), path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read->network.cost_table.same_rates(network.cost_table));
  EXPECT_EQ(read->network.cost_table.origin, "somewhere.json");
  EXPECT_EQ(read->network.cost_table.cpu, "a CPU");
  EXPECT_EQ(read->network.cost_table.isa, "avx2");
}

TEST(Checkpoint, KeepsRunningStatistics) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const Network network = some_network("resnet8", "1x1", 0.5, {3, 32, 32, 10});
  RunInfo info = some_info();
  info.preprocessing.features = {3, 32, 32};
  info.preprocessing.normalisation = {{0, 0, 0}, {1, 1, 1}};
  ASSERT_TRUE(write_checkpoint(Env::system(), path, network, info, true).ok());
  const auto read = read_checkpoint(Env::system(), path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_FALSE(network.states.empty());
  expect_same_network(read->network, network);
}

TEST(Checkpoint, KeepsTheShapesOfScalesAndSlopes) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {1, 28, 28}});
  b.class_target();
  x = b.prelu("slopes", b.conv("conv", b.layer_norm("image", x), 4, {}), 4);
  x = b.layer_norm("flat", b.prelu("slope", b.apply("global_pool", "pool", {x})));
  b.softmax_cross_entropy(b.linear("fc", x, 10));
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const Network network = some_network(b.finish().take(), "1x1", 0.5);
  ASSERT_TRUE(write_checkpoint(Env::system(), path, network, some_info(), true).ok());
  const auto read = read_checkpoint(Env::system(), path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  expect_same_network(read->network, network);
  const auto file = SafetensorsFile::open(Env::system(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensors().at("image.weight").shape, (std::vector<int64_t>{1, 28, 28}));
  EXPECT_EQ(file->tensors().at("slope.weight").shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(file->tensors().at("slopes.weight").shape, (std::vector<int64_t>{4}));
}

TEST(Checkpoint, NeverReplacesAGoodStateByOneThatIsNotFinite) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const Network good = some_network("resnet8", "1x1", 0.5, {3, 32, 32, 10});
  RunInfo info = some_info();
  info.preprocessing.features = {3, 32, 32};
  info.preprocessing.normalisation = {{0, 0, 0}, {1, 1, 1}};
  ASSERT_TRUE(write_checkpoint(Env::system(), path, good, info, true).ok());
  const size_t params = good.params.size(), states = good.states.size();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
    for (size_t i = 0; i < params + states; i += 5)
      for (Floats Param::*array : {&Param::value, &Param::moment1, &Param::moment2}) {
        Network network = some_network("resnet8", "1x1", 0.5, {3, 32, 32, 10});
        Param& param = i < params ? network.params[i] : network.states[i - params];
        (param.*array)[(param.*array).size() - 1] = bad;
        const Status status = write_checkpoint(Env::system(), path, network, info, true);
        ASSERT_EQ(status.code(), Code::kDiverged) << param.name();
        EXPECT_EQ(status.message().rfind("'" + param.name() + "' has ", 0), 0u) << status.message();
        // The best is written without optimizer state.
        const bool without_optimizer =
            write_checkpoint(Env::system(), folder.file("best.safetensors"), network, info, false).ok();
        EXPECT_EQ(without_optimizer, array != &Param::value);
      }
  const auto read = read_checkpoint(Env::system(), path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  expect_same_network(read->network, good);
}

TEST(Checkpoint, StoresDenseWeightsAsPyTorchDoes) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  Network network = some_network("mlp:784-32-10", "16x1", 1.0);
  Param& weight = network.params[0];
  std::vector<float> canonical(static_cast<size_t>(weight.live()));
  for (size_t k = 0; k < canonical.size(); ++k) canonical[k] = static_cast<float>(k);
  weight.set_canonical(weight.value, canonical);
  ASSERT_TRUE(write_checkpoint(Env::system(), path, network, some_info(), false).ok());
  const auto file = SafetensorsFile::open(Env::system(), path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->tensors().at("fc1.weight").shape, (std::vector<int64_t>{32, 784}));
  const auto values = file->read<float>("fc1.weight");
  ASSERT_TRUE(values.ok());
  // Canonical order is block by block of 16 rows: output 3, input 5 of the first block row is weight 5 * 16
  // + 3.
  EXPECT_EQ((*values)[3 * 784 + 5], 5 * 16 + 3);
  EXPECT_EQ((*values)[20 * 784 + 5], 16 * 784 + 5 * 16 + 4);
  EXPECT_FALSE(file->has("optimizer/fc1.weight.moment1"));
}

TEST(Checkpoint, StoresSparseWeightsInBlocks) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const Network network = some_network("mlp:784-32-16-10", "16x1", 0.1);
  ASSERT_TRUE(write_checkpoint(Env::system(), path, network, some_info(), true).ok());
  const auto file = SafetensorsFile::open(Env::system(), path);
  ASSERT_TRUE(file.ok());
  const Pattern pattern = network.params[0].pattern();
  EXPECT_EQ(file->tensors().at("fc1.weight.values").shape, (std::vector<int64_t>{pattern.blocks(), 16, 1}));
  EXPECT_EQ(file->tensors().at("fc1.weight.indptr").shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(file->tensors().at("fc1.weight.indices").dtype, Dtype::kI32);
  EXPECT_TRUE(file->has("optimizer/fc1.weight.moment2"));
}

// The file with its tensors and metadata as `change` leaves them, and the sentence that refuses it.
template <class Change>
std::string refusal(const TempDir& folder, const std::string& path, const Change& change) {
  const auto file = SafetensorsFile::open(Env::system(), path);
  EXPECT_TRUE(file.ok());
  Metadata metadata = file->metadata();
  std::map<std::string, std::vector<char>> contents;
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : file->tensors()) {
    contents[name].resize(tensor.bytes());
    EXPECT_TRUE(file->read_bytes(tensor, contents[name].data()).ok());
    views[name] = {name, tensor.dtype, tensor.shape, contents[name].data()};
  }
  change(metadata, views, contents);
  std::vector<TensorView> list;
  for (const auto& [name, view] : views) list.push_back(view);
  const std::string changed = folder.file("changed.safetensors");
  EXPECT_TRUE(write_safetensors(Env::system(), changed, list, metadata).ok());
  const auto read = read_checkpoint(Env::system(), changed);
  return read.ok() ? "accepted" : read.status().message();
}

// What programs wrote before there was a choice of tasks and metrics.
TEST(Checkpoint, ReadsFilesFromBeforeThereWereTasks) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const auto as_before = [](const std::string& accuracy) {
    return [accuracy](Metadata& m, std::map<std::string, TensorView>&,
                      std::map<std::string, std::vector<char>>&) {
      m["progress"] = R"({"epoch":3,"batch":2,"step":17,"judged_step":15,"loss_sum":1.25,"loss_samples":128,)"
                      R"("best_accuracy":)" +
                      accuracy + R"(,"best_loss":0.25,"best_epoch":2,"epochs_since_best":1,"seconds":0.7})";
    };
  };
  ASSERT_TRUE(
      write_checkpoint(Env::system(), path, some_network("mlp:784-8-10", "1x1", 0.5), some_info(), true)
          .ok());
  for (const std::string accuracy : {"0.875", "-1"}) {
    EXPECT_EQ(refusal(folder, path, as_before(accuracy)), "accepted");
    const auto read = read_checkpoint(Env::system(), folder.file("changed.safetensors"));
    ASSERT_TRUE(read.ok());
    const Score& best = read->info.progress.best;
    EXPECT_EQ(best.metric, "accuracy");
    EXPECT_TRUE(best.larger_is_better);
    EXPECT_EQ(best.value, accuracy == "-1" ? std::nullopt : std::optional(0.875));
    EXPECT_EQ(best.loss, 0.25);
    EXPECT_EQ(read->info.preprocessing.task, Task::kClasses);
  }
  RunInfo boards = some_info();
  boards.preprocessing.features = {1, 6, 6};
  boards.preprocessing.outputs = 36;
  boards.preprocessing.classes.clear();
  boards.preprocessing.task = Task::kLabels;
  const Network life = some_network("life:1,2", "1x1", 1, {1, 6, 6, 36, Task::kLabels});
  ASSERT_TRUE(write_checkpoint(Env::system(), path, life, boards, true).ok());
  EXPECT_EQ(SafetensorsFile::open(Env::system(), path)->metadata().at("preprocessing").find("task"),
            std::string::npos);
  EXPECT_EQ(read_checkpoint(Env::system(), path)->info.preprocessing.task, Task::kLabels);
}

TEST(Checkpoint, RefusesFilesThatContradictThemselves) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  ASSERT_TRUE(
      write_checkpoint(Env::system(), path, some_network("mlp:784-32-16-10", "16x1", 0.1), some_info(), true)
          .ok());
  using Views = std::map<std::string, TensorView>;
  using Contents = std::map<std::string, std::vector<char>>;
  const auto says = [&](const std::string& sentence, const auto& change) {
    const std::string text = refusal(folder, path, change);
    EXPECT_NE(text.find(sentence), std::string::npos) << text;
    EXPECT_EQ(text.find(folder.file("changed.safetensors")), 0u) << text;
  };
  EXPECT_EQ(refusal(folder, path, [](Metadata&, Views&, Contents&) {}), "accepted");
  says("metadata 'cost_table' is missing", [](Metadata& m, Views&, Contents&) { m.erase("cost_table"); });
  says("cost_table: is not valid JSON", [](Metadata& m, Views&, Contents&) { m["cost_table"].pop_back(); });
  says("cost_table.rows[0].gflops", [](Metadata& m, Views&, Contents&) {
    const size_t at = m["cost_table"].find("\"gflops\":");
    m["cost_table"].insert(at + 9, "-");
  });
  says("not a checkpoint", [](Metadata& m, Views&, Contents&) { m.erase("coppice.checkpoint"); });
  says("format version 2", [](Metadata& m, Views&, Contents&) { m["coppice.checkpoint"] = "2"; });
  says("metadata 'graph' is missing", [](Metadata& m, Views&, Contents&) { m.erase("graph"); });
  says("graph: is not valid JSON", [](Metadata& m, Views&, Contents&) { m["graph"].pop_back(); });
  says("'fc1.bias' is missing", [](Metadata&, Views& v, Contents&) { v.erase("fc1.bias"); });
  says("'fc1.weight.indptr' is missing",
       [](Metadata&, Views& v, Contents&) { v.erase("fc1.weight.indptr"); });
  says("'extra' belongs to nothing",
       [](Metadata&, Views& v, Contents&) { v["extra"] = v["fc1.bias"], v["extra"].name = "extra"; });
  says("'fc1.bias' is [4, 8], the graph wants [32]", [](Metadata&, Views& v, Contents&) {
    v["fc1.bias"].shape = {4, 8};
  });
  says("'fc1.bias'", [](Metadata&, Views& v, Contents&) { v["fc1.bias"].dtype = Dtype::kI32; });
  says("weight 'fc1.weight'", [](Metadata&, Views&, Contents& c) {
    reinterpret_cast<int32_t*>(c["fc1.weight.indices"].data())[0] = 784;
  });
  says("weight 'fc1.weight'", [](Metadata&, Views&, Contents& c) {
    reinterpret_cast<int32_t*>(c["fc1.weight.indptr"].data())[1] = -1;
  });
  says("'optimizer/fc1.weight.moment1'", [](Metadata&, Views& v, Contents&) {
    v["optimizer/fc1.weight.moment1"].shape = {v["optimizer/fc1.weight.moment1"].shape[0] * 16};
  });
  const auto other_block = [](Metadata& m, const std::string& from, const std::string& to) {
    const size_t at = m["weights"].find("\"block\":\"" + from);
    ASSERT_NE(at, std::string::npos);
    m["weights"].replace(at + 9, from.size(), to);
  };
  says("do not divide", [&](Metadata& m, Views&, Contents&) { other_block(m, "1x1", "4x1"); });
  says("block '3x1'", [&](Metadata& m, Views&, Contents&) { other_block(m, "16x1", "3x1"); });
  says("'fc1.weight.indptr' is [3], the graph wants [9]",
       [&](Metadata& m, Views&, Contents&) { other_block(m, "16x1", "4x1"); });
  says("no entry for 'fc1.weight'", [](Metadata& m, Views&, Contents&) { m["weights"] = "[]"; });
  says("preprocessing.stddev", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[0],"outputs":10,"classes":[]})";
  });
  says("preprocessing.values: should be bytes or floats, not 'words'", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":10,"classes":[],"values":"words"})";
  });
  const auto tampered = [&](const char* what, const char* sentence) {
    says(sentence,
         [what](Metadata& m, Views&, Contents&) { m["preprocessing"].insert(1, std::string(what) + ","); });
  };
  tampered(R"("features":["a","b"],"values":"floats")",
           "preprocessing.features: should name each of the 1 columns");
  tampered(R"("features":["a"])", "preprocessing.features: should name each of the 1 columns");
  tampered(R"("label":"kind")", "preprocessing.label: should name a column of classes");
  says("preprocessing.resize: should be crop or stretch, not 'tile'", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":10,"classes":[],"resize":"tile"})";
  });
  says("is not the sample", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":27,"mean":[0],"stddev":[1],"outputs":10,"classes":[]})";
  });
  says("preprocessing.task: should be labels or regression, not 'poems'", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":10,"classes":[],"task":"poems"})";
  });
  says("preprocessing.targets: should name each of the 10 outputs", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":10,"classes":[],"task":"labels","targets":["a"]})";
  });
  says("preprocessing: target_mean and target_stddev should have 2 numbers", [](Metadata& m, Views&,
                                                                                Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":2,"classes":[],"task":"regression","targets":["a","b"],"target_mean":[1],"target_stddev":[1,1]})";
  });
  says("preprocessing.target_stddev: should be above 0", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":1,"classes":[],"task":"regression","targets":["a"],"target_mean":[1],"target_stddev":[0]})";
  });
  says("which is not what the preprocessing calls 10 labels", [](Metadata& m, Views&, Contents&) {
    m["preprocessing"] =
        R"({"channels":1,"height":28,"width":28,"mean":[0],"stddev":[1],"outputs":10,"classes":[]})";
  });
  says("progress.best_metric: 'f2' is no metric; did you mean 'f1'?", [](Metadata& m, Views&, Contents&) {
    const size_t at = m["progress"].find("\"accuracy\"");
    m["progress"].replace(at, 10, "\"f2\"");
  });
  says("progress.step",
       [](Metadata& m, Views&, Contents&) { m["progress"] = R"({"epoch":0,"batch":0,"step":-1})"; });
  says("'epohcs' is not a key", [](Metadata& m, Views&, Contents&) { m["recipe"] += "epohcs = 3\n"; });
}

TEST(Checkpoint, RefusesAFileThatWasCutAnywhere) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  ASSERT_TRUE(
      write_checkpoint(Env::system(), path, some_network("mlp:784-4-10", "1x1", 0.01), some_info(), false)
          .ok());
  const auto whole = read_all(Env::system(), path, 1 << 20);
  ASSERT_TRUE(whole.ok());
  for (size_t length = 0; length < whole->size(); length += 1 + whole->size() / 500) {
    const auto read =
        read_checkpoint(Env::system(), folder.write("cut.safetensors", whole->substr(0, length)));
    ASSERT_FALSE(read.ok()) << length;
    EXPECT_NE(read.status().message().find("cut.safetensors"), std::string::npos) << read.status().message();
  }
}

TEST(Checkpoint, StaysWholeWhicheverOperationFails) {
  const TempDir folder;
  const std::string path = folder.file("x.safetensors");
  const Network before = some_network("mlp:784-8-10", "1x1", 0.05),
                after = some_network("mlp:784-8-10", "4x1", 0.05);
  FailingEnv counting(-1);
  ASSERT_TRUE(write_checkpoint(counting, path, before, some_info(), true).ok());
  const int64_t operations = counting.operations();
  EXPECT_GT(operations, 4);
  for (const FailingEnv::Then then : {FailingEnv::Then::kRecovers, FailingEnv::Then::kStaysDown})
    for (int64_t at = 0; at < operations; ++at) {
      ASSERT_TRUE(write_checkpoint(Env::system(), path, before, some_info(), true).ok());
      FailingEnv failing(at, then);
      const Status status = write_checkpoint(failing, path, after, some_info(), true);
      const auto read = read_checkpoint(Env::system(), path);
      ASSERT_TRUE(read.ok()) << at << ": " << read.status().message();
      // The last operation, which makes the new name durable, fails after the new file is in its place.
      const bool is_new = read->network.params[0].pattern().block() == BlockShape{4, 1};
      expect_same_network(read->network, is_new ? after : before);
      if (!is_new) {
        EXPECT_FALSE(status.ok()) << at;
      }
    }
}

}  // namespace
}  // namespace coppice
