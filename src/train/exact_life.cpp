// SPDX-License-Identifier: Apache-2.0
#include "train/exact_life.h"

#include <algorithm>

#include "base/rng.h"
#include "dataset/loader.h"
#include "train/evaluate.h"

namespace coppice {
namespace {

constexpr int kSide = 3;  // of a neighbourhood

Status check_one_step(const Checkpoint& model) {
  const Preprocessing& p = model.info.preprocessing;
  if (p.task != Task::kLabels || p.features.channels != 1 || p.outputs != p.features.size())
    return invalid(
        "--exact-life: this network does not say one number per cell of a board; it was trained on '" +
        model.info.recipe.data + "'");
  if (model.info.recipe.model.rfind("life:1,", 0) != 0 || model.info.recipe.life_steps != 1)
    return invalid("--exact-life: only one step depends on 3x3 cells alone; this network is " +
                   model.info.recipe.model + " for " + std::to_string(model.info.recipe.life_steps) +
                   " steps");
  return {};
}

// What the network says about each cell of each board, alive or not.
Result<std::vector<uint8_t>> answers(Checkpoint& model, std::vector<uint8_t> boards) {
  const Preprocessing& p = model.info.preprocessing;
  const auto cells = static_cast<size_t>(p.features.size());
  auto samples = std::make_shared<Samples>();
  samples->targets = boards;  // there has to be one; nobody compares with it
  for (uint8_t& cell : boards) cell = cell ? 255 : 0;
  samples->pixels = std::move(boards);
  Dataset data;
  data.name = "boards";
  data.features = p.features;
  data.task = p.task;
  data.outputs = p.outputs;
  data.normalisation = p.normalisation;
  Split split;
  split.samples = samples;
  for (size_t board = 0; board < samples->pixels.size() / cells; ++board)
    split.indices.push_back(static_cast<int32_t>(board));

  ExecOptions options;
  options.batch = static_cast<int>(std::min<int64_t>(split.size(), 32));
  options.threads = thread_count(model.info.recipe);
  options.isa = model.info.recipe.isa;
  options.training = false;
  TRY_ASSIGN(const std::unique_ptr<Executor> executor, Executor::create(model.network, options));
  LoaderOptions loading;
  loading.batch = options.batch;
  loading.width = executor->input_width();
  loading.shuffle = loading.prefetch = false;
  TRY_ASSIGN(const std::unique_ptr<Loader> loader, Loader::create(data, split, loading));

  std::vector<uint8_t> said;
  for (int64_t b = 0; b < loader->batches_per_epoch(); ++b) {
    const Batch& batch = loader->next();
    TRY(executor->evaluate({batch.samples, batch.x, batch.target()}).status());
    const coppice_tiled logits = executor->view(model.network.graph.logits);
    for (int n = 0; n < batch.samples; ++n)
      for (size_t cell = 0; cell < cells; ++cell)
        said.push_back(logits.base[n / logits.width * logits.tile_stride +
                                   static_cast<int64_t>(cell) * logits.width + n % logits.width] > 0);
  }
  return said;
}

}  // namespace

Result<std::vector<Neighbourhood>> wrong_neighbourhoods(Checkpoint& model) {
  TRY(check_one_step(model));
  // As many neighbourhoods on a board as lie beside each other without touching: only their centres are
  // looked at.
  const Features& board = model.info.preprocessing.features;
  const int across = board.width / kSide, per_board = across * (board.height / kSide);
  const std::vector<Neighbourhood> all = all_neighbourhoods();
  const size_t boards = (all.size() + static_cast<size_t>(per_board) - 1) / static_cast<size_t>(per_board);
  std::vector<uint8_t> cells(boards * static_cast<size_t>(board.size()));
  const auto place = [&](size_t index, int row, int column) {
    const int within = static_cast<int>(index) % per_board;
    return index / static_cast<size_t>(per_board) * static_cast<size_t>(board.size()) +
           static_cast<size_t>((within / across * kSide + row) * board.width + within % across * kSide +
                               column);
  };
  for (size_t i = 0; i < all.size(); ++i)
    for (int cell = 0; cell < kSide * kSide; ++cell)
      cells[place(i, cell / kSide, cell % kSide)] = all[i].cells[static_cast<size_t>(cell)];
  TRY_ASSIGN(const std::vector<uint8_t> said, answers(model, std::move(cells)));
  std::vector<Neighbourhood> wrong;
  for (size_t i = 0; i < all.size(); ++i)
    if (said[place(i, 1, 1)] != all[i].next) wrong.push_back(all[i]);
  return wrong;
}

Result<LifeAnswer> ask_life(Checkpoint& model, const std::vector<uint8_t>& board) {
  TRY(check_one_step(model));
  const Features& features = model.info.preprocessing.features;
  LifeAnswer answer;
  answer.board = board;
  answer.right.resize(board.size());
  life_step(board.data(), features.height, features.width, answer.right.data());
  TRY_ASSIGN(answer.said, answers(model, board));
  return answer;
}

std::vector<uint8_t> random_board(const Checkpoint& model, double density, uint64_t seed) {
  std::vector<uint8_t> board(static_cast<size_t>(model.info.preprocessing.features.size()));
  Rng rng(seed, stream_id("exact life", "board"));
  for (uint8_t& cell : board) cell = rng.uniform_double() < density;
  return board;
}

}  // namespace coppice
