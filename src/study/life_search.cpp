// SPDX-License-Identifier: Apache-2.0
#include "study/life_search.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "base/text.h"
#include "dataset/life.h"
#include "exec/executor.h"
#include "models/models.h"
#include "ops/build.h"

namespace coppice {
namespace {

constexpr int kCells = 9, kRules = 512, kMostWidth = 64, kMostSteps = 10;
constexpr char kCount[] = "step1.count", kDecide[] = "step1.decide", kOut[] = "out";

Result<Graph> neighbourhood_graph(int width) {
  NetworkBuilder net;
  ValueId x = net.input({"f", {kCells}});
  net.dense_target({"f", {1}});
  x = net.relu("step1.relu1", net.linear(kCount, x, 2 * width));
  x = net.relu("step1.relu2", net.linear(kDecide, x, width));
  net.binary_cross_entropy(net.linear(kOut, x, 1));
  return net.finish();
}

Result<Graph> board_graph(int steps, int width, int side) {
  ModelInput input;
  input.channels = 1;
  input.height = input.width = side;
  input.outputs = side * side;
  input.task = Task::kLabels;
  return make_model("life:" + std::to_string(steps) + "," + std::to_string(width), input);
}

// All numbers of a network in the order of its parameters; they are dense.
std::vector<float*> numbers_of(Network& network) {
  std::vector<float*> all;
  for (Param& param : network.params)
    for (float& value : param.value) all.push_back(&value);
  return all;
}

// PyTorch's: a bias has the bound of the weight before it.
void draw_values(Network& network, uint64_t seed) {
  double bound = 0;
  for (Param& param : network.params) {
    const int64_t fan_in = param.total() / param.dims()[0];
    if (param.is_weight()) bound = 1 / std::sqrt(static_cast<double>(fan_in));
    Rng rng(seed, stream_id("life values", param.name()));
    for (float& value : param.value) value = static_cast<float>(bound * (2 * rng.uniform_double() - 1));
  }
}

void flip_signs(Network& network, int flips, uint64_t seed) {
  std::vector<float*> numbers = numbers_of(network);
  Rng rng(seed, stream_id("life flips", static_cast<uint64_t>(flips)));
  for (int i = 0; i < flips; ++i) {
    std::swap(numbers[static_cast<size_t>(i)],
              numbers[static_cast<size_t>(i) + rng.below(numbers.size() - static_cast<size_t>(i))]);
    *numbers[static_cast<size_t>(i)] = -*numbers[static_cast<size_t>(i)];
  }
}

// Draws boards of 0 and 1.
class Boards {
 public:
  explicit Boards(const LifeSearch& search)
      : search_(search), cells_(static_cast<size_t>(search.side) * static_cast<size_t>(search.side)) {}

  // Calls use(board) for each board of an update.
  template <class Use>
  void draw(int64_t update, const Use& use) {
    Rng rng(search_.seed, stream_id("life boards", static_cast<uint64_t>(update)));
    for (int board = 0; board < search_.boards; ++board) {
      fill(rng, search_.density > 0 ? search_.density : rng.uniform_double());
      use(cells_);
    }
  }
  // The same boards for every network: `count` with densities from 0 to 1.
  template <class Use>
  void draw_questions(int count, const Use& use) {
    Rng rng(0, stream_id("life questions", static_cast<uint64_t>(search_.side)));
    for (int board = 0; board < count; ++board) {
      fill(rng, (board + 0.5) / count);
      use(cells_);
    }
  }

 private:
  void fill(Rng& rng, double density) {
    const auto bar = static_cast<uint64_t>(std::ldexp(density, 32));
    for (uint8_t& cell : cells_) cell = rng.bits() < bar;
  }
  const LifeSearch& search_;
  std::vector<uint8_t> cells_;
};

// A batch of all neighbourhoods, in the layout of an executor.
struct AllRules {
  std::vector<Neighbourhood> rules = all_neighbourhoods();
  Floats x, target, weights;
  int width;

  explicit AllRules(const Executor& executor) : width(executor.input_width()) {
    const int tiles = (kRules + width - 1) / width;
    x = Floats(static_cast<size_t>(tiles * width * kCells));
    target = Floats(static_cast<size_t>(tiles * width));
    weights = Floats(static_cast<size_t>(tiles * width));
    for (int n = 0; n < kRules; ++n) {
      const Neighbourhood& rule = rules[static_cast<size_t>(n)];
      for (int cell = 0; cell < kCells; ++cell)
        x[static_cast<size_t>((n / width * kCells + cell) * width + n % width)] =
            rule.cells[static_cast<size_t>(cell)];
      target[static_cast<size_t>(n)] = rule.next;
    }
  }
  BatchView view(bool weighted) {
    return {kRules, x.data(), target.data(), weighted ? weights.data() : nullptr};
  }
};

std::array<bool, kRules> answers_of(const coppice_tiled& logits) {
  std::array<bool, kRules> answers;
  for (int n = 0; n < kRules; ++n)
    answers[static_cast<size_t>(n)] =
        logits.base[n / logits.width * logits.tile_stride + n % logits.width] > 0;
  return answers;
}

int wrong_rules(const std::array<bool, kRules>& answers, const std::vector<Neighbourhood>& rules) {
  int wrong = 0;
  for (size_t n = 0; n < kRules; ++n) wrong += answers[n] != (rules[n].next != 0);
  return wrong;
}

}  // namespace

int64_t life_parameters(int steps, int width) {
  const int64_t m = width;
  int64_t sum = m + 1;
  for (int step = 0; step < steps; ++step) sum += (9 * (step == 0 ? 1 : m) + 1) * 2 * m + (2 * m + 1) * m;
  return sum;
}

Status check_life(const LifeSearch& search) {
  if (search.steps < 1 || search.steps > kMostSteps)
    return invalid("steps should be from 1 to " + std::to_string(kMostSteps));
  if (search.width < 1 || search.width > kMostWidth)
    return invalid("width " + std::to_string(search.width) + " should be from 1 to " +
                   std::to_string(kMostWidth));
  if (search.updates < 1 || search.check_every < 1 || search.boards < 1)
    return invalid("updates, checks and boards should be at least 1");
  if (search.side < 3 || search.side > 1024) return invalid("sides should be from 3 to 1024");
  if (!(search.density >= 0 && search.density < 1))
    return invalid("density " + shortest(search.density) +
                   " of boards should be above 0 and below 1, or 0 to draw one for each");
  if (!(search.learning_rate > 0)) return invalid("the learning rate should be above 0");
  const int64_t numbers = life_parameters(search.steps, search.width);
  if (search.flips < 0 || search.flips > numbers)
    return invalid(std::to_string(search.flips) + " signs cannot be turned, a network of width " +
                   std::to_string(search.width) + " has " + std::to_string(numbers) + " numbers");
  return {};
}

void count_neighbourhoods(const uint8_t* board, int side, std::array<int32_t, 512>& counts) {
  const auto column = [](const uint8_t* above, const uint8_t* here, const uint8_t* below, int x) {
    return static_cast<unsigned>(above[x]) | static_cast<unsigned>(here[x]) << 3 |
           static_cast<unsigned>(below[x]) << 6;
  };
  for (int y = 0; y < side; ++y) {
    const uint8_t* above = board + (y == 0 ? side - 1 : y - 1) * side;
    const uint8_t* here = board + y * side;
    const uint8_t* below = board + (y == side - 1 ? 0 : y + 1) * side;
    // A window slides along: its left column falls out, the others move one place down.
    unsigned window = column(above, here, below, side - 1) << 1 | column(above, here, below, 0) << 2;
    for (int x = 0; x < side; ++x) {
      window = (window >> 1 & 0333) | column(above, here, below, x + 1 == side ? 0 : x + 1) << 2;
      ++counts[window];
    }
  }
}

namespace {

Result<std::unique_ptr<Executor>> executor_of(Network& network, int batch, bool training) {
  ExecOptions options;
  options.batch = batch;
  options.training = training;
  options.optimizer.kind = OptimizerKind::kAdam;
  return Executor::create(network, options);
}

// How one network is taught and judged.
class Lesson {
 public:
  Lesson(const LifeSearch& search, LifeFound& found, std::unique_ptr<Executor> trainer,
         std::unique_ptr<Executor> judge)
      : search_(search),
        found_(found),
        trainer_(std::move(trainer)),
        judge_(std::move(judge)),
        boards_(search) {}
  virtual ~Lesson() = default;
  Lesson(const Lesson&) = delete;
  Lesson& operator=(const Lesson&) = delete;

  Status update(int64_t index) {
    const BatchView batch = draw(index);
    return trainer_->train_step({&batch, 1}, {search_.seed, index, search_.learning_rate}).status();
  }
  virtual Status judge() = 0;  // fills in asked and wrong

 protected:
  virtual BatchView draw(int64_t index) = 0;  // the batch of an update

  const LifeSearch& search_;
  LifeFound& found_;
  std::unique_ptr<Executor> trainer_, judge_;
  Boards boards_;
};

class RulesLesson final : public Lesson {
 public:
  RulesLesson(const LifeSearch& search, LifeFound& found, std::unique_ptr<Executor> trainer,
              std::unique_ptr<Executor> judge)
      : Lesson(search, found, std::move(trainer), std::move(judge)), rules_(*trainer_) {}

  Status judge() override {
    TRY(judge_->evaluate(rules_.view(false)).status());
    found_.asked = kRules;
    found_.wrong = wrong_rules(answers_of(judge_->view(found_.network.graph.logits)), rules_.rules);
    return {};
  }

 private:
  BatchView draw(int64_t index) override {
    counts_.fill(0);
    boards_.draw(index, [&](const std::vector<uint8_t>& board) {
      count_neighbourhoods(board.data(), search_.side, counts_);
    });
    // So that the weights have the mean 1 that a mean loss over 512 samples asks for.
    const float scale =
        static_cast<float>(kRules) / static_cast<float>(search_.boards * search_.side * search_.side);
    for (size_t n = 0; n < kRules; ++n) rules_.weights[n] = scale * static_cast<float>(counts_[n]);
    return rules_.view(true);
  }

  AllRules rules_;
  std::array<int32_t, kRules> counts_{};
};

class BoardsLesson final : public Lesson {
 public:
  BoardsLesson(const LifeSearch& search, LifeFound& found, std::unique_ptr<Executor> trainer,
               std::unique_ptr<Executor> judge)
      : Lesson(search, found, std::move(trainer), std::move(judge)), width_(trainer_->input_width()) {
    const auto tiles = static_cast<size_t>((search.boards + width_ - 1) / width_);
    const size_t floats = tiles * static_cast<size_t>(search.side * search.side * width_);
    x_ = Floats(floats);
    target_ = Floats(floats);
  }

  Status judge() override {
    found_.asked = found_.wrong = 0;
    Status status;
    int n = 0;
    const auto ask = [&] {
      if (n > 0 && status.ok()) status = judge_boards(n);
      n = 0;
    };
    boards_.draw_questions(kQuestions, [&](const std::vector<uint8_t>& board) {
      put(n++, board);
      if (n == search_.boards) ask();
    });
    ask();
    TRY(status);
    if (search_.steps != 2 || found_.wrong > 0) return {};
    TRY_ASSIGN(found_.wrong, wrong_after_two_steps(found_.network));
    found_.asked = int64_t{1} << 25;
    return {};
  }

 private:
  static constexpr int kQuestions = 64;

  BatchView draw(int64_t index) override {
    int n = 0;
    boards_.draw(index, [&](const std::vector<uint8_t>& board) { put(n++, board); });
    return {n, x_.data(), target_.data()};
  }
  size_t at(int n, size_t cell) const {
    const auto cells = static_cast<size_t>(search_.side * search_.side);
    return (static_cast<size_t>(n / width_) * cells + cell) * static_cast<size_t>(width_) +
           static_cast<size_t>(n % width_);
  }
  void put(int n, const std::vector<uint8_t>& board) {
    now_ = board;
    next_.resize(board.size());
    for (int step = 0; step < search_.steps; ++step) {
      life_step(now_.data(), search_.side, search_.side, next_.data());
      std::swap(now_, next_);
    }
    for (size_t cell = 0; cell < board.size(); ++cell) {
      x_[at(n, cell)] = board[cell];
      target_[at(n, cell)] = now_[cell];
    }
  }
  Status judge_boards(int count) {
    TRY(judge_->evaluate({count, x_.data(), target_.data()}).status());
    const coppice_tiled logits = judge_->view(found_.network.graph.logits);
    const int cells = search_.side * search_.side;
    for (int n = 0; n < count; ++n)
      for (int cell = 0; cell < cells; ++cell) {
        const float logit = logits.base[n / logits.width * logits.tile_stride + int64_t{cell} * logits.width +
                                        n % logits.width];
        found_.wrong += (logit > 0) != (target_[at(n, static_cast<size_t>(cell))] > 0.5f);
      }
    found_.asked += int64_t{count} * cells;
    return {};
  }

  int width_;
  Floats x_, target_;
  std::vector<uint8_t> now_, next_;
};

Result<std::unique_ptr<Lesson>> lesson_for(const LifeSearch& search, LifeFound& found) {
  const bool rules = search.steps == 1;
  const int batch = rules ? kRules : search.boards;
  TRY_ASSIGN(std::unique_ptr<Executor> trainer, executor_of(found.network, batch, true));
  TRY_ASSIGN(std::unique_ptr<Executor> judge, executor_of(found.network, batch, false));
  if (rules)
    return std::unique_ptr<Lesson>(new RulesLesson(search, found, std::move(trainer), std::move(judge)));
  return std::unique_ptr<Lesson>(new BoardsLesson(search, found, std::move(trainer), std::move(judge)));
}

}  // namespace

Result<LifeFound> search_life(const LifeSearch& search) {
  TRY(check_life(search));
  TRY_ASSIGN(Graph graph, search.steps == 1 ? neighbourhood_graph(search.width)
                                            : board_graph(search.steps, search.width, search.side));
  LifeFound found;
  TRY_ASSIGN(found.network, Network::create(std::move(graph), SparsityConfig(), search.seed));
  draw_values(found.network, search.seed);
  flip_signs(found.network, search.flips, search.seed);
  TRY_ASSIGN(const std::unique_ptr<Lesson> lesson, lesson_for(search, found));
  // At a rate that is too high a network ends as no numbers: it has not learnt it, which is an answer.
  bool diverged = false;
  while (found.updates < search.updates && !found.solved && !diverged) {
    const Status updated = lesson->update(found.updates);
    diverged = updated.code() == Code::kDiverged;
    if (!diverged) TRY(updated);
    ++found.updates;
    const bool due = found.updates % search.check_every == 0 || found.updates == search.updates;
    if (!due && !diverged) continue;
    TRY(lesson->judge());
    found.solved = !diverged && found.wrong == 0;
  }
  return found;
}

Result<std::array<bool, 512>> life_answers(LifeFound& found) {
  TRY_ASSIGN(const std::unique_ptr<Executor> judge, executor_of(found.network, kRules, false));
  AllRules rules(*judge);
  TRY(judge->evaluate(rules.view(false)).status());
  return answers_of(judge->view(found.network.graph.logits));
}

Result<Network> board_network(const Network& found, int width, int side) {
  TRY_ASSIGN(Graph graph, board_graph(1, width, side));
  TRY_ASSIGN(Network network, Network::create(std::move(graph), SparsityConfig(), 1));
  for (Param& param : network.params) {
    const auto from = std::find_if(found.params.begin(), found.params.end(),
                                   [&](const Param& other) { return other.name() == param.name(); });
    if (from == found.params.end() || from->total() != param.total())
      return invalid("'" + param.name() + "' is not in the network, or has another size");
    // Rows of 9 cells are kernels of 3x3: both are [outputs][cells].
    param.set_canonical(param.value, from->canonical(from->value));
  }
  return network;
}

}  // namespace coppice
