// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "host/usage.h"
#include "train/round_weights.h"
#include "train/run_files.h"
#include "train/run_log.h"
#include "train/second_order.h"
#include "train/teacher.h"
#include "train/topology.h"

namespace coppice {
namespace {

constexpr int kTimeEvery = 16;          // steps: often enough for a mean, too seldom to cost anything
constexpr int64_t kColumnGroup16 = 16;  // kernels compute whole groups of so many samples

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Trainer {
 public:
  Trainer(Env& env, TrainRequest request, const TrainCallbacks& callbacks)
      : env_(env),
        recipe_(std::move(request.recipe)),
        directory_(std::move(request.directory)),
        from_(std::move(request.from)),
        untold_(request.untold),
        callbacks_(callbacks) {}

  Status open();
  Result<Stop> run();
  Result<TrainReport> report(Stop stop);

 private:
  Result<Stop> loop();
  Status close(Stop stop);
  Status open_network();
  Status open_executors();
  Status check_memory(const ExecOptions& options);
  Status check_last_batch() const;
  Status check_free() const;
  Status open_directory();
  Status go_on();
  void announce();
  int64_t updates() const;
  bool interrupted() const {
    return callbacks_.stop != nullptr && callbacks_.stop->load(std::memory_order_relaxed);
  }
  double total_seconds() const { return seconds_before_ + now() - began_; }
  // The epoch is over, or the run, and nobody has looked at the network since.
  bool judgement_due() const {
    return progress_.judged_step < progress_.step &&
           (progress_.batch == loader_->batches_per_epoch() || progress_.step >= updates());
  }
  std::optional<Stop> ended() const;
  Status step();
  RunLength run_length() const { return {updates(), loader_->batches_per_epoch()}; }
  Result<double> change_topology(const Batch& batch, double learning_rate);
  void count_work(int samples);
  Result<BatchView> micro_batch_at(const Batch& batch, int64_t begin);
  Cost step_cost() const;
  Result<double> update(const Batch& batch, double learning_rate);
  Result<Evaluation> evaluate(Executor& evaluator, const Graph& graph, const Split& split, const char* name,
                              Outputs* outputs = nullptr) const;
  Status choose_metric();
  void tell_step(double learning_rate) const;
  Status end_epoch();
  Status validate(EpochEvent& event);
  Status judge(EpochEvent& event);
  int64_t planned_bytes() const {
    return executor_->memory().total() + evaluator_->memory().activations + evaluator_->memory().scratch +
           (teacher_ ? teacher_->bytes() : 0);
  }
  Status save(const char* file, bool with_optimizer);
  Status with_last_good(const Status& failure) const;
  Status test_best(TrainReport& report);

  Env& env_;
  Recipe recipe_;
  std::string directory_;
  std::optional<Checkpoint> from_;
  bool untold_;
  const TrainCallbacks& callbacks_;

  Dataset data_;
  const Metric* metric_ = nullptr;  // that says which state is the best
  Network network_;
  Sparsifier sparsifier_;
  InitReport init_;
  std::unique_ptr<Executor> executor_, evaluator_;
  std::unique_ptr<Teacher> teacher_;          // or null
  std::unique_ptr<WeightRounding> rounding_;  // or null
  Cost sample_cost_;                          // of a training step, with the pattern at hand
  std::unique_ptr<Lock> lock_;                // two processes would write over each other's checkpoints
  std::unique_ptr<Loader> loader_;
  std::optional<RunLog> log_;
  std::vector<BatchView> micro_batches_;  // of the update at hand
  Progress progress_;
  std::optional<Evaluation> best_;
  std::string warning_;
  int64_t first_step_ = 0;  // of this part of the run
  int64_t saved_step_ = 0;  // of the last checkpoint
  double began_ = 0, saved_ = 0, seconds_before_ = 0, cpu_before_ = 0;
};

// ---- opening

Status Trainer::open() {
  began_ = saved_ = now();
  cpu_before_ = coppice_host_cpu_seconds();
  TRY_ASSIGN(data_, load_recipe_data(env_, recipe_, from_ ? &from_->info.preprocessing : nullptr,
                                     callbacks_.on_loading));
  TRY(choose_metric());
  TRY(open_network());
  TRY(open_executors());
  if (from_) TRY(go_on());
  TRY(open_directory());
  announce();
  return {};
}

// A run that goes on has chosen already, but the recipe and the data still say the same.
Status Trainer::choose_metric() {
  TRY_ASSIGN(metric_, metric_of(recipe_, data_.task));
  if (!from_ && data_.validation.size() > 0 && !can_judge(*metric_, data_, data_.validation))
    return invalid(std::string("metric: '") + metric_->name + "' has no value for the " +
                   std::to_string(data_.validation.size()) + " validation samples, as it takes " +
                   metric_->needs + "; choose another");
  progress_.best.metric = metric_->name;
  progress_.best.larger_is_better = metric_->larger_is_better;
  return {};
}

Status Trainer::open_network() {
  if (data_.train.size() == 0)
    return invalid("data '" + recipe_.data + "': leaves no sample to train on; lower --validation");
  if (!from_) {
    TRY_ASSIGN(network_, make_network(env_, recipe_, data_, &init_));
    if (!find_method(recipe_.sparsify.method)->reconstructs) return {};
    // It takes long: what would be refused afterwards is refused before.
    TRY(check_free());
    TRY(Sparsifier::create(recipe_.sparsify, recipe_.sparsity, network_.graph, recipe_.seed).status());
    return prune_second_order(network_, recipe_, data_, callbacks_.on_pruning, callbacks_.stop);
  }
  network_ = std::move(from_->network);
  for (const Param& param : network_.params) {
    const int moments = !param.moment1.empty() + !param.moment2.empty();
    if (from_->info.progress.step > 0 && !network_.frozen(param) && moments != recipe_.optimizer.moments())
      return invalid("parameter '" + param.name() + "': the checkpoint has no optimizer state; go on from " +
                     std::string(kLastFile));
  }
  return {};
}

Status Trainer::open_executors() {
  TRY_ASSIGN(sparsifier_,
             Sparsifier::create(recipe_.sparsify, recipe_.sparsity, network_.graph, recipe_.seed));
  if (!recipe_.teacher.empty()) {
    TRY_ASSIGN(teacher_, Teacher::create(env_, recipe_, data_, network_.cost_table));
  }
  ExecOptions options = training_options(recipe_);
  prepare_for_edits(options, sparsifier_);
  options.time_every = kTimeEvery;
  TRY_ASSIGN(executor_, Executor::create(network_, options));
  TRY_ASSIGN(evaluator_, make_evaluator(network_, recipe_, data_.features));
  TRY(check_memory(options));
  sample_cost_ = step_cost();
  if (recipe_.round_weights) rounding_ = std::make_unique<WeightRounding>(network_);

  LoaderOptions loading;
  loading.batch = static_cast<int>(recipe_.batch);
  loading.width = executor_->input_width();
  loading.target_width = executor_->target_width();
  loading.seed = recipe_.seed;
  loading.crop_padding = static_cast<int>(recipe_.crop);
  loading.flip = recipe_.flip;
  TRY_ASSIGN(loader_, Loader::create(data_, data_.train, loading));
  const int tile = data_.dense_targets() ? std::max(loading.width, loading.target_width) : loading.width;
  if (options.batch < recipe_.batch && options.batch % tile != 0)
    return invalid("micro_batch: " + std::to_string(options.batch) + " should be a multiple of " +
                   std::to_string(tile) + ", the samples of a tile");
  return check_last_batch();
}

// Each of the two plans is below the limit by itself. Both together may not be: then the plan for training
// says what would do.
Status Trainer::check_memory(const ExecOptions& options) {
  if (recipe_.memory <= 0 || planned_bytes() <= recipe_.memory) return {};
  ExecOptions with_evaluator = options;
  with_evaluator.memory_beside = planned_bytes() - executor_->memory().total();
  executor_.reset();
  return Executor::create(network_, with_evaluator).status();
}

// Now, and not when the epoch is over: the last batch may have too few samples for an op, and so may the last
// micro-batch of any.
Status Trainer::check_last_batch() const {
  const int64_t samples = loader_->samples_per_epoch(), most = micro_batch(recipe_);
  const bool whole_epochs = updates() >= loader_->batches_per_epoch();
  const int64_t first = std::min(recipe_.batch, samples);
  for (const int64_t batch : {first, whole_epochs ? (samples - 1) % recipe_.batch + 1 : first}) {
    const auto last = static_cast<int>((batch - 1) % most + 1);
    const Status status = executor_->check_samples(last);
    if (status.ok()) continue;
    return {status.code(),
            "batch: " + std::to_string(samples) + " samples in batches of " + std::to_string(recipe_.batch) +
                (most < recipe_.batch ? " and micro-batches of " + std::to_string(most) : "") + " end with " +
                std::to_string(last) + "; choose another --batch (" + status.message() + ")"};
  }
  return {};
}

Status Trainer::go_on() {
  const Score unjudged = progress_.best;
  progress_ = from_->info.progress;
  if (progress_.best_epoch == 0) progress_.best = unjudged;
  if (progress_.best.metric != metric_->name)
    return invalid("metric: the run chooses its best by " + progress_.best.metric + ", not by " +
                   metric_->name + "; start a new one for that");
  first_step_ = saved_step_ = progress_.step;
  seconds_before_ = progress_.seconds;
  if (from_->info.isa != executor_->isa())
    warning_ = "the run began on " + from_->info.isa + " kernels and goes on with " + executor_->isa() +
               ", so the last bits of the numbers may differ";
  if (progress_.batch > loader_->batches_per_epoch())
    return corrupt("progress.batch: the epoch has " + std::to_string(loader_->batches_per_epoch()) +
                   " batches only");
  if (recipe_.max_time > 0 && seconds_before_ >= recipe_.max_time && !untold_)
    return invalid("max_time: the run has used its time; raise --max-time to go on");
  if (progress_.step >= updates() && !judgement_due() && !untold_)
    return invalid("epochs: the run has done all its " + std::to_string(updates()) + " updates; raise --" +
                   (recipe_.max_steps > 0 && recipe_.max_steps == updates() ? "max-steps" : "epochs") +
                   " to go on");
  const bool whole = progress_.batch == loader_->batches_per_epoch();
  loader_->seek(progress_.epoch + whole, whole ? 0 : progress_.batch);
  return {};
}

Status Trainer::check_free() const {
  if (from_ || !env_.exists(join_path(directory_, kLastFile))) return {};
  return invalid(directory_ +
                 ": holds a run already; go on with --resume, or choose another place with --out");
}

Status Trainer::open_directory() {
  TRY(env_.make_directories(directory_));
  TRY_ASSIGN(lock_, env_.lock_directory(directory_));
  if (!lock_)
    return {Code::kIo, directory_ +
                           ": another process trains here; wait for it, stop it, or choose another "
                           "place with --out"};
  TRY(check_free());
  // What an earlier part of the run came to is no longer what the run came to.
  if (const std::string account = join_path(directory_, kAccountFile); env_.exists(account))
    TRY(env_.remove(account));
  TRY(keep_cost_table(env_, directory_, network_, recipe_));
  TRY(keep_graph(env_, directory_, network_, recipe_));
  TRY(write_atomic(env_, join_path(directory_, kRecipeFile), recipe_to_toml(recipe_)));
  TRY_ASSIGN(log_, RunLog::open(env_, join_path(directory_, kMetricsFile), progress_.step));
  // From here on there is something to go on from, whenever the run stops.
  if (!from_) TRY(save(kLastFile, true));
  return {};
}

void Trainer::announce() {
  if (!callbacks_.on_plan) return;
  callbacks_.on_plan({recipe_, network_, data_, executor_->choices(), init_, executor_->memory(),
                      evaluator_->memory(), teacher_ ? teacher_->bytes() : 0, executor_->isa(),
                      thread_count(recipe_), updates(), warning_, metric_});
}

int64_t Trainer::updates() const {
  const int64_t all = recipe_.epochs * loader_->batches_per_epoch();
  return recipe_.max_steps > 0 ? std::min(all, recipe_.max_steps) : all;
}

// ---- the loop

Result<Stop> Trainer::run() {
  auto stop = loop();
  if (!stop.ok()) return with_last_good(stop.status());
  TRY(with_last_good(close(*stop)));
  return stop;
}

// Nothing is left to learn, nor to judge.
std::optional<Stop> Trainer::ended() const {
  if (judgement_due()) return std::nullopt;
  if (recipe_.patience > 0 && progress_.epochs_since_best >= recipe_.patience) return Stop::kPatience;
  return progress_.step >= updates() ? std::optional(Stop::kDone) : std::nullopt;
}

Result<Stop> Trainer::loop() {
  if (const auto stop = ended(); untold_ && stop) return *stop;
  while (true) {
    // A run that was stopped in the middle of an evaluation goes on with that.
    if (!judgement_due()) {
      // So with an edit of many rounds, which has then changed nothing.
      const Status stepped = step();
      if (stepped.code() != Code::kInterrupted) TRY(stepped);
    }
    if (judgement_due()) {
      const Status judged = end_epoch();
      if (judged.code() != Code::kInterrupted) TRY(judged);
      if (const auto stop = ended()) return *stop;
    }
    if (interrupted()) {
      TRY(save(kLastFile, true));
      return Stop::kInterrupted;
    }
    if (recipe_.max_time > 0 && total_seconds() >= recipe_.max_time) return Stop::kTime;
    if (recipe_.save_every > 0 && now() - saved_ >= recipe_.save_every) TRY(save(kLastFile, true));
  }
}

Status Trainer::step() {
  const Batch& batch = loader_->next();
  const double learning_rate = recipe_.rate.at(progress_.step, updates());
  double loss = 0;
  if (sparsifier_.due(progress_.step, run_length())) {
    TRY_ASSIGN(loss, change_topology(batch, learning_rate));
  } else {
    TRY_ASSIGN(loss, update(batch, learning_rate));
  }
  count_work(batch.samples);
  ++progress_.step;
  ++progress_.batch;
  progress_.loss_sum += loss * batch.samples;
  progress_.loss_samples += batch.samples;
  tell_step(learning_rate);
  return {};
}

Status Trainer::close(Stop stop) {
  if (stop != Stop::kTime || progress_.batch == 0) return {};
  // The clock stopped it within an epoch. Should it go on, the epoch is judged when it is whole, as if
  // nothing had been: so this state is no candidate for the best, unless there is no other, and leaves no
  // trace.
  TRY(save(kLastFile, true));
  return data_.validation.size() > 0 && progress_.best_epoch > 0 ? Status() : save(kBestFile, false);
}

// An edit that ranks by gradients takes the place of the update; of several micro-batches the first one
// ranks.
Result<double> Trainer::change_topology(const Batch& batch, double learning_rate) {
  const double begin = now();
  double loss = 0;
  const GradientSource gradients = [&](const DenseGradientSink& sink) -> Status {
    TRY_ASSIGN(const BatchView first, micro_batch_at(batch, 0));
    TRY_ASSIGN(loss, executor_->dense_gradients(first, {recipe_.seed, progress_.step, learning_rate}, sink));
    return {};
  };
  const auto on_round = [this](int64_t done, int64_t all) -> Status {
    if (all > 1 && callbacks_.on_pruning) callbacks_.on_pruning(done, all);
    return interrupted() ? Status(Code::kInterrupted, "interrupted") : Status();
  };
  Executor* const executors[] = {executor_.get(), evaluator_.get()};
  TRY(coppice::change_topology(sparsifier_, network_, progress_.step, run_length(), gradients, executors,
                               on_round)
          .status());
  sample_cost_ = step_cost();
  if (rounding_) rounding_ = std::make_unique<WeightRounding>(network_);
  ++progress_.edits;
  progress_.edit_seconds += now() - begin;
  const bool takes_batch = sparsifier_.takes_batch(progress_.step, run_length());
  return takes_batch ? loss : update(batch, learning_rate);
}

// Of a sample; what its teacher says is work as well.
Cost Trainer::step_cost() const {
  Cost cost = executor_->cost();
  if (teacher_) cost += teacher_->cost();
  return cost;
}

void Trainer::count_work(int samples) {
  const int64_t columns = (samples + kColumnGroup16 - 1) / kColumnGroup16 * kColumnGroup16;
  progress_.work.useful += static_cast<double>(samples) * static_cast<double>(sample_cost_.useful);
  progress_.work.executed += static_cast<double>(columns) * static_cast<double>(sample_cost_.executed);
  progress_.work.dense += static_cast<double>(samples) * static_cast<double>(sample_cost_.dense);
}

// A micro-batch is a whole number of tiles, so its rows begin where its samples do.
Result<BatchView> Trainer::micro_batch_at(const Batch& batch, int64_t begin) {
  void* target = batch.labels != nullptr ? static_cast<void*>(batch.labels + begin)
                                         : static_cast<void*>(batch.dense + begin * data_.outputs);
  const auto samples = static_cast<int>(std::min<int64_t>(micro_batch(recipe_), batch.samples - begin));
  BatchView view = {samples, batch.x + begin * data_.features.size(), target};
  if (teacher_) {
    TRY_ASSIGN(view.teacher, teacher_->logits(view, begin));
  }
  return view;
}

Result<double> Trainer::update(const Batch& batch, double learning_rate) {
  micro_batches_.clear();
  for (int64_t begin = 0; begin < batch.samples; begin += micro_batch(recipe_)) {
    TRY_ASSIGN(const BatchView view, micro_batch_at(batch, begin));
    micro_batches_.push_back(view);
  }
  const RoundedHere rounded(rounding_.get());
  return executor_->train_step(micro_batches_, {recipe_.seed, progress_.step, learning_rate});
}

void Trainer::tell_step(double learning_rate) const {
  if (!callbacks_.on_step) return;
  StepEvent event;
  event.epoch = progress_.epoch + 1;
  event.epochs = recipe_.epochs;
  event.step = progress_.step;
  event.updates = updates();
  event.loss = progress_.loss_sum / static_cast<double>(progress_.loss_samples);
  event.learning_rate = learning_rate;
  event.seconds = now() - began_;
  const auto done = static_cast<double>(progress_.step - first_step_);
  event.left_seconds = event.seconds / done * static_cast<double>(event.updates - event.step);
  event.samples_per_second = done * static_cast<double>(recipe_.batch) / event.seconds;
  callbacks_.on_step(event);
}

// Accuracy and loss come with every evaluation; for any other metric it keeps what the network said.
Status Trainer::validate(EpochEvent& event) {
  const std::string metric = metric_->name;
  const bool counted = metric == "accuracy" || metric == "loss";
  Outputs outputs;
  const RoundedHere rounded(rounding_.get());
  auto evaluation =
      evaluate(*evaluator_, network_.graph, data_.validation, "validation", counted ? nullptr : &outputs);
  if (evaluation.status().code() == Code::kDiverged)
    return {Code::kDiverged, evaluation.status().message() + ", after step " +
                                 std::to_string(progress_.step) +
                                 "; lower the learning rate or clip gradients with --clip"};
  TRY_ASSIGN(event.validation, std::move(evaluation));
  if (metric == "accuracy")
    event.value = event.validation->accuracy;
  else if (metric == "loss")
    event.value = event.validation->loss;
  else
    event.value = metric_->value(outputs);
  return {};
}

// Also for an epoch that --max-steps cuts short: then the progress stays within the epoch. Where the
// evaluation is interrupted nothing has happened, and it is due when the run goes on.
Status Trainer::end_epoch() {
  EpochEvent event;
  event.epoch = progress_.epoch + 1;
  event.epochs = recipe_.epochs;
  event.step = progress_.step;
  event.train_loss = progress_.loss_sum / static_cast<double>(progress_.loss_samples);
  event.learning_rate = recipe_.rate.at(progress_.step - 1, updates());
  event.live_weights = network_.live_weights();
  event.total_weights = network_.total_weights();
  if (data_.validation.size() > 0) TRY(validate(event));
  progress_.judged_step = progress_.step;
  if (progress_.batch == loader_->batches_per_epoch()) {
    ++progress_.epoch;
    progress_.batch = progress_.loss_samples = 0;
    progress_.loss_sum = 0;
  }
  TRY(judge(event));
  event.seconds = total_seconds();
  TRY(log_->append(event, data_.task, *metric_));
  TRY(save(kLastFile, true));
  if (callbacks_.on_epoch) callbacks_.on_epoch(event);
  return {};
}

Result<Evaluation> Trainer::evaluate(Executor& evaluator, const Graph& graph, const Split& split,
                                     const char* name, Outputs* outputs) const {
  Watch watch;
  watch.stop = callbacks_.stop;
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (callbacks_.on_evaluation) callbacks_.on_evaluation({name, done, all});
  };
  return coppice::evaluate(evaluator, graph, data_, split, watch, outputs);
}

// Is the network now the best there was? Without validation samples the last one counts as the best.
Status Trainer::judge(EpochEvent& event) {
  Score score = progress_.best;
  score.value = event.value;
  score.loss = event.validation ? event.validation->loss : event.train_loss;
  // A network that has not yet lost all it shall lose is not what was asked for, nor is patience used up by
  // it.
  if (!sparsifier_.is_final(progress_.step - 1, run_length())) return {};
  event.best = !event.validation || progress_.best_epoch == 0 || score.better_than(progress_.best);
  ++progress_.epochs_since_best;
  if (!event.best) return {};
  progress_.best = score;
  progress_.best_epoch = event.epoch;
  progress_.epochs_since_best = 0;
  best_ = event.validation;
  return save(kBestFile, false);
}

// A run goes on with what rounding took off its weights; the best state is what it computed with.
Status Trainer::save(const char* file, bool with_optimizer) {
  progress_.seconds = total_seconds();
  const RoundedHere rounded(with_optimizer ? nullptr : rounding_.get());
  TRY(write_checkpoint(env_, join_path(directory_, file), network_,
                       {recipe_, preprocessing_of(data_), progress_, executor_->isa()}, with_optimizer));
  if (with_optimizer) {
    saved_ = now();
    saved_step_ = progress_.step;
  }
  return {};
}

// Says what is left of a run that diverged: nothing that is not finite was saved.
Status Trainer::with_last_good(const Status& failure) const {
  if (failure.code() != Code::kDiverged || !log_) return failure;
  return {Code::kDiverged, failure.message() + "; " + join_path(directory_, kLastFile) +
                               " holds the run as it was after step " + std::to_string(saved_step_)};
}

// ---- the account at the end

Result<TrainReport> Trainer::report(Stop stop) {
  TrainReport report;
  report.stop = stop;
  report.progress = progress_;
  report.live_weights = network_.live_weights();
  report.total_weights = network_.total_weights();
  report.work = progress_.work;
  report.network = report_network(network_, *executor_);
  report.parameter_bytes = executor_->memory().params;
  TRY_ASSIGN(report.dense_parameter_bytes,
             parameter_bytes(network_.graph, SparsityConfig(), training_options(recipe_)));
  report.loading = loader_->times();
  report.planned_bytes = planned_bytes();
  report.threads = thread_count(recipe_);
  report.isa = executor_->isa();
  // What follows needs their memory for the best network.
  executor_.reset();
  evaluator_.reset();
  teacher_.reset();
  if (stop != Stop::kInterrupted) TRY(test_best(report));
  report.validation = best_;
  report.seconds = now() - began_;
  report.seconds_in_all = seconds_before_ + report.seconds;
  report.cpu_seconds = coppice_host_cpu_seconds() - cpu_before_;
  report.peak_bytes = coppice_host_peak_bytes();
  return report;
}

Status Trainer::test_best(TrainReport& report) {
  const std::string path = join_path(directory_, kBestFile);
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env_.open_read(path));
  report.best_file_bytes = static_cast<int64_t>(file->size());
  TRY_ASSIGN(Checkpoint best, read_checkpoint(env_, path));
  TRY_ASSIGN(const std::unique_ptr<Executor> evaluator,
             make_evaluator(best.network, recipe_, data_.features));
  // Where it is interrupted the run itself is over and saved: that is no failure, and is made up for.
  const auto judge = [&](const Split& split, const char* name, bool last,
                         std::optional<Evaluation>& result) -> Status {
    if (split.size() == 0 || (result && !last)) return {};
    Outputs outputs;
    const bool keeps = last && callbacks_.on_judged && few_outputs(data_, split);
    auto evaluation = evaluate(*evaluator, best.network.graph, split, name, keeps ? &outputs : nullptr);
    if (evaluation.status().code() == Code::kInterrupted) {
      report.stop = Stop::kInterrupted;
      return {};
    }
    TRY_ASSIGN(result, std::move(evaluation));
    if (keeps) callbacks_.on_judged({data_, name, split, *result, outputs});
    return {};
  };
  TRY(judge(data_.validation, "validation", data_.test.size() == 0, best_));
  return judge(data_.test, "test", true, report.test);
}

}  // namespace

Result<TrainReport> train(Env& env, TrainRequest request, const TrainCallbacks& callbacks) {
  Trainer trainer(env, std::move(request), callbacks);
  TRY(trainer.open());
  TRY_ASSIGN(const Stop stop, trainer.run());
  return trainer.report(stop);
}

}  // namespace coppice
