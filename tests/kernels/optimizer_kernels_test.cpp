// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "kernels/select.h"

namespace coppice {
namespace {

struct State {
  std::vector<float> value, gradient, moment1, moment2;
};

State random_state(int count, uint64_t seed) {
  State s;
  Rng rng(seed, stream_id("optimizer", "state"));
  for (int i = 0; i < count; ++i) {
    s.value.push_back(rng.normal());
    s.gradient.push_back(rng.normal() * 0.1f);
    s.moment1.push_back(rng.normal() * 0.1f);
    s.moment2.push_back(rng.uniform() * 0.01f);
  }
  if (count > 3) s.gradient[2] = s.moment1[2] = s.moment2[2] = 0;  // a weight that never moved
  return s;
}

struct Settings {
  float decay;
  bool momentum, nesterov, decoupled;
};

coppice_run_state run_state() {
  coppice_run_state rs{};
  rs.samples = 1;
  rs.gradient_scale = 0.5f;
  rs.learning_rate = 0.01f;
  rs.moment1_correction = 1.0f / (1 - 0.9f);
  rs.moment2_correction = 1.0f / (1 - 0.999f);
  return rs;
}

coppice_update_args update_args(State& s, const std::vector<int32_t>& starts, const Settings& settings) {
  coppice_update_args a{};
  a.part_start = starts.data();
  a.value = s.value.data();
  a.gradient = s.gradient.data();
  a.moment1 = settings.momentum ? s.moment1.data() : nullptr;
  a.moment2 = s.moment2.data();
  a.beta1 = 0.9f;
  a.beta2 = 0.999f;
  a.epsilon = 1e-8f;
  a.decay = settings.decay;
  a.nesterov = settings.nesterov;
  a.decoupled = settings.decoupled;
  return a;
}

// Rounding of a float sum whose largest term is `scale`.
void expect_ulps(float got, double want, double scale, double ulps) {
  ASSERT_LE(std::fabs(got - want), ulps * std::numeric_limits<float>::epsilon() * scale + 1e-30)
      << got << " " << want;
}

template <class Check>
void each_cut(Check&& check) {
  for (const std::string& isa : available_isas())
    for (const std::vector<int32_t>& starts :
         {std::vector<int32_t>{0, 1}, {0, 16}, {0, 5, 5, 40}, {0, 33, 100}, {0, 64, 80, 1000}}) {
      SCOPED_TRACE(isa + ", " + std::to_string(starts.back()) + " weights");
      check(*select_kernels(isa)->train, starts);
    }
}

void run_parts(coppice_kernel kernel, const coppice_update_args& args, const std::vector<int32_t>& starts,
               bool scratch) {
  const coppice_run_state rs = run_state();
  coppice_update_args a = args;
  if (scratch) a.gradient = nullptr;
  for (int part = static_cast<int>(starts.size()) - 2; part >= 0; --part) {
    std::vector<float> own(args.gradient + starts[static_cast<size_t>(part)],
                           args.gradient + starts[static_cast<size_t>(part) + 1]);
    const coppice_item item = {0, 1, part, part + 1, own.data()};
    kernel(&a, &rs, &item);
  }
}

TEST(Optimizers, SgdIsPyTorchsFormula) {
  for (const Settings settings : {Settings{0, false, false, false},
                                  {0.1f, false, false, false},
                                  {0, true, false, false},
                                  {0.1f, true, false, false},
                                  {0.1f, true, true, false}})
    each_cut([&](const coppice_train_table& train, const std::vector<int32_t>& starts) {
      const State before = random_state(starts.back(), 1);
      State s = before;
      run_parts(train.sgd, update_args(s, starts, settings), starts, false);
      for (size_t i = 0; i < s.value.size(); ++i) {
        double g = 0.5 * before.gradient[i] + double{settings.decay} * before.value[i];
        if (settings.momentum) {
          const double m = double{0.9f} * before.moment1[i] + g;
          ASSERT_NO_FATAL_FAILURE(expect_ulps(s.moment1[i], m, 0.5, 2));
          g = settings.nesterov ? g + double{0.9f} * m : m;
        }
        ASSERT_NO_FATAL_FAILURE(expect_ulps(s.value[i], before.value[i] - double{0.01f} * g,
                                            std::fabs(before.value[i]) + 0.01, 1.5));
      }
    });
}

TEST(Optimizers, AdamIsKingmaAndBasFormula) {
  for (const Settings settings :
       {Settings{0, true, false, false}, {0.1f, true, false, false}, {0.1f, true, false, true}})
    each_cut([&](const coppice_train_table& train, const std::vector<int32_t>& starts) {
      const State before = random_state(starts.back(), 2);
      const coppice_run_state rs = run_state();
      State s = before;
      run_parts(train.adam, update_args(s, starts, settings), starts, true);
      for (size_t i = 0; i < s.value.size(); ++i) {
        const double g =
            0.5 * before.gradient[i] + (settings.decoupled ? 0 : double{settings.decay} * before.value[i]);
        const double m = double{0.9f} * before.moment1[i] + (1 - double{0.9f}) * g;
        const double v = double{0.999f} * before.moment2[i] + (1 - double{0.999f}) * g * g;
        ASSERT_NO_FATAL_FAILURE(expect_ulps(s.moment1[i], m, 0.5, 2));
        ASSERT_NO_FATAL_FAILURE(expect_ulps(s.moment2[i], v, v, 8));
        const double step = double{rs.learning_rate} * m * double{rs.moment1_correction} /
                            (std::sqrt(v * double{rs.moment2_correction}) + double{1e-8f});
        const double decayed =
            before.value[i] * (1 - (settings.decoupled ? double{0.01f} * double{settings.decay} : 0));
        // A few ulp of the update, and the rounding of the subtraction.
        ASSERT_NO_FATAL_FAILURE(
            expect_ulps(s.value[i], decayed - step, std::fabs(before.value[i]) + 8 * std::fabs(step), 1.5));
      }
    });
}

TEST(Optimizers, AdamOfTinyGradientsStaysFinite) {
  each_cut([&](const coppice_train_table& train, const std::vector<int32_t>& starts) {
    State s = random_state(starts.back(), 3);
    for (size_t i = 0; i < s.value.size(); ++i) {
      s.gradient[i] = i % 2 ? 1e-30f : 0.0f;
      s.moment1[i] = i % 3 ? 1e-39f : 0.0f;
      s.moment2[i] = i % 5 ? 1e-42f : 0.0f;
    }
    const State before = s;
    run_parts(train.adam, update_args(s, starts, {0, true, false, false}), starts, true);
    for (size_t i = 0; i < s.value.size(); ++i) ASSERT_NEAR(s.value[i], before.value[i], 1e-6);
  });
}

TEST(Optimizers, StoredGradientAndScratchGiveTheSameBits) {
  for (const bool adam : {false, true})
    each_cut([&](const coppice_train_table& train, const std::vector<int32_t>& starts) {
      State a = random_state(starts.back(), 4), b = a;
      const Settings settings = {0.1f, true, true, false};
      run_parts(adam ? train.adam : train.sgd, update_args(a, starts, settings), starts, false);
      run_parts(adam ? train.adam : train.sgd, update_args(b, starts, settings), starts, true);
      EXPECT_EQ(a.value, b.value);
      EXPECT_EQ(a.moment1, b.moment1);
    });
}

TEST(Optimizers, TheCutIntoPartsDoesNotChangeBits) {
  for (const std::string& isa : available_isas())
    for (const bool adam : {false, true}) {
      const coppice_train_table& train = *select_kernels(isa)->train;
      State a = random_state(1000, 5), b = a;
      const std::vector<int32_t> whole = {0, 1000}, cut = {0, 3, 20, 37, 500, 999, 1000};
      const Settings settings = {0.1f, true, true, false};
      run_parts(adam ? train.adam : train.sgd, update_args(a, whole, settings), whole, false);
      run_parts(adam ? train.adam : train.sgd, update_args(b, cut, settings), cut, false);
      EXPECT_EQ(a.value, b.value) << isa;
      EXPECT_EQ(a.moment1, b.moment1) << isa;
      EXPECT_EQ(a.moment2, b.moment2) << isa;
    }
}

// A weight that grew in step 7 goes the way of one whose run began there; those beside it know nothing of it.
TEST(Optimizers, AdamCorrectsAGrownWeightByItsOwnAge) {
  constexpr int64_t kBorn = 7;
  constexpr int kSteps = 5;
  const auto correction = [](double beta, int64_t updates) {
    return static_cast<float>(1.0 / (1.0 - std::pow(beta, static_cast<double>(updates))));
  };
  std::vector<float> correction1, correction2;
  for (int64_t n = 1; n <= 3; ++n) {  // shorter than the steps: the last one counts for all that are older
    correction1.push_back(correction(0.9, n));
    correction2.push_back(correction(0.999, n));
  }
  each_cut([&](const coppice_train_table& train, const std::vector<int32_t>& starts) {
    State grown = random_state(starts.back(), 1), plain = grown, young = grown;
    std::vector<float> born(grown.value.size(), 0.0f);
    for (size_t i = 0; i < born.size(); i += 3) born[i] = static_cast<float>(kBorn);
    const Settings settings = {0, true, false, false};
    for (int step = 0; step < kSteps; ++step) {
      const auto run = [&](State& state, bool with_born, float c1, float c2) {
        coppice_update_args a = update_args(state, starts, settings);
        a.born = with_born ? born.data() : nullptr;
        a.correction1 = correction1.data();
        a.correction2 = correction2.data();
        a.corrections = static_cast<int32_t>(correction1.size());
        coppice_run_state rs = run_state();
        rs.step = static_cast<uint64_t>(kBorn + step);
        rs.moment1_correction = c1;
        rs.moment2_correction = c2;
        const coppice_item item = {0, 1, 0, static_cast<int32_t>(starts.size()) - 1, nullptr};
        train.adam(&a, &rs, &item);
      };
      const float old1 = correction(0.9, kBorn + step + 1), old2 = correction(0.999, kBorn + step + 1);
      const auto age = static_cast<size_t>(std::min<int>(step, 2));
      run(grown, true, old1, old2);
      run(plain, false, old1, old2);
      run(young, false, correction1[age], correction2[age]);
    }
    for (size_t i = 0; i < born.size(); ++i)
      ASSERT_EQ(grown.value[i], born[i] > 0 ? young.value[i] : plain.value[i]) << i;
  });
}

}  // namespace
}  // namespace coppice
