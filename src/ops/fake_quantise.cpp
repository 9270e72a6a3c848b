// SPDX-License-Identifier: Apache-2.0
// fake_quantise (Jacob et al. 2018): y = x rounded to what 8-bit integers can say, scale * (integer -
// zero_point) with integers in [-128, 127]. A staircase has no slope to learn from, so the gradient is, by
// definition, that of the clip without steps: dy where x lies within the range, 0 elsewhere.
#include <cmath>
#include <limits>

#include "ops/build.h"
#include "ops/support/activation.h"

namespace coppice {
namespace {

double scale_of(const Node& node) { return node.real("scale", 1.0); }

// The ends of the range, in steps from 0.
double least(const Node& node) { return -128.0 - static_cast<double>(node.integer("zero_point", 0)); }
double most(const Node& node) { return 127.0 - static_cast<double>(node.integer("zero_point", 0)); }

Status check(const Node& node) {
  const double scale = scale_of(node);
  if (!(scale >= double{std::numeric_limits<float>::min()} &&
        scale <= double{std::numeric_limits<float>::max()} / 255))
    return invalid("scale must be above 0, and 255 times it a 32-bit float");
  const int64_t zero_point = node.integer("zero_point", 0);
  if (zero_point < -128 || zero_point > 127)
    return invalid("zero_point must be at least -128 and at most 127");
  return {};
}

constexpr AttributeDef kAttributes[] = {{"scale", AttributeKind::kReal},
                                        {"zero_point", AttributeKind::kInteger}};

constexpr Activation kFakeQuantise = {
    .name = "fake_quantise",
    .summary = "y = x rounded to what 8-bit integers can say",
    .grad_name = "fake_quantise_grad",
    .grad_summary = "gradient of fake_quantise, by definition that of a clip",
    .value =
        [](const Node& node, double x) {
          const double steps = std::nearbyint(x / scale_of(node));
          return scale_of(node) * std::min(std::max(steps, least(node)), most(node));
        },
    .slope =
        [](const Node& node, double x) {
          const double steps = x / scale_of(node);
          return steps >= least(node) && steps <= most(node) ? 1.0 : 0.0;
        },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.fake_quantise; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.fake_quantise_grad; },
    .attributes = kAttributes,
    .check = check,
    .fill =
        [](const Node& node, coppice_map_args& args) {
          args.parameter = static_cast<float>(scale_of(node));
          args.low = static_cast<float>(least(node));
          args.high = static_cast<float>(most(node));
        },
};

void without_steps(const ReferenceCall& call) {
  const double scale = scale_of(call.node), low = scale * least(call.node), high = scale * most(call.node);
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = std::min(std::max(call.in[0]->data[i], low), high);
}

// Behind what squeezes negative numbers into a range that is so small that a step is less than what floats
// and doubles may differ by: where rounding puts them on two sides of an edge, the tests do not see it. What
// is positive lies beyond the range.
std::vector<Sample> samples() {
  constexpr double kStep = 0x1p-13;
  const Attributes small = {{"alpha", 0.01}};
  std::vector<Sample> out;
  NetworkBuilder flat;
  ValueId x = flat.input({"f", {12}});
  flat.class_target();
  x = flat.apply("elu", "squeeze", {flat.linear("fc1", x, 7)}, small);
  x = flat.apply("fake_quantise", "round", {x}, {{"scale", kStep}, {"zero_point", int64_t{0}}});
  flat.softmax_cross_entropy(flat.linear("fc2", x, 3));
  out.push_back({"of a list", flat.finish().take()});

  NetworkBuilder image;
  x = image.input({"chw", {2, 4, 5}});
  image.class_target();
  x = image.apply("elu", "squeeze", {image.conv("conv1", x, 3, {})}, small);
  x = image.apply("fake_quantise", "round", {x}, {{"scale", kStep}, {"zero_point", int64_t{-20}}});
  x = image.apply("global_pool", "pool", {image.conv("conv2", x, 4, {})});
  image.softmax_cross_entropy(image.linear("fc", x, 3));
  out.push_back({"between convolutions", image.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> fake_quantise_ops() {
  std::vector<OpDef> ops = activation_ops<kFakeQuantise>();
  ops[0].smooth = without_steps;
  ops[0].samples = samples;
  return ops;
}

}  // namespace coppice
