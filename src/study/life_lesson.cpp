// SPDX-License-Identifier: Apache-2.0
#include "study/life_lesson.h"

#include <bit>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "exec/executor.h"
#include "ops/build.h"

namespace coppice {
namespace {

constexpr int kCells = 9, kRules = kLifeRules;

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
  Lesson(const LifeSearch& search, Network& network, std::unique_ptr<Executor> trainer,
         std::unique_ptr<Executor> judge)
      : search_(search),
        network_(network),
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
  virtual Status judge(LifeTaught& taught) = 0;  // fills in asked and wrong
  virtual int64_t cells() const = 0;             // that an update computes
  virtual int64_t cells_of_check() const = 0;

 protected:
  virtual BatchView draw(int64_t index) = 0;  // the batch of an update

  const LifeSearch& search_;
  Network& network_;
  std::unique_ptr<Executor> trainer_, judge_;
  Boards boards_;
};

class RulesLesson final : public Lesson {
 public:
  RulesLesson(const LifeSearch& search, Network& network, std::unique_ptr<Executor> trainer,
              std::unique_ptr<Executor> judge)
      : Lesson(search, network, std::move(trainer), std::move(judge)), rules_(*trainer_) {
    if (search.boards > 0) return;
    const std::array<double, kRules> expected = expected_neighbourhoods(search.density);
    for (size_t n = 0; n < kRules; ++n) rules_.weights[n] = static_cast<float>(kRules * expected[n]);
  }

  Status judge(LifeTaught& taught) override {
    TRY(judge_->evaluate(rules_.view(false)).status());
    taught.asked = kRules;
    taught.wrong = wrong_rules(answers_of(judge_->view(network_.graph.logits)), rules_.rules);
    return {};
  }
  int64_t cells() const override { return kRules; }
  int64_t cells_of_check() const override { return kRules; }

 private:
  BatchView draw(int64_t index) override {
    if (search_.boards == 0) return rules_.view(true);
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
  BoardsLesson(const LifeSearch& search, Network& network, std::unique_ptr<Executor> trainer,
               std::unique_ptr<Executor> judge)
      : Lesson(search, network, std::move(trainer), std::move(judge)), width_(trainer_->input_width()) {
    const auto tiles = static_cast<size_t>((search.boards + width_ - 1) / width_);
    const size_t floats = tiles * static_cast<size_t>(search.side * search.side * width_);
    x_ = Floats(floats);
    target_ = Floats(floats);
  }

  Status judge(LifeTaught& taught) override {
    taught.asked = taught.wrong = 0;
    Status status;
    int n = 0;
    const auto ask = [&] {
      if (n > 0 && status.ok()) status = judge_boards(n, taught);
      n = 0;
    };
    boards_.draw_questions(kQuestions, [&](const std::vector<uint8_t>& board) {
      put(n++, board);
      if (n == search_.boards) ask();
    });
    ask();
    TRY(status);
    if (search_.steps != 2 || taught.wrong > 0) return {};
    TRY_ASSIGN(taught.wrong, wrong_after_two_steps(network_));
    taught.asked = int64_t{1} << 25;
    return {};
  }
  int64_t cells() const override { return int64_t{search_.boards} * search_.side * search_.side; }
  int64_t cells_of_check() const override { return int64_t{kQuestions} * search_.side * search_.side; }

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
  Status judge_boards(int count, LifeTaught& taught) {
    TRY(judge_->evaluate({count, x_.data(), target_.data()}).status());
    const coppice_tiled logits = judge_->view(network_.graph.logits);
    const int cells = search_.side * search_.side;
    for (int n = 0; n < count; ++n)
      for (int cell = 0; cell < cells; ++cell) {
        const float logit = logits.base[n / logits.width * logits.tile_stride + int64_t{cell} * logits.width +
                                        n % logits.width];
        taught.wrong += (logit > 0) != (target_[at(n, static_cast<size_t>(cell))] > 0.5f);
      }
    taught.asked += int64_t{count} * cells;
    return {};
  }

  int width_;
  Floats x_, target_;
  std::vector<uint8_t> now_, next_;
};

Result<std::unique_ptr<Lesson>> lesson_for(const LifeSearch& search, Network& network) {
  const bool rules = search.steps == 1;
  const int batch = rules ? kRules : search.boards;
  TRY_ASSIGN(std::unique_ptr<Executor> trainer, executor_of(network, batch, true));
  TRY_ASSIGN(std::unique_ptr<Executor> judge, executor_of(network, batch, false));
  if (rules)
    return std::unique_ptr<Lesson>(new RulesLesson(search, network, std::move(trainer), std::move(judge)));
  return std::unique_ptr<Lesson>(new BoardsLesson(search, network, std::move(trainer), std::move(judge)));
}

}  // namespace

Result<Network> neighbourhood_network(int filters, int decides, uint64_t seed) {
  NetworkBuilder net;
  ValueId x = net.input({"f", {kCells}});
  net.dense_target({"f", {1}});
  x = net.relu("step1.relu1", net.linear("step1.count", x, filters));
  x = net.relu("step1.relu2", net.linear("step1.decide", x, decides));
  net.binary_cross_entropy(net.linear("out", x, 1));
  TRY_ASSIGN(Graph graph, net.finish());
  return Network::create(std::move(graph), SparsityConfig(), seed);
}

// A bias has the bound of the weight before it.
void draw_life_values(Network& network, uint64_t seed) {
  double bound = 0;
  for (Param& param : network.params) {
    const int64_t fan_in = param.total() / param.dims()[0];
    if (param.is_weight()) bound = 1 / std::sqrt(static_cast<double>(fan_in));
    Rng rng(seed, stream_id("life values", param.name()));
    for (float& value : param.value) value = static_cast<float>(bound * (2 * rng.uniform_double() - 1));
  }
}

Result<LifeTaught> teach_life(const LifeSearch& search, Network& network, int64_t age, int64_t updates) {
  TRY_ASSIGN(const std::unique_ptr<Lesson> lesson, lesson_for(search, network));
  // The gradient of the cells is never asked for: the first layer multiplies twice where others do it thrice.
  int64_t weights = 0;
  for (const Param& param : network.params) weights += param.is_weight() ? param.total() : 0;
  const int64_t of_update = lesson->cells() * (3 * weights - network.params.front().total());
  const int64_t of_check = lesson->cells_of_check() * weights;
  LifeTaught taught;
  while (taught.updates < updates && !taught.solved && !taught.diverged) {
    const Status updated = lesson->update(age + taught.updates);
    taught.diverged = updated.code() == Code::kDiverged;
    if (!taught.diverged) TRY(updated);
    ++taught.updates;
    taught.work += of_update;
    const bool due = taught.updates % search.check_every == 0 || taught.updates == updates;
    if (!due && !taught.diverged) continue;
    TRY(lesson->judge(taught));
    taught.work += of_check;
    taught.solved = !taught.diverged && taught.wrong == 0;
  }
  return taught;
}

Result<std::array<bool, kRules>> answers_of_network(Network& network) {
  TRY_ASSIGN(const std::unique_ptr<Executor> judge, executor_of(network, kRules, false));
  AllRules rules(*judge);
  TRY(judge->evaluate(rules.view(false)).status());
  return answers_of(judge->view(network.graph.logits));
}

std::array<double, kRules> expected_neighbourhoods(double density) {
  // Of k live cells of 9. Over all densities that is the beta integral k! (9 - k)! / 10!.
  std::array<double, kCells + 1> chance;
  double choices = 1;
  for (int k = 0; k <= kCells; ++k) {
    chance[static_cast<size_t>(k)] =
        density > 0 ? std::pow(density, k) * std::pow(1 - density, kCells - k) : 1 / ((kCells + 1) * choices);
    choices = choices * (kCells - k) / (k + 1);
  }
  std::array<double, kRules> expected;
  for (size_t n = 0; n < kRules; ++n) expected[n] = chance[static_cast<size_t>(std::popcount(n))];
  return expected;
}

}  // namespace coppice
