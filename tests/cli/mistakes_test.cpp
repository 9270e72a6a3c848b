// SPDX-License-Identifier: Apache-2.0
// What people do wrong, and the sentence that they get: it names the thing and what to do next. One line on
// standard error; exit code 2 for what cannot be meant, 1 for what cannot be done.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/pictures.h"
#include "support/program.h"

namespace coppice {
namespace {

struct Mistake {
  const char* arguments;
  int code;
  const char* sentence;
};

constexpr Mistake kMistakes[] = {
    // The command and its flags.
    {"trian", 2, "coppice: 'trian' is unknown; did you mean 'train'?; `coppice --help` shows"},
    {"train --epohcs 3", 2,
     "coppice train: '--epohcs' is unknown; did you mean '--epochs'?; `coppice train --help`"},
    {"eval x --jsno", 2, "coppice eval: '--jsno' is unknown; did you mean '--json'?; `coppice eval --help`"},
    {"train --epochs", 2, "--epochs"},
    {"train one.toml two.toml", 2, "'two.toml' is one argument too many"},
    {"eval", 2, "run is required"},
    {"eval x --split tset", 2, "--split"},
    {"bench", 2, "A subcommand is required"},
    {"bench linaer", 2, "did you mean 'linear'?"},
    {"bench linear --rows 0", 2, "--rows"},
    {"bench linear --density 2", 2, "density must be above 0 and at most 1"},
    {"bench linear --block 3x3", 2, "block '3x3': must be 1x1, 4x1, 16x1 or 16x4"},
    {"bench conv --kernel 2", 2, "--kernel"},
    {"bench step --model x", 1, "model 'x' is not known; there are "},
    {"tune --seconds 0", 2, "--seconds"},
    {"tune --threads none", 2, "--threads"},
    {"tune --isa mmx", 1, "instruction set 'mmx': this CPU and build have "},
    {"tune --quick --seconds 0.01 --out file.txt/t.json", 1, "file.txt: cannot create the directory"},
    // Values.
    {"train --density 0", 2, "--density: '0' should be a number above 0, up to 1"},
    {"train --density 10%", 2, "--density: '10%' should be a number above 0"},
    {"train --density 1e-9", 2, "density 1e-07 % cannot be reached: a single block in each of 3 layers is"},
    {"train --learning-rate three", 2, "--learning-rate: 'three' should be a number"},
    {"train --learning-rate nan", 2, "--learning-rate: 'nan' should be a number"},
    {"train --optimizer adma", 2, "--optimizer: 'adma' should be one of sgd, adam, adamw"},
    {"train --schedule cos", 2, "--schedule: 'cos' should be one of constant, step, cosine, linear"},
    {"train --momentum 0.9", 2, "--momentum: belongs to the optimizer sgd; leave it out"},
    {"train --life-side 8", 2, "--life-side: belongs to the data set life; leave it out"},
    {"train --step-at 0.5", 2, "--step-at: belongs to the schedule step; leave it out"},
    {"train --block 3x3", 2, "--block: block '3x3': must be 1x1, 4x1, 16x1 or 16x4"},
    {"train --layer fc1", 2, "--layer: 'fc1' should be NAME=DENSITY with a density above 0"},
    {"train --layer nope=0.5", 1, "layer 'nope': there is no such layer; this network has fc1, fc2, fc3"},
    {"train --density 0.1 --layer fc1=0.9", 2,
     "density 10 % cannot be reached: the layers with a fixed density use"},
    {"train --freeze nothing", 2, "freeze: 'nothing' is the name of no parameter; there are fc1.weight"},
    {"train --freeze '*'", 2, "freeze: '*' leaves nothing to train"},
    {"train --batch 0", 2, "--batch: '0' should be an integer from 1"},
    {"train --micro-batch 500", 2, "micro_batch: 500 is above the batch of 100; choose at most that"},
    {"train --micro-batch 7", 2, "micro_batch: 7 should be a multiple of 16, the samples of a tile"},
    {"train --threads 100000", 2, "--threads: '100000' should be an integer from 0 to 1024"},
    {"train --isa sse9", 1, "instruction set 'sse9': this CPU and build have "},
    {"train --memory lots", 2, "--memory: 'lots' should be a number with or without a unit, such as 500M"},
    {"train --memory 1k", 1,
     "above the limit of 0.0 MiB; no micro-batch would fit, lower --density or raise --memory"},
    {"train --max-time soon", 2, "--max-time: 'soon' should be a number with or without a unit, such as 10m"},
    {"train --patience 3 --validation 0", 2,
     "patience: waits for a better validation; give validation a share"},
    // Recipes.
    {"train none.toml", 1, "none.toml: no such file or directory"},
    {"train folder", 2, "folder: is a directory, a file is needed here"},
    {"train text.toml", 2, "text.toml line 1: "},
    {"train misspelt.toml", 2,
     "misspelt.toml line 2: 'epohcs' is not a key of a recipe; did you mean 'epochs'?"},
    {"train wrong.toml", 2, "wrong.toml line 1: epochs: 'three' should be an integer from 1"},
    {"explain wrong.toml", 2, "wrong.toml line 1: epochs: 'three' should be an integer from 1"},
    // Networks.
    {"train --model nonsense", 1, "model 'nonsense' is not known; there are lenet5, life:1,8"},
    {"train --model resnet9", 2, "the number of layers is 6n + 2: resnet8, resnet20"},
    {"train --model mlp:783-10", 2,
     "model 'mlp:783-10': starts with 783, but a sample has 784 numbers; start with that"},
    {"train --model mlp:784-x-10", 2, "model 'mlp:784-x-10': 'x' is not a size between 1 and "},
    {"train --model none.json", 1, "none.json: no such file or directory"},
    {"train --model cut.json", 1, "cut.json: graph: is not valid JSON, in line 2 at character "},
    {"train --model empty.json", 1, "empty.json: graph.version: is missing; it should be an integer"},
    {"train --model lenet.json --data life", 2,
     "lenet.json: input 'input' is c=1 h=28 w=28, a sample of the data is c=1 h=16"},
    {"train --model no_op.json", 1, "no_op.json: node 'pool1': this version of coppice has no op 'maxpool'"},
    {"train --model shape.json", 1,
     "shape.json: linear 'fc1': weight o=120 i=401 does not take an input of f=400"},
    {"train --model key.json", 1, "is no key here; there are op, name, inputs, outputs, attributes"},
    {"train --model lenet.json --label-smoothing 0.1", 2, "label_smoothing: belongs to named models"},
    // Weights from elsewhere.
    {"train --init none", 1, "none: no such file or directory"},
    {"train --init random", 1, "is it a safetensors file?"},
    {"train --init model.pt", 1,
     "model.pt: is a PyTorch file (or another archive), and reading those can run code; convert it"},
    {"train --init model.h5", 1, "model.h5: is an HDF5 file (Keras); convert it once"},
    {"train --init file.txt", 1, "file.txt: is too short for a safetensors file"},
    // Data.
    {"train --data cifar10 --data-dir nowhere", 1,
     "data set 'cifar10': not found (looked for nowhere/cifar10)"},
    {"data info nothing", 1, "data set 'nothing': is neither glyphs, life, "},
    {"data glyphs", 2, "coppice data: 'glyphs' is unknown; did you mean 'get'?"},
    {"data get imagenet", 2, "imagenet"},
    {"train --data empty", 1,
     "empty: holds no data set that is known here; needed is a folder of PNG or JPEG"},
    {"train --data one_class", 2, "one_class: holds one class only ('cat')"},
    {"train --data sizes", 2, "sizes: its pictures have 2 sizes, from 8 x 8 to 9 x 10"},
    {"train --data sizes --image-size big", 2, "--image-size: 'big' should be a side from 1 to 1024"},
    {"train --data glyphs --image-size 8", 2, "--image-size: belongs to own data, given by its path"},
    {"train --data torn --image-size 8", 1, "torn/cat/1.png: is cut short: the PNG ends at byte "},
    {"train --data foreign", 1, "foreign/cat/1.webp: is neither a PNG nor a JPEG picture; convert it"},
    {"train --data loose", 2, "loose/1.png: is a picture without a class; put the pictures of each class"},
    {"train --data table.csv --label colour", 2,
     "table.csv: has no column 'colour' for the label; its columns are a"},
    {"train --data gap.csv", 1, "gap.csv line 3: column 'a' holds 'NA' where a number is needed"},
    {"train --data ragged.csv", 1, "ragged.csv line 3: has 1 fields, the first row has 2; complete it"},
    {"train --data prices.csv", 1,
     "prices.csv: column 'price' holds 1.5, a quantity, where classes are wanted; learn it as a number with"},
    // Labels and quantities.
    {"train --data prices.csv --target cost", 2,
     "prices.csv: has no column 'cost' for the target; its columns are a, price"},
    {"train --data words.csv --target price", 1,
     "words.csv line 3: column 'price' holds 'cheap' where a number is needed"},
    {"train --data nan.csv --target price", 1,
     "nan.csv line 3: column 'price' holds 'nan' where a number is needed"},
    {"train --data prices.csv --target price --label a", 2,
     "target: names the columns that are learnt, and so does label; leave one of them out"},
    {"train --data prices.csv --target a,price", 2,
     "prices.csv: every column is a target; leave at least one"},
    {"train --data prices.csv --target price --task labels", 2,
     "prices.csv line 2: column 'price' holds 1.5, where a label is 0 or 1; numbers are learnt with --task"},
    {"train --data prices.csv --target price --task classes", 2,
     "target: names columns of labels or quantities; a column of classes is named by label"},
    {"train --data prices.csv --task numbers", 2,
     "--task: 'numbers' should be one of auto, classes, labels, regression"},
    {"train --data prices.csv --label price --task regression", 2,
     "label: names a column of classes; for the task regression name columns by target"},
    {"train --data prices.csv --target price --model mlp:1-9-2", 2,
     "model 'mlp:1-9-2': ends with 2, but the data has 1 quantity; end with that"},
    {"train --data prices.csv --target price --label-smoothing 0.1", 2,
     "label_smoothing: belongs to classes, the task is regression; leave it out"},
    {"train --data prices.csv --target price --model labels.json", 2,
     "labels.json: loss 'loss' is binary_cross_entropy, the data has 1 quantity; that is learnt by "
     "mean_squared"},
    {"train --target price", 2, "--target: belongs to own data, given by its path; leave it out"},
    {"train --data sizes --task labels", 2, "a folder teaches classes; put pictures and labels into a .npz"},
    {"train --metric acuracy", 2, "--metric: 'acuracy' is no metric; did you mean 'accuracy'?"},
    {"train --metric r2", 2,
     "metric: 'r2' means nothing where the task is classes; there are accuracy, top5"},
    {"train --metric auc --validation 0", 2,
     "metric: chooses by validation samples; give validation a share"},
    {"train --resume run --metric auc", 2, "--metric: is part of the run and cannot be changed"},
    {"eval run --metrics mae", 2, "--metrics: 'mae' means nothing where the task is classes; there are"},
    {"eval run --metrics auc,all", 2, "--metrics: 'all' stands alone, as it names every metric"},
    {"eval run --metrics auc,recal", 2, "--metrics: 'recal' is no metric; did you mean 'recall'?"},
    {"train --data model.pt", 1, "model.pt: is no ZIP archive, or is cut short"},
    {"train --data file.txt", 2, "file.txt: has one column only; a table has a label"},
    {"train --data random", 1, "random: is neither a .npz nor a .csv file"},
    // Tables for a network that learnt from the columns a and b, and tells kind.
    {"eval of_table --data no_b.csv", 2,
     "no_b.csv: has no column 'b', which the network learnt from; its columns are a, c, kind"},
    {"eval of_table --data no_kind.csv", 2,
     "no_kind.csv: has no column 'kind', which the network learnt to tell; its columns are b, a, sort"},
    {"eval of_table --data more.csv", 2,
     "more.csv: has a column 'row', which the network did not learn from; take it out"},
    {"train --data swapped.csv --init of_table/best.safetensors --model mlp:2-2", 2,
     "of_table/best.safetensors: learnt from the columns of this table in another order; put them in this "
     "one: a, b"},
    // Runs.
    {"report nowhere", 1, "nowhere: there is no such run; `coppice train` makes runs under runs/"},
    {"report folder", 1, "folder: holds no recipe.toml; is it a directory that `coppice train` made?"},
    {"life --widths 0", 2, "coppice life: width 0 should be from 1 to 64"},
    {"life --densities 1", 2,
     "coppice life: density 1 of boards should be above 0 and below 1, or 0 to draw one"},
    {"life --flips 0", 2, "coppice life: of the signs at least 1 should be turned"},
    {"life --widths 1 --flips 26 --updates 1", 2,
     "26 signs cannot be turned, a network of width 1 has 25 numbers"},
    {"life --steps 11", 2, "--steps"},
    {"life --prune-to 8", 2,
     "no width is above 8, so there is nothing to cut; add a wider one with --widths"},
    {"life --widths 4 --prune-to 2 --steps 2", 1,
     "only networks of one step can be cut; leave --prune-to out"},
    {"life --steps 2 --boards 0", 2,
     "boards should be at least 1; only one step can be taught all that there are"},
    {"life --out run --updates 1", 2, "run: holds a run of `coppice train`; choose another place with --out"},
    {"compare folder", 1, "folder: holds no recipe.toml; is it a directory that `coppice train` made?"},
    {"compare", 2, "runs is required"},
    {"compare run --html nowhere/page.html", 1, "nowhere/page.html"},
    {"eval nowhere", 1, "nowhere: there is no such run or file; `coppice train` makes runs"},
    {"eval folder", 1, "folder: holds no best.safetensors; is it a directory that `coppice train` made?"},
    {"eval random", 1, "is it a safetensors file?"},
    {"eval model.pt", 1, "model.pt: is a PyTorch file"},
    {"inspect nowhere", 1, "nowhere: there is no such run or file"},
    {"explain folder", 1, "folder: holds no best.safetensors"},
    {"train --resume nowhere", 1, "nowhere: there is no such run or file"},
    {"train --resume runs/x --out y", 2,
     "--resume: takes recipe and place from the run; leave the others out"},
    {"train --resume run --batch 16", 2,
     "--batch: is part of the run and cannot be changed; start a new one for that"},
    {"train --resume run", 2, "epochs: the run has done all its 1 updates; raise --max-steps to go on"},
    {"explain run --density 0.5", 2, "--density: is part of the run and cannot be changed"},
    {"eval run --exact-life", 2, "life"},
    {"eval cut.safetensors", 1, "cut.safetensors: "},
    {"train --train-samples 300 --model mlp:784-10 --out run", 2,
     "run: holds a run already; go on with --resume, or choose another place"},
    {"train --out file.txt/run", 1, "file.txt/run: cannot create the directory (Not a directory)"},
    // Cost tables.
    {"train --cost-table none.json", 1, "none.json: no such file"},
    {"explain --cost-table version.json", 1,
     "version.json: has cost table format version 7, this coppice reads 1"},
    {"bench linear --cost-table cut.json", 1, "cut.json: is not valid JSON, in line 2"},
};

// The files that the mistakes are about.
void prepare(const testing::Program& program) {
  const testing::TempDir& folder = program.folder;
  std::filesystem::create_directory(folder.file("folder"));
  folder.write("file.txt", "x\n");
  folder.write("random", std::string(100, '\xa5'));
  folder.write("model.pt", std::string("PK\x03\x04") + std::string(200, 'x'));
  folder.write("model.h5", "\x89HDF\r\n\x1a\n" + std::string(200, 'x'));
  folder.write("text.toml", "this is not TOML\n");
  folder.write("misspelt.toml", "data = \"glyphs\"\nepohcs = 9\n");
  folder.write("wrong.toml", "epochs = \"three\"\n");
  folder.write("empty.json", "{}");
  const std::string picture = testing::png_of(testing::plain(8, 8, 1, 9));
  for (const char* name : {"empty", "one_class/cat", "sizes/cat", "sizes/dog", "torn/cat", "torn/dog",
                           "foreign/cat", "foreign/dog", "loose"})
    std::filesystem::create_directories(folder.file(name));
  for (const char* name :
       {"one_class/cat/1.png", "sizes/cat/1.png", "torn/dog/1.png", "foreign/dog/1.png", "loose/1.png"})
    folder.write(name, picture);
  folder.write("sizes/dog/1.png", testing::png_of(testing::plain(10, 9, 1, 9)));
  folder.write("torn/cat/1.png", picture.substr(0, picture.size() - 3));
  folder.write("foreign/cat/1.webp", "RIFF and so on");
  folder.write("table.csv", "a,kind\n1,x\n2,y\n");
  folder.write("gap.csv", "a,kind\n1,x\nNA,y\n");
  folder.write("ragged.csv", "a,kind\n1,x\n2\n");
  folder.write("prices.csv", "a,price\n1,1.5\n2,2.5\n");
  folder.write("words.csv", "a,price\n1,1.5\n2,cheap\n");
  folder.write("nan.csv", "a,price\n1,1.5\n2,nan\n");
  folder.write("cut.json", "{\"version\": 1,\n \"inputs\"");
  folder.write("version.json", "{\"coppice.cost_table\":7}");
  const std::string lenet = program.run("explain --model lenet5 --graph").out;
  const auto changed = [&](const char* name, const std::string& from, const std::string& to) {
    std::string text = lenet;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    folder.write(name, text.replace(text.find(from), from.size(), to));
  };
  folder.write("lenet.json", lenet);
  folder.write("labels.csv", "a,b\n1,0\n2,1\n");
  folder.write("labels.json",
               program.run("explain --data labels.csv --target b --model mlp:1-1 --graph").out);
  changed("no_op.json", "\"max_pool\"", "\"maxpool\"");
  changed("shape.json", "\"sizes\":[120,400]", "\"sizes\":[120,401]");
  changed("key.json", "\"attributes\"", "\"atributes\"");
  const testing::Outcome run =
      program.run("train --train-samples 300 --test-samples 20 --model mlp:784-10 --max-steps 1 --out run");
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string best = testing::content(folder.file("run/best.safetensors"));
  folder.write("cut.safetensors", best.substr(0, best.size() / 2));
}

// A run of a table, and tables that are not like it.
void prepare_columns(const testing::Program& program) {
  const auto write = [&](const char* name, const std::string& header, const char* row) {
    std::string text = header + "\n";
    for (int i = 0; i < 20; ++i) text += std::string(row) + (i % 2 == 0 ? "yes\n" : "no\n");
    program.folder.write(name, text);
  };
  write("learnt.csv", "a,b,kind", "1,2,");
  write("swapped.csv", "b,a,kind", "2,1,");
  write("no_b.csv", "a,c,kind", "1,2,");
  write("no_kind.csv", "b,a,sort", "1,2,");
  write("more.csv", "row,a,b,kind", "7,1,2,");
  const testing::Outcome run =
      program.run("train --data learnt.csv --model mlp:2-2 --max-steps 1 --out of_table");
  ASSERT_EQ(run.code, 0) << run.err;
}

TEST(Mistakes, EachGetsOneSentenceThatNamesTheThing) {
  static_assert(std::size(kMistakes) >= 60);
  const testing::Program program;
  prepare(program);
  prepare_columns(program);
  for (const Mistake& mistake : kMistakes) {
    std::string arguments = mistake.arguments;
    // Where the data is generated and not what is wrong, a few samples are enough.
    if (arguments.starts_with("train --") && arguments.find("--data") == std::string::npos &&
        arguments.find("--resume") == std::string::npos)
      arguments.insert(6, "--train-samples 20 --test-samples 20 ");
    program.expect_refusal(arguments, mistake.code, mistake.sentence);
  }
}

}  // namespace
}  // namespace coppice
