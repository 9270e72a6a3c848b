// SPDX-License-Identifier: Apache-2.0
#include "exec/executor.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <deque>
#include <set>

#include "exec/binding.h"
#include "graph/grad.h"
#include "graph/lowering.h"
#include "host/threads.h"
#include "passes/add_teacher.h"
#include "passes/fuse_add.h"
#include "passes/fuse_relu.h"
#include "passes/recompute.h"

namespace coppice {
namespace {

constexpr char kNoMicroBatch[] = "; no micro-batch would fit, lower --density or raise --memory";

std::string mebibytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string place_of(const Node& node) { return std::string(node.op->name) + " '" + node.name + "'"; }

// Stands between the step loop and a kernel when calls are timed.
struct TimedCall {
  coppice_kernel kernel;
  const void* args;
  std::atomic<int64_t> nanoseconds{0};

  static void run(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
    auto* self = const_cast<TimedCall*>(static_cast<const TimedCall*>(raw));
    const auto start = std::chrono::steady_clock::now();
    self->kernel(self->args, rs, item);
    self->nanoseconds += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }
};

class ProgramExecutor final : public Executor {
 public:
  ProgramExecutor(Network& network, ExecOptions options) : network_(network), options_(std::move(options)) {}
  ~ProgramExecutor() override { coppice_pool_destroy(pool_); }
  ProgramExecutor(const ProgramExecutor&) = delete;
  ProgramExecutor& operator=(const ProgramExecutor&) = delete;

  Status prepare();
  Status rebind() override;
  Result<double> dense_gradients(const BatchView& batch, const StepState& state,
                                 const DenseGradientSink& sink) override;
  Result<double> train_step(std::span<const BatchView> micro_batches, const StepState& state) override;
  Status check_samples(int samples) const override;
  Result<double> evaluate(const BatchView& batch) override;
  coppice_tiled view(ValueId id) const override;
  int input_width() const override { return width_of(network_.graph.input); }
  int target_width() const override { return width_of(network_.graph.target); }
  MemoryReport memory() const override { return memory_; }
  const std::vector<KernelChoice>& choices() const override { return binding_.choices; }
  const Schedule& schedule() const override { return plan_.schedule; }
  const std::vector<PlanValue>& values() const override { return plan_.values; }
  CallTimes call_times() const override;
  std::string isa() const override { return tables_.rt->isa; }
  Cost cost() const override;

 private:
  int width_of(ValueId v) const { return v == kNoValue ? 16 : plan_.values[static_cast<size_t>(v)].width; }
  // Everything that follows from the size of a batch.
  struct Plan {
    std::vector<PlanValue> values;
    Schedule schedule;
    MemoryPlan memory;
    size_t scratch_stride = 64;
  };
  enum class Purpose { kStep, kDenseGradients };
  Result<Plan> make_plan(const ExecOptions& options, Purpose purpose = Purpose::kStep);
  Status lower_nodes(Lowering& lowering);
  MemoryReport count_memory(const Plan& plan, const ExecOptions& options) const;
  Status check_limit();
  coppice_tiled place(const Plan& plan, ValueId id) const;
  std::vector<coppice_call> calls_of(Plan& plan);
  // Gradients go from dW straight into the optimizer unless somebody wants to see them first.
  bool fuses_updates() const { return !stores_gradients(options_); }
  bool measures(int64_t step) const {
    return options_.time_every > 0 && (step + 1) % options_.time_every == 0;
  }
  coppice_program program(size_t phase_begin, size_t phase_end, bool timed) const;
  coppice_run_state run_state(const BatchView& batch, const StepState& state, bool training) const;
  void run(const coppice_program& program, const coppice_run_state& rs);
  double loss_sum(const Plan& plan, int samples) const;
  Status not_finite(const std::string& what, double value, const StepState& state) const;
  double gradient_norm() const;
  Status check_batch(const BatchView& batch) const;

  Network& network_;
  ExecOptions options_;
  KernelTables tables_{};
  Graph graph_;  // forward and gradients, fused
  std::vector<ValueId> gradient_of_;
  Binding binding_;
  Corrections corrections_;
  Plan plan_;
  Plan gradient_plan_;  // of dense_gradients(); empty without options_.dense_gradients_of
  size_t scratch_stride_ = 0;
  std::vector<coppice_call> gradient_calls_;
  DenseGradientSink sink_;
  size_t update_phase_ = 0;  // first phase that changes parameters, if gradients are stored
  MemoryReport memory_;
  Floats arena_;
  Bytes scratch_;
  Floats no_target_;                               // takes the place of a target that evaluate() is not given
  std::vector<coppice_call> calls_, timed_calls_;  // the same ones, the latter through timed_
  std::deque<TimedCall> timed_;
  int64_t timed_steps_ = 0;
  coppice_pool* pool_ = nullptr;
};

Status ProgramExecutor::prepare() {
  if (options_.batch < 1) return invalid("batch must be at least 1");
  if (options_.threads < 1 || options_.threads > 1024) return invalid("threads must be between 1 and 1024");
  TRY(options_.optimizer.check());
  TRY_ASSIGN(tables_, kernel_tables(options_.isa));

  graph_ = network_.graph;
  if (options_.training) {
    if (options_.teacher_share > 0) TRY(add_teacher(graph_, options_.teacher_share, options_.temperature));
    TRY_ASSIGN(gradient_of_, build_gradients(graph_));
  }
  fuse_add(graph_, options_.keep);
  fuse_relu(graph_, options_.keep);
  if (options_.training) recompute(graph_);
  TRY(verify(graph_));

  if (options_.training) corrections_ = adam_corrections(options_.optimizer);
  TRY(rebind());

  pool_ = coppice_pool_create(options_.threads);
  if (!pool_)
    return {Code::kNoMemory,
            "cannot start " + std::to_string(options_.threads) + " threads; try fewer with --threads"};
  return {};
}

Status ProgramExecutor::rebind() {
  TRY_ASSIGN(binding_, bind_parameters(network_, graph_, plan_values(graph_, options_.batch, options_.keep),
                                       options_, tables_));
  TRY_ASSIGN(plan_, make_plan(options_));
  memory_ = count_memory(plan_, options_);
  if (options_.dense_gradients_of) {
    TRY_ASSIGN(gradient_plan_, make_plan(options_, Purpose::kDenseGradients));
    const MemoryReport gradients = count_memory(gradient_plan_, options_);
    memory_.activations = std::max(memory_.activations, gradients.activations);
    memory_.scratch = std::max(memory_.scratch, gradients.scratch);
  }
  TRY(check_limit());

  // Nothing large before it is known to fit.
  if (options_.training) allocate_state(network_, options_);
  // One at a time, so that the old ones are gone before the new ones are there.
  const auto fit = [](auto& buffer, int64_t size) {
    using Buffer = std::remove_reference_t<decltype(buffer)>;
    if (buffer.size() == static_cast<size_t>(size)) return;
    buffer = Buffer();
    buffer = Buffer(static_cast<size_t>(size));
  };
  fit(arena_, std::max(plan_.memory.arena_floats, gradient_plan_.memory.arena_floats));
  scratch_stride_ = std::max(plan_.scratch_stride, gradient_plan_.scratch_stride);
  fit(scratch_, memory_.scratch);
  timed_.clear();
  timed_calls_.clear();
  timed_steps_ = 0;
  calls_ = calls_of(plan_);
  gradient_calls_ = calls_of(gradient_plan_);
  for (const coppice_call& call : calls_) {
    if (options_.time_every == 0) break;
    TimedCall& timed = timed_.emplace_back();
    timed.kernel = call.kernel;
    timed.args = call.args;
    timed_calls_.push_back({TimedCall::run, &timed, call.parts});
  }
  const Schedule& steps = plan_.schedule;
  update_phase_ = steps.phases.size();
  for (size_t p = steps.phases.size(); p-- > 0;)
    for (int32_t g = steps.phases[p].group_begin; g < steps.phases[p].group_end; ++g)
      if (steps.calls[static_cast<size_t>(steps.groups[static_cast<size_t>(g)].call_begin)].updates)
        update_phase_ = p;
  return {};
}

Result<ProgramExecutor::Plan> ProgramExecutor::make_plan(const ExecOptions& options, Purpose purpose) {
  Lowering lowering(graph_, plan_values(graph_, options.batch, options.keep),
                    [this](ValueId v) -> Param& { return network_.param(v); });
  lowering.rt = tables_.rt;
  lowering.train = tables_.train;
  lowering.pointwise = tables_.pointwise;
  lowering.training = options.training;
  TRY(lower_nodes(lowering));
  if (purpose == Purpose::kDenseGradients) {
    for (const ValueId gradient : live_gradients(network_, gradient_of_))
      lowering.values_[static_cast<size_t>(gradient)].elements = 0;
    TRY(append_dense_gradients(lowering, options.dense_gradients_of, &sink_));
  } else if (options.training) {
    append_updates(lowering, network_, gradient_of_, options, corrections_);
  }
  drop_unread(lowering.calls_, lowering.values_);
  Plan plan;
  plan.values = std::move(lowering.values_);
  const PlanOptions plan_options = {options.batch, options.threads, tables_.tiling.l2_bytes};
  TRY_ASSIGN(plan.schedule, coppice::schedule(std::move(lowering.calls_), plan.values, plan_options));
  plan.memory = plan_memory(plan.schedule, plan.values, plan_options);
  TRY(check_memory(plan.memory, plan.schedule, plan.values));
  for (const CallSpec& call : plan.schedule.calls)
    plan.scratch_stride = std::max(plan.scratch_stride, (call.scratch + 63) / 64 * 64);
  return plan;
}

Status ProgramExecutor::lower_nodes(Lowering& lowering) {
  for (const Node& node : graph_.nodes()) {
    if (!node.op->lower) return unsupported(place_of(node) + ": this op has no kernel yet");
    TRY(node.op->lower(lowering, node).within(place_of(node)));
  }
  return {};
}

MemoryReport ProgramExecutor::count_memory(const Plan& plan, const ExecOptions& options) const {
  MemoryReport report;
  for (const std::vector<Param>* list : {&network_.params, &network_.states})
    for (const Param& param : *list) report.params += param.bytes();
  report.params += missing_state_bytes(network_, options);
  report.activations = plan.memory.arena_floats * static_cast<int64_t>(sizeof(float));
  report.scratch = static_cast<int64_t>(plan.scratch_stride) * options.threads;
  return report;
}

Status ProgramExecutor::check_limit() {
  const int64_t beside = options_.memory_beside, limit = options_.memory_limit - beside;
  if (options_.memory_limit <= 0 || memory_.total() <= limit) return {};
  const std::string sentence = "the plan needs " + mebibytes(memory_.total() + beside) +
                               " (parameters and optimizer " + mebibytes(memory_.params) + ", activations " +
                               mebibytes(memory_.activations) +
                               (beside > 0 ? ", evaluation " + mebibytes(beside) : "") +
                               "), above the limit of " + mebibytes(options_.memory_limit);
  // The width of tiles changes with the batch, and gradients are stored: only a plan tells what a micro-batch
  // needs.
  ExecOptions smaller = options_;
  smaller.keep_gradients = options_.training;
  for (smaller.batch = (options_.batch - 1) / 16 * 16; smaller.batch >= 16; smaller.batch -= 16) {
    TRY_ASSIGN(const Plan plan, make_plan(smaller));
    if (count_memory(plan, smaller).total() > limit) continue;
    return {Code::kNoMemory, sentence + "; --micro-batch " + std::to_string(smaller.batch) + " would fit"};
  }
  return {Code::kNoMemory, sentence + kNoMicroBatch};
}

std::vector<coppice_call> ProgramExecutor::calls_of(Plan& plan) {
  std::vector<coppice_call> calls;
  for (CallSpec& call : plan.schedule.calls) {
    for (auto& [field, array] : call.arrays) *field = const_cast<float*>(array->data());
    for (auto& [field, id] : call.tiled) *field = place(plan, id);
    for (auto& [field, id] : call.whole) {
      const Place& where = plan.memory.places[static_cast<size_t>(id)];
      if (where.offset >= 0) *field = arena_.data() + plan.memory.whole_base + where.offset;
    }
    calls.push_back({call.kernel, call.args.get(), call.parts});
  }
  return calls;
}

coppice_tiled ProgramExecutor::view(ValueId id) const { return place(plan_, id); }

coppice_tiled ProgramExecutor::place(const Plan& plan, ValueId id) const {
  const PlanValue& value = plan.values[static_cast<size_t>(id)];
  coppice_tiled out = {
      nullptr, value.elements * value.width, value.width, value.input, value.halo, value.wrap, 0};
  if (value.input >= 0) return out;
  if (const Slab* slab = slab_of(plan.memory, plan.values, id)) {
    out.base =
        const_cast<float*>(arena_.data()) + slab->base + plan.memory.places[static_cast<size_t>(id)].offset;
    (slab->per_thread ? out.slot_stride : out.tile_stride) = slab->floats;
    (slab->per_thread ? out.tile_stride : out.slot_stride) = 0;
  }
  return out;
}

coppice_program ProgramExecutor::program(size_t phase_begin, size_t phase_end, bool timed) const {
  return {timed ? timed_calls_.data() : calls_.data(), plan_.schedule.groups.data(),
          plan_.schedule.phases.data() + phase_begin, static_cast<int32_t>(phase_end - phase_begin)};
}

coppice_run_state ProgramExecutor::run_state(const BatchView& batch, const StepState& state,
                                             bool training) const {
  coppice_run_state rs{};
  rs.samples = batch.samples;
  rs.training = training;
  rs.loss_scale = 1.0f / static_cast<float>(batch.samples);
  rs.gradient_scale = 1.0f;
  rs.learning_rate = static_cast<float>(state.learning_rate);
  const double t = static_cast<double>(state.step) + 1.0;
  rs.moment1_correction =
      static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(options_.optimizer.beta1), t)));
  rs.moment2_correction =
      static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(options_.optimizer.beta2), t)));
  rs.seed = state.seed;
  rs.step = static_cast<uint64_t>(state.step);
  rs.inputs[0] = batch.x;
  rs.inputs[1] = batch.target;
  rs.inputs[2] = const_cast<float*>(batch.teacher);  // nobody writes to an input
  rs.sample_weights = batch.weights;
  return rs;
}

void ProgramExecutor::run(const coppice_program& program, const coppice_run_state& rs) {
  coppice_run_program(&program, &rs, coppice_pool_par_for, pool_, scratch_.data(), scratch_stride_);
}

CallTimes ProgramExecutor::call_times() const {
  CallTimes times{{}, timed_steps_};
  for (const TimedCall& call : timed_) times.seconds.push_back(1e-9 * static_cast<double>(call.nanoseconds));
  return times;
}

double ProgramExecutor::loss_sum(const Plan& plan, int samples) const {
  const coppice_tiled loss = place(plan, network_.graph.loss);
  double sum = 0.0;
  for (int n = 0; n < samples; ++n)
    sum += static_cast<double>(loss.base[n / loss.width * loss.tile_stride + n % loss.width]);
  return sum;
}

double ProgramExecutor::gradient_norm() const {
  double sum = 0.0;
  for (const Param& param : network_.params)
    for (const float g : param.gradient) sum += static_cast<double>(g) * static_cast<double>(g);
  return std::sqrt(sum);
}

Status ProgramExecutor::check_samples(int samples) const {
  if (samples < 1 || samples > options_.batch)
    return invalid("a batch of " + std::to_string(samples) + " samples: this executor was made for 1 to " +
                   std::to_string(options_.batch));
  for (const Node& node : graph_.nodes())
    if (options_.training && node.op->check_samples)
      if (const Status status = node.op->check_samples(graph_, node, samples); !status.ok())
        return status.within(place_of(node));
  return {};
}

Status ProgramExecutor::check_batch(const BatchView& batch) const {
  if (graph_.teacher != kNoValue && !batch.teacher) return invalid("a batch without the teacher's logits");
  return check_samples(batch.samples);
}

Status ProgramExecutor::not_finite(const std::string& what, double value, const StepState& state) const {
  return {Code::kDiverged, what + (std::isnan(value) ? " is NaN" : " is infinite") + " at step " +
                               std::to_string(state.step) + "; lower the learning rate" +
                               (options_.clip_norm > 0 ? "" : " or clip gradients with --clip")};
}

Result<double> ProgramExecutor::train_step(std::span<const BatchView> micro_batches, const StepState& state) {
  if (!options_.training) return invalid("this executor was made for evaluation");
  if (micro_batches.size() > 1 && fuses_updates())
    return invalid("several micro-batches need stored gradients (keep_gradients)");
  if (micro_batches.empty()) return invalid("a training step needs at least one batch");
  int samples = 0;
  for (const BatchView& batch : micro_batches) {
    TRY(check_batch(batch));
    samples += batch.samples;
  }
  const bool split = !fuses_updates(), timed = measures(state.step);
  timed_steps_ += timed;
  int first_sample = 0;
  double loss = 0.0;
  coppice_run_state rs{};
  for (size_t b = 0; b < micro_batches.size(); ++b) {
    rs = run_state(micro_batches[b], state, true);
    rs.loss_scale = 1.0f / static_cast<float>(samples);
    rs.accumulate = b > 0;
    rs.first_sample = first_sample;
    first_sample += micro_batches[b].samples;
    run(program(0, split ? update_phase_ : plan_.schedule.phases.size(), timed), rs);
    loss += loss_sum(plan_, micro_batches[b].samples);
  }
  loss /= samples;
  if (!std::isfinite(loss)) return not_finite("the loss", loss, state);
  if (!split) return loss;
  if (options_.clip_norm > 0) {
    const double norm = gradient_norm();
    if (!std::isfinite(norm)) return not_finite("the norm of the gradients", norm, state);
    if (norm > options_.clip_norm) rs.gradient_scale = static_cast<float>(options_.clip_norm / norm);
  }
  run(program(update_phase_, plan_.schedule.phases.size(), timed), rs);
  return loss;
}

Result<double> ProgramExecutor::dense_gradients(const BatchView& batch, const StepState& state,
                                                const DenseGradientSink& sink) {
  if (!options_.dense_gradients_of) return invalid("this executor was made without dense gradients");
  TRY(check_batch(batch));
  sink_ = sink;
  const coppice_program program = {gradient_calls_.data(), gradient_plan_.schedule.groups.data(),
                                   gradient_plan_.schedule.phases.data(),
                                   static_cast<int32_t>(gradient_plan_.schedule.phases.size())};
  run(program, run_state(batch, state, true));
  sink_ = nullptr;
  const double loss = loss_sum(gradient_plan_, batch.samples) / batch.samples;
  return std::isfinite(loss) ? Result<double>(loss) : not_finite("the loss", loss, state);
}

Result<double> ProgramExecutor::evaluate(const BatchView& batch) {
  // The program of a training executor goes on to gradients and updates.
  if (options_.training)
    return invalid("this executor was made for training; make one with training = false");
  TRY(check_samples(batch.samples));
  coppice_run_state rs = run_state(batch, {}, false);
  const ValueId target = network_.graph.target;
  if (!batch.target && target != kNoValue) {
    // The loss is computed all the same, of labels that are all 0.
    const auto tiles = static_cast<size_t>((options_.batch + target_width() - 1) / target_width());
    const auto elements = static_cast<size_t>(network_.graph.value(target).shape.elements());
    if (no_target_.empty()) no_target_ = Floats(tiles * elements * static_cast<size_t>(target_width()));
    rs.inputs[1] = no_target_.data();
  }
  const bool timed = measures(0);
  timed_steps_ += timed;
  run(program(0, plan_.schedule.phases.size(), timed), rs);
  return batch.target && network_.graph.loss != kNoValue ? loss_sum(plan_, batch.samples) / batch.samples
                                                         : 0.0;
}

Cost ProgramExecutor::cost() const {
  const WeightCounts weights = [this](ValueId v) {
    const Param& param = network_.param(v);
    return Cost{param.live(), param.encoding().executed(), param.total()};
  };
  Cost sum;
  for (const Node& node : graph_.nodes())
    if (node.op->cost) sum += node.op->cost(graph_, node, weights);
  return sum;
}

}  // namespace

Result<std::unique_ptr<Executor>> Executor::create(Network& network, const ExecOptions& options) {
  auto executor = std::make_unique<ProgramExecutor>(network, options);
  TRY(executor->prepare());
  return std::unique_ptr<Executor>(std::move(executor));
}

Result<int64_t> parameter_bytes(const Graph& graph, const SparsityConfig& sparsity,
                                const ExecOptions& options) {
  TRY_ASSIGN(const Network::Size size, Network::size(graph, sparsity));
  const int64_t state =
      (options.training ? options.optimizer.moments() : 0) + (stores_gradients(options) ? 1 : 0);
  return (size.params + size.trained * state + size.states) * static_cast<int64_t>(sizeof(float));
}

Status check_parameter_memory(const Graph& graph, const SparsityConfig& sparsity,
                              const ExecOptions& options) {
  TRY_ASSIGN(const int64_t bytes, parameter_bytes(graph, sparsity, options));
  if (options.memory_limit <= 0 || bytes <= options.memory_limit) return {};
  return {Code::kNoMemory, "the parameters and their optimizer state need " + mebibytes(bytes) +
                               " and more, above the limit of " + mebibytes(options.memory_limit) +
                               kNoMicroBatch};
}

}  // namespace coppice
