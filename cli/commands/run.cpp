// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "base/text.h"
#include "command.h"
#include "io/npy.h"
#include "packed.h"
#include "report/table.h"
#include "report/text.h"
#include "terminal.h"
#include "train/sample_files.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "run";

struct RunArguments {
  std::string file, input, output, isa;
  int64_t top = 5;
  int threads = 1;
  bool json = false;
};

// What the numbers that come out of the network mean.
std::vector<double> meaning(const Preprocessing& model, const float* said, size_t width) {
  std::vector<double> out(said, said + width);
  if (model.task == Task::kClasses) {
    const double most = *std::max_element(out.begin(), out.end());
    double sum = 0;
    for (double& number : out) sum += number = std::exp(number - most);
    for (double& number : out) number /= sum;
  } else if (model.task == Task::kLabels) {
    for (double& number : out) number = 1 / (1 + std::exp(-number));
  } else {
    for (size_t i = 0; i < width; ++i)
      out[i] = out[i] * model.target_scale.stddev[i] + model.target_scale.mean[i];
  }
  return out;
}

std::string output_name(const Preprocessing& model, size_t output) {
  const std::vector<std::string>& names = model.task == Task::kClasses ? model.classes : model.target_names;
  return output < names.size() ? names[output] : std::to_string(output);
}

// The classes that are most likely; of other tasks all outputs, in their order.
std::vector<size_t> shown(const Preprocessing& model, const std::vector<double>& numbers, int64_t top) {
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (model.task != Task::kClasses) return order;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return numbers[a] > numbers[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(top)));
  return order;
}

std::string number_text(const Preprocessing& model, double number) {
  return model.task == Task::kRegression ? decimal(number, 4) : percent(number);
}

Result<int> run_packed(const RunArguments& arguments) {
  Env& env = Env::system();
  if (!is_packed(arguments.file))
    return invalid(arguments.file + ": should end in .cpk; `coppice pack` makes such a file of a run");
  TRY_ASSIGN(const PackedImage image, PackedImage::read(env, arguments.file));
  TRY_ASSIGN(const PackedText text, packed_text(image, arguments.file));
  const Preprocessing& model = text.preprocessing;
  const auto in = static_cast<size_t>(elements_of(image.input())),
             out = static_cast<size_t>(elements_of(image.output()));
  if (static_cast<int64_t>(in) != model.features.size() || static_cast<int64_t>(out) != model.outputs)
    return corrupt(arguments.file + ": its text tells of other samples or outputs than its values");
  TRY_ASSIGN(const std::vector<float> samples, read_samples(env, arguments.input, model));
  TRY_ASSIGN(const PackedSession session,
             PackedSession::create(image, {.threads = arguments.threads, .isa = arguments.isa}));
  const size_t count = samples.size() / in;
  std::vector<float> said(count * out);
  for (size_t s = 0; s < count; ++s) session.run(&samples[s * in], &said[s * out]);
  if (!arguments.output.empty())
    TRY(write_npy(env, arguments.output, Dtype::kF32,
                  {static_cast<int64_t>(count), static_cast<int64_t>(out)}, said.data()));
  Json rows = Json::array();
  Table table({"sample", "says", model.task == Task::kRegression ? "number" : "probability"});
  table.left({0, 1});
  for (size_t s = 0; s < count; ++s) {
    const std::vector<double> numbers = meaning(model, &said[s * out], out);
    Json row = Json::array();
    for (const size_t output : shown(model, numbers, arguments.top)) {
      table.add({row.empty() ? std::to_string(s + 1) : "", output_name(model, output),
                 number_text(model, numbers[output])});
      row.push_back(Json{{"name", output_name(model, output)}, {"value", numbers[output]}});
    }
    rows.push_back(std::move(row));
  }
  if (arguments.json)
    say(json_text(Json{{"file", arguments.file}, {"input", arguments.input}, {"samples", std::move(rows)}}));
  else
    say(table.text());
  return kFine;
}

}  // namespace

void add_run_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Ask a packed network about a picture or a table");
  auto arguments = std::make_shared<RunArguments>();
  command->add_option("file", arguments->file, "a packed network")->required()->type_name("FILE.cpk");
  command
      ->add_option("--input", arguments->input, "a picture (PNG, JPEG), .npy or .csv: one sample or several")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--output", arguments->output, "writes what the network says, before any softmax, as .npy")
      ->type_name("FILE");
  command->add_option("--top", arguments->top, "how many classes are shown")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "that share the work of a sample")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--isa", arguments->isa, "c, avx2, avx512 or neon; else the best here");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nSamples are made as the network was trained on them: pictures get its size, numbers are "
      "normalised.\n"
      "Examples:\n"
      "  coppice run third.cpk --input boot.png\n"
      "  coppice run iris.cpk --input flowers.csv --json");
  command->callback([arguments, &exit] {
    const auto code = run_packed(*arguments);
    exit = code.ok() ? *code : fail(kName, code.status());
  });
}

}  // namespace coppice::cli
