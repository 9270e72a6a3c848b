// SPDX-License-Identifier: Apache-2.0
// clip: y = x, but at least `min` and at most `max`; each may be left out. relu6 is clip from 0 to 6. At a
// limit the slope is 0, as for relu and relu6, so that y tells it.
#include <cmath>
#include <limits>

#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double least(const Node& node) { return node.real("min", -kInfinity); }
double most(const Node& node) { return node.real("max", kInfinity); }

Status check(const Node& node) {
  for (const char* key : {"min", "max"})
    if (!std::isfinite(node.real(key, 0.0)))
      return invalid(std::string(key) + " must be a finite number; leave it out for no limit");
  if (least(node) > most(node)) return invalid("min is above max");
  return {};
}

constexpr AttributeDef kAttributes[] = {{"min", AttributeKind::kReal}, {"max", AttributeKind::kReal}};

constexpr Activation kClip = {
    .name = "clip",
    .summary = "y = x, but at least min and at most max",
    .grad_name = "clip_grad",
    .grad_summary = "gradient of clip",
    .value = [](const Node& node, double x) { return std::min(std::max(x, least(node)), most(node)); },
    .slope = [](const Node& node, double y) { return y > least(node) && y < most(node) ? 1.0 : 0.0; },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.clip; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.clip_grad; },
    .from_output = [](const Node&) { return true; },
    .attributes = kAttributes,
    .check = check,
    .fill =
        [](const Node& node, coppice_map_args& args) {
          args.low = static_cast<float>(least(node));
          args.high = static_cast<float>(most(node));
        },
    .variants =
        [] {
          return std::vector<Variant>{{"relu6", {{"min", 0.0}, {"max", 6.0}}},
                                      {"on both sides", {{"min", -0.5}, {"max", 0.75}}},
                                      {"above", {{"max", 0.25}}}};
        },
};

}  // namespace

std::vector<OpDef> clip_ops() { return activation_ops<kClip>(); }

}  // namespace coppice
