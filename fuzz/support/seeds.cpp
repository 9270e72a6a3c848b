// SPDX-License-Identifier: Apache-2.0
#include "support/seeds.h"

#include <zlib.h>

#include <cstring>

#include "io/cifar.h"
#include "io/safetensors.h"
#include "models/graph_json.h"
#include "models/models.h"
#include "ops/ops.h"
#include "pack/pack.h"
#include "study/account.h"
#include "study/sweep_rows.h"
#include "support/memory_env.h"
#include "support/onnx_bytes.h"
#include "support/pictures.h"
#include "support/sweep_plan.h"
#include "support/tar.h"
#include "support/temp_dir.h"
#include "support/zip.h"
#include "train/checkpoint.h"
#include "train/cost_table.h"

namespace coppice::fuzz {
namespace {

using testing::gzipped;
using testing::MemoryEnv;
using testing::npy_of;
using testing::tar_end;
using testing::tar_member;
using testing::zip_of;

std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> 8 * i);
  return out;
}

// ---- data

void add_arrays(std::vector<Seed>& seeds) {
  const std::string matrix = npy_of<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6});
  seeds.push_back({"npy", "matrix", matrix});
  seeds.push_back({"npy", "number", npy_of<double>("<f8", "()", {1.5})});
  seeds.push_back({"npy", "empty", npy_of<int64_t>("<i8", "(0, 4)", {})});
  // The longer header of version 2.
  std::string second = npy_of<uint8_t>("|u1", "(4,)", {1, 2, 3, 4});
  second[6] = 2;
  second.insert(10, 2, '\0');
  seeds.push_back({"npy", "version-2", second});

  const std::string table = npy_of<float>("<f4", "(4, 2)", {1, 2, 3, 4, 5, 6, 7, 8}),
                    labels = npy_of<int32_t>("<i4", "(4,)", {0, 1, 0, 1});
  const std::string pictures = npy_of<uint8_t>("|u1", "(3, 2, 2)", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}),
                    hot = npy_of<uint8_t>("|u1", "(3, 2)", {1, 0, 0, 1, 1, 0});
  seeds.push_back({"npz", "stored", zip_of({{"x.npy", table}, {"y.npy", labels}})});
  seeds.push_back({"npz", "deflated",
                   zip_of({{.name = "x.npy", .content = table, .deflated = true},
                           {.name = "y.npy", .content = labels, .deflated = true}})});
  seeds.push_back({"npz", "splits",
                   zip_of({{.name = "x_train.npy", .content = pictures, .zip64 = true},
                           {"y_train.npy", hot},
                           {"x_test.npy", pictures},
                           {"y_test.npy", hot}})});
  const std::string several = npy_of<uint8_t>("|u1", "(4, 3)", {1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0}),
                    quantities = npy_of<double>("<f8", "(4, 2)", {1.5, -2, 0, 1e3, 7, 0.25, 3, 4}),
                    one = npy_of<float>("<f4", "(4,)", {1.5, -2, 0, 1e3});
  seeds.push_back({"npz", "labels", zip_of({{"x.npy", table}, {"y.npy", several}})});
  seeds.push_back({"npz", "quantities", zip_of({{"x.npy", table}, {"y.npy", quantities}})});
  seeds.push_back({"npz", "quantity", zip_of({{"x.npy", table}, {"y.npy", one}})});
}

void add_data_sets(std::vector<Seed>& seeds) {
  const std::string images = big_endian(0x0803, 4) + big_endian(2, 4) + big_endian(2, 4) + big_endian(3, 4) +
                             "abcdefghijkl",
                    labels = big_endian(0x0801, 4) + big_endian(3, 4) + std::string("\1\2\0", 3);
  seeds.push_back({"idx", "images", images});
  seeds.push_back({"idx", "labels", labels});
  seeds.push_back({"idx", "images.gz", gzipped(images)});
  seeds.push_back({"gzip", "plain", "some text that is not packed"});
  seeds.push_back({"gzip", "packed", gzipped(std::string(200, 'a') + "b")});
  seeds.push_back({"gzip", "two-members", gzipped("one") + gzipped("two")});

  std::string pixels;
  for (int i = 0; i < kCifarChannels * kCifarSide * kCifarSide; ++i) pixels += static_cast<char>(i % 7);
  seeds.push_back({"cifar", "ten.gz", gzipped('\3' + pixels + '\1' + pixels)});
  seeds.push_back({"cifar", "hundred.gz", gzipped("\3\x55" + pixels)});
  seeds.push_back({"cifar", "ten", '\3' + pixels});

  seeds.push_back({"csv", "plain", "a,b,class\n1,2,x\n3,4.5,y\n-1e3,0,x\n"});
  seeds.push_back({"csv", "quoted", "\xef\xbb\xbf\"a;1\";b\r\n1;\"x\"\"y\"\r\n2;\"z\n\"\r\n"});
  seeds.push_back({"csv", "tabs", "a\tb\n1\t0\n\n2\t1"});

  seeds.push_back({"csv", "quantities", "area,rooms,price\n50,2,1e5\n70.5,3,150000\n90,4,-2.25\n"});
  seeds.push_back({"csv", "labels", "0,1,1,0.5\n1,0,1,2\n0,0,0,-1\n"});

  const std::string one = tar_member("top/a.bin", "first"),
                    two = tar_member("./b.bin", std::string(600, 'b'));
  seeds.push_back({"tar", "plain", one + two + tar_end()});
  seeds.push_back({"tar", "packed.gz", gzipped(tar_member("top/", "", '5') + two + one + tar_end())});
  seeds.push_back({"tar", "outside.gz", gzipped(tar_member("../../evil", "x") + one + two + tar_end())});
}

// ---- pictures

std::string png_chunk(const std::string& name, const std::string& content) {
  const std::string named = name + content;
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(named.data()), static_cast<uInt>(named.size()));
  return big_endian(content.size(), 4) + named + big_endian(sum, 4);
}

struct PngKind {
  const char* name;
  int depth, type;
  bool interlaced;
  size_t row_bytes;   // of 4 pixels
  std::string extra;  // chunks before the rows
};

// 4 x 3 pixels.
std::string png_of_kind(const PngKind& kind) {
  std::string rows;
  // Interlaced, these pixels come in six passes of 1, 1, 2, 2, 4 and 4 rows' parts; zeros are right for all.
  const size_t raw = kind.interlaced ? 3 * (1 + kind.row_bytes) + 8 : 3 * (1 + kind.row_bytes);
  rows.assign(raw, '\0');
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
           rows.size());
  packed.resize(size);
  return std::string("\x89PNG\r\n\x1a\n", 8) +
         png_chunk("IHDR", big_endian(4, 4) + big_endian(3, 4) + static_cast<char>(kind.depth) +
                               static_cast<char>(kind.type) + std::string(2, '\0') +
                               (kind.interlaced ? '\1' : '\0')) +
         kind.extra + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

void add_pictures(std::vector<Seed>& seeds) {
  const std::string palette = png_chunk("PLTE", "abcdefABCDEF");
  const PngKind kinds[] = {{"grey", 8, 0, false, 4, ""},
                           {"one-bit", 1, 0, false, 1, ""},
                           {"colour", 8, 2, false, 12, ""},
                           {"deep", 16, 2, false, 24, png_chunk("gAMA", big_endian(45455, 4))},
                           {"palette", 4, 3, false, 2, palette + png_chunk("tRNS", "\x7f")},
                           {"grey-alpha", 8, 4, false, 8, ""},
                           {"alpha", 8, 6, false, 16, png_chunk("tEXt", std::string("Title\0x", 7))},
                           {"interlaced", 8, 0, true, 4, ""}};
  for (const PngKind& kind : kinds) seeds.push_back({"png", kind.name, png_of_kind(kind)});
  seeds.push_back({"png", "rows", testing::png_of(testing::pattern(5, 4, 3))});

  const Image grey = testing::pattern(9, 10, 1), colour = testing::pattern(18, 17, 3);
  seeds.push_back({"jpeg", "grey", testing::jpeg_of(grey)});
  seeds.push_back({"jpeg", "colour", testing::jpeg_of(colour, {.quality = 30, .exif = ""})});
  seeds.push_back(
      {"jpeg", "progressive", testing::jpeg_of(colour, {.quality = 30, .progressive = true, .exif = ""})});
  seeds.push_back({"jpeg", "turned", testing::jpeg_of(grey, {.exif = testing::exif_of(6, true)})});
}

// ---- networks

const CostTable& small_table() {
  static const CostTable kTable{"a CPU", {{"segments", 0.1, 20}, {"dense", 1.0, 80.5}}, "c", "c0de", ""};
  return kTable;
}

// Without the length of the header, and with a line end behind it, as the target wants it.
std::string checkpoint_of(const std::string& model, const ModelInput& input, const char* block,
                          const ColumnNames& columns = {}) {
  SparsityConfig sparsity;
  sparsity.density = 0.4;
  sparsity.block = BlockShape::parse(block).take();
  Network network = Network::create(make_model(model, input).take(), sparsity, 5).take();
  network.cost_table = small_table();
  for (Param& param : network.params) param.ensure(param.moment1);
  RunInfo info;
  info.recipe =
      make_recipe({{"data", "some.csv", "seed"}, {"model", model, "seed"}, {"optimizer", "sgd", "seed"}})
          .take();
  info.preprocessing.features = {input.channels, input.height, input.width};
  const auto channels = static_cast<size_t>(input.channels);
  info.preprocessing.normalisation = {std::vector<float>(channels, 0.5f), std::vector<float>(channels, 2.0f)};
  info.preprocessing.outputs = input.outputs;
  info.preprocessing.classes = {"no", "yes"};
  info.preprocessing.columns = columns;
  info.preprocessing.numbers = !columns.features.empty();
  info.progress = {1, 2,   17, 15, 1.25, 128, {"accuracy", true, 0.5, 0.25}, 2, 1, 0.7, {1e9, 2e9, 3e9},
                   4, 0.25};
  info.isa = "c";
  MemoryEnv env;
  EXPECT_TRUE(write_checkpoint(env, "x", network, info, true).ok());
  std::string file = env.files().at("x");
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  file.insert(sizeof header + header, "\n");
  return file.substr(sizeof header);
}

void add_networks(std::vector<Seed>& seeds) {
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<int32_t> integers = {1, 2};
  MemoryEnv env;
  EXPECT_TRUE(write_safetensors(env, "x",
                                {{"b", Dtype::kF32, {2, 2}, values.data()},
                                 {"a", Dtype::kI32, {2}, integers.data()},
                                 {"none", Dtype::kF64, {0, 3}, values.data()},
                                 {"one", Dtype::kU8, {}, values.data()}},
                                {{"key", "a \"value\"\n"}})
                  .ok());
  seeds.push_back({"safetensors", "tensors", env.files().at("x")});
  EXPECT_TRUE(write_safetensors(env, "x", {}, {}).ok());
  seeds.push_back({"safetensors", "empty", env.files().at("x")});

  seeds.push_back({"cost_table", "two-rows", json_text(cost_table_json(small_table()))});
  seeds.push_back({"cost_table", "shipped", json_text(cost_table_json(shipped_cost_table()))});

  for (const OpDef* op : all_ops()) {
    if (op->samples == nullptr) continue;
    // The smallest that has all attributes; others differ in sizes.
    seeds.push_back({"graph", op->name, graph_to_json(op->samples().front().graph)});
  }

  Recipe recipe = make_recipe({{"data", "glyphs", "seed"}}).take();
  seeds.push_back({"recipe", "glyphs", recipe_to_toml(recipe)});
  recipe = make_recipe({{"data", "life", "seed"},
                        {"schedule", "step", "seed"},
                        {"step_at", "0.5,0.75", "seed"},
                        {"layer", "conv1=0.5", "seed"},
                        {"optimizer", "sgd", "seed"}})
               .take();
  seeds.push_back({"recipe", "life", recipe_to_toml(recipe)});
  seeds.push_back({"recipe", "own",
                   "# pictures\ndata = 'my/pictures'\nmodel = \"mine.json\"\nimage_size = \"32x48\"\n"
                   "memory = \"500M\"\nmax_time = '2h'\n[layer]\n\"fc 1\" = 0.25\n"});

  seeds.push_back({"checkpoint", "mlp", checkpoint_of("mlp:6-4-2", {6, 1, 1, 2}, "1x1")});
  seeds.push_back({"checkpoint", "blocks", checkpoint_of("mlp:6-16-2", {6, 1, 1, 2}, "16x1")});
  seeds.push_back(
      {"checkpoint", "columns", checkpoint_of("mlp:2-4-2", {2, 1, 1, 2}, "1x1", {{"a", "b b"}, "kind"})});
}

// ---- runs

Account account_of(const Evaluation& test) {
  Account account;
  account.program = "coppice 0.1.0";
  account.cpu = "a CPU";
  TrainReport& report = account.report;
  report.progress.step = 10;
  report.progress.best_epoch = 2;
  report.validation = report.test = test;
  report.seconds = report.cpu_seconds = report.seconds_in_all = 1.5;
  report.live_weights = 30;
  report.total_weights = 100;
  report.work = {1e6, 2e6, 4e6};
  report.planned_bytes = report.peak_bytes = report.best_file_bytes = 1 << 20;
  report.parameter_bytes = report.dense_parameter_bytes = 400;
  report.isa = "c";
  LayerReport layer;
  layer.weight = "fc1.weight";
  layer.shape = "10x10";
  layer.total = 100;
  layer.live = 30;
  layer.block = "1x1";
  layer.format = "csr";
  report.network.layers = {layer};
  return account;
}

std::string account_text(const Evaluation& test) {
  return json_text(account_json(account_of(test), "run")) + "\n";
}

// A row of each seed of the study: one that came to something, and one that failed.
std::string sweep_rows_text(const Evaluation& test) {
  const SweepPlan& plan = small_sweep();
  std::string text;
  for (const SweepRun& run : plan.runs) {
    SweepRow row;
    row.cell = "dense";
    row.id = run.id;
    row.run = run.directory;
    row.seed = run.seed;
    row.recipe = run.recipe;
    row.command = "coppice train";
    row.jobs = 2;
    if (text.empty())
      row.account = account_of(test);
    else
      row.failed = "the loss is NaN";
    text += json_text(sweep_row_json(row)) + "\n";
  }
  return text;
}

// Of ops whose steps differ most, in floats and in integers.
void add_packed(std::vector<Seed>& seeds) {
  for (const char* op : {"add", "avg_pool", "batch_norm", "concat", "conv2d", "gelu", "layer_norm", "linear",
                         "max_pool", "mul", "pad", "prelu", "slice"}) {
    SparsityConfig half;
    half.density = 0.5;
    Network network = Network::create(find_op(op)->samples().front().graph, half, 1).take();
    PackOptions options;
    seeds.push_back({"cpk", std::string(op) + "-float", pack_network(network, options).take().file});
    const std::vector<float> sample(
        static_cast<size_t>(network.graph.value(network.graph.input).shape.elements()), 0.7f);
    options.ranges = calibrate(network, sample, {}).take();
    options.arithmetic = Arithmetic::kInt8;
    seeds.push_back({"cpk", std::string(op) + "-int8", pack_network(network, options).take().file});
    if (std::string(op) != "linear") continue;
    options.batches = {3};
    seeds.push_back({"cpk", "tiles-int8", pack_network(network, options).take().file});
  }
}

void add_onnx(std::vector<Seed>& seeds) {
  using namespace testing;  // the functions that make ONNX files
  seeds.push_back({"onnx", "cnn", onnx_cnn().bytes()});
  OnnxFile linear = onnx_linear();
  linear.initializer(onnx_tensor_of("q", {3, 2}, kOnnxInt8, std::vector<int8_t>{1, 0, 3, -1, 5, -2}))
      .initializer(onnx_floats("scale", {2}, {.25F, .5F}))
      .initializer(onnx_floats("b", {2}, onnx_numbers(2)))
      .node("DequantizeLinear", "dq", {"q", "scale"}, {"w"}, {onnx_integer("axis", 1)});
  seeds.push_back({"onnx", "int8", linear.bytes()});
  seeds.push_back({"onnx", "qdq", onnx_integer_layer(true).bytes()});
  // Pads, windows, parts and sums of old opsets.
  OnnxFile old;
  old.opset = 9;
  old.ir = 4;
  old.input("x", {1, 2, 6, 6}).output("y");
  old.initializer(onnx_floats("w", {4, 1, 2, 2}, onnx_numbers(16)));
  old.initializer(onnx_floats("s", {4, 1, 1}, onnx_numbers(4)));
  old.node("Pad", "pad", {"x"}, {"p"}, {onnx_list("pads", {0, 0, 0, 1, 0, 0, 1, 0})});
  old.node("Conv", "conv", {"p", "w"}, {"c"},
           {onnx_text("auto_pad", "SAME_UPPER"), onnx_integer("group", 2)});
  old.node("PRelu", "prelu", {"c", "s"}, {"a"});
  old.node("Clip", "clip", {"c"}, {"b"}, {onnx_real("min", 0), onnx_real("max", 6)});
  old.node("Add", "add", {"a", "b"}, {"d"});
  old.node("Slice", "slice", {"d"}, {"e"},
           {onnx_list("starts", {0}), onnx_list("ends", {INT64_MAX}), onnx_list("axes", {1})});
  old.node("MaxPool", "max", {"e"}, {"f"}, {onnx_list("kernel_shape", {2, 2}), onnx_list("strides", {2, 2})});
  old.node("AveragePool", "mean", {"f"}, {"g"}, {onnx_list("kernel_shape", {2, 2})});
  old.node("Sigmoid", "gate", {"g"}, {"h"}).node("Mul", "mul", {"g", "h"}, {"i"});
  old.node("Concat", "concat", {"i", "g"}, {"j"}, {onnx_integer("axis", 1)});
  old.node("Transpose", "turn", {"j"}, {"k"}, {onnx_list("perm", {0, 1, 2, 3})});
  old.node("Flatten", "flat", {"k"}, {"y"}, {onnx_integer("axis", 1)});
  seeds.push_back({"onnx", "old-opset", old.bytes()});
}

void add_runs(std::vector<Seed>& seeds) {
  const std::string recipe = recipe_to_toml(make_recipe({{"data", "glyphs", "seed"}}).take());
  const std::string first = R"({"epoch":1,"step":5,"seconds":0.5,"learning_rate":0.1,"train_loss":2.5,)",
                    second = R"({"epoch":2,"step":10,"seconds":1,"learning_rate":0.01,"train_loss":1.25,)",
                    plain = first + "\"best\":false}\n" + second + "\"best\":true}\n",
                    judged = first + R"("validation_loss":2.5,"validation_accuracy":0.5,"best":true})" +
                             "\n" + second +
                             R"("validation_loss":1,"validation_accuracy":0.75,"best":true})" + "\n";
  Evaluation classes;
  classes.samples = 60;
  classes.loss = 1.5;
  classes.accuracy = 0.75;
  classes.top5 = 0.75;
  Evaluation quantities = classes;
  quantities.task = Task::kRegression;
  quantities.rmse = 12.5;
  quantities.r2 = 0.5;
  seeds.push_back({"run_directory", "begun", recipe});
  seeds.push_back({"run_directory", "going-on", recipe + "----\n" + plain + R"({"epoch":3,"st)"});
  seeds.push_back({"run_directory", "done", recipe + "----\n" + judged + "----\n" + account_text(classes)});
  seeds.push_back(
      {"run_directory", "quantities", recipe + "----\n" + plain + "----\n" + account_text(quantities)});
  seeds.push_back({"sweep_rows", "classes", sweep_rows_text(classes)});
  seeds.push_back({"sweep_rows", "quantities", sweep_rows_text(quantities)});
  seeds.push_back(
      {"study", "cells-and-grids",
       "[study]\nname = \"digits\"\nquestion = 'Enough?'\nseeds = [1, 7]\nbaseline = 'dense'\n"
       "[recipe]\ndata = 'glyphs'\nepochs = 2\n[grid]\ndensity = [0.5, 0.1]\nblock = ['1x1', '4x1']\n"
       "[[cell]]\nname = 'dense'\n[[cell]]\nname = 'slow'\nlearning_rate = 0.0001\n"
       "grid.batch = [32, 64]\n[cell.layer]\nfc1 = 0.5\n"});
}

}  // namespace

std::vector<Seed> make_seeds() {
  std::vector<Seed> seeds;
  add_arrays(seeds);
  add_data_sets(seeds);
  add_pictures(seeds);
  add_networks(seeds);
  add_onnx(seeds);
  add_packed(seeds);
  add_runs(seeds);
  return seeds;
}

}  // namespace coppice::fuzz
