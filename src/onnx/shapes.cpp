// SPDX-License-Identifier: Apache-2.0
// Windows over pictures, parts of them, and what only renames axes.
#include <algorithm>

#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

constexpr int64_t kLargestWindow = 1 << 16;

// Attributes of one axis of places, or of two, as two; `otherwise` for an axis that is not there.
Status set_pair(const Sizes& list, size_t axes, int64_t otherwise, int64_t least, const char* what,
                int64_t* out) {
  if (list.size() != axes)
    return corrupt(std::string(what) + " should have " + std::to_string(axes) + " numbers");
  for (const int64_t value : list)
    if (value < least || value > kLargestWindow)
      return unsupported(std::string(what) + " has " + std::to_string(value) + ", outside of " +
                         std::to_string(least) + " to " + std::to_string(kLargestWindow));
  out[0] = axes == 1 ? otherwise : list[0];
  out[1] = list[axes - 1];
  return {};
}

int64_t reach(const Windows& w, size_t d) { return (w.kernel[d] - 1) * w.dilation[d] + 1; }
int64_t windows_along(const Windows& w, size_t d, int64_t size, int64_t stride) {
  return (size + w.before[d] + w.after[d] - reach(w, d)) / stride + 1;
}
int64_t side(const Shape& x, size_t d) { return d == 0 ? x.size('h') : x.size('w'); }

// Windows that reach beyond the padded picture are those of more padding, but for a mean that counts it.
Status pad_for_ceil(At& at, Windows& w, const Shape& x, bool counts_padding) {
  TRY_ASSIGN(const int64_t ceil, at.integer("ceil_mode", 0));
  for (const size_t d : {size_t{0}, size_t{1}}) {
    const int64_t rest = (side(x, d) + w.before[d] + w.after[d] - reach(w, d)) % w.stride[d];
    if (ceil == 0 || rest == 0) continue;
    if (counts_padding) return unsupported("has windows that reach beyond the padded picture (ceil_mode 1)");
    w.after[d] += w.stride[d] - rest;
  }
  return {};
}

// As a person would write it: one number where all are the same.
coppice::Attribute one_or_all(const Sizes& numbers) {
  const bool same = std::all_of(numbers.begin(), numbers.end(), [&](int64_t n) { return n == numbers[0]; });
  return same ? coppice::Attribute(numbers[0]) : coppice::Attribute(numbers);
}

bool has_pads(const Windows& w) {
  return w.before[0] != 0 || w.before[1] != 0 || w.after[0] != 0 || w.after[1] != 0;
}

Status add_global_pool(At& at, Activation x, const Sizes& sizes) {
  const Shape& shape = at.importer.graph().value(x.id).shape;
  // Of a picture that is one pixel, the mean is the pixel.
  if (shape.axes == "f") return unsupported("is of a list");
  TRY_ASSIGN(x.id, at.importer.emit("global_pool", at.importer.layer_name(at.node), {x.id}));
  x.sizes = sizes;
  at.is(std::move(x));
  return {};
}

Status add_pool(At& at, const char* op, bool max) {
  TRY_ASSIGN(const Sizes kernel, at.integers("kernel_shape", {}));
  at.ignore("storage_order");  // of the indices, which nobody may read
  TRY_ASSIGN(const int64_t include, at.integer("count_include_pad", 0));
  TRY_ASSIGN(Activation x, at.image(0));
  const Shape shape = at.importer.graph().value(x.id).shape;
  if (kernel.size() != x.sizes.size() - 1) return corrupt("kernel_shape should have a number for each axis");
  TRY_ASSIGN(Windows w, read_windows(at, shape, kernel.size() == 1 ? Sizes{1, kernel[0]} : kernel));
  TRY(pad_for_ceil(at, w, shape, !max && include != 0));
  for (const size_t d : {size_t{0}, size_t{1}})
    if (w.dilation[d] != 1 && w.kernel[d] != 1)
      return unsupported("has dilations of " + sizes_text({w.dilation[0], w.dilation[1]}) +
                         "; windows here have no gaps, other than those of convolutions");
  const bool pads = has_pads(w), whole = w.kernel[0] == shape.size('h') && w.kernel[1] == shape.size('w');
  if (!max && whole && !pads) return add_global_pool(at, x, sizes_like(x.sizes, {"chw", {x.sizes[0], 1, 1}}));
  Attributes attributes = {{"kernel", one_or_all({w.kernel[0], w.kernel[1]})},
                           {"stride", one_or_all({w.stride[0], w.stride[1]})},
                           {"padding", one_or_all({w.before[0], w.before[1], w.after[0], w.after[1]})}};
  if (!max && pads && include == 0) attributes["count_padding"] = int64_t{0};
  TRY_ASSIGN(x.id, at.importer.emit(op, at.importer.layer_name(at.node), {x.id}, std::move(attributes)));
  x.sizes = sizes_like(x.sizes, at.importer.graph().value(x.id).shape);
  at.is(std::move(x));
  return {};
}

// The same numbers in the same order under other sizes, the batch left out.
Status rename_axes(At& at, Sizes sizes, const char* why) {
  TRY_ASSIGN(const Activation x, at.activation(0));
  int64_t before = 0, after = 0;
  if (!count_of(x.sizes, &before) || !count_of(sizes, &after) || before != after)
    return corrupt("makes " + sizes_text(sizes) + " of " + sizes_text(x.sizes));
  if (sizes.empty()) sizes = {1};
  at.importer.removed(at.node, why);
  at.is({x.id, std::move(sizes), x.bytes});
  return {};
}
constexpr char kRenames[] = "gives the same numbers another shape";

// Axes of a sample, 0 .. rank - 1, of axes that count the batch; the batch itself is refused.
Result<std::vector<size_t>> sample_axes(const Sizes& axes, size_t rank) {
  std::vector<size_t> out;
  for (const int64_t axis : axes) {
    TRY_ASSIGN(const size_t place, axis_of(axis, rank + 1));
    if (place == 0) return unsupported("works along the samples");
    out.push_back(place - 1);
  }
  return out;
}

// How many elements `step` takes from `start` to `end`, as Slice counts; start becomes the first of them.
Result<int64_t> slice_axis(int64_t size, int64_t& start, int64_t end, int64_t step) {
  if (step < 1 || step > kLargestWindow) return unsupported("goes by steps of " + std::to_string(step));
  const auto within = [size](int64_t place) {
    if (place < 0) place = place < -size ? 0 : place + size;
    return std::min(place, size);
  };
  start = within(start);
  const int64_t count = (within(end) - start + step - 1) / step;
  if (count < 1) return unsupported("leaves nothing");
  return count;
}

}  // namespace

Sizes sizes_like(const Sizes& x, const Shape& ours) {
  if (x.size() == 2) return {ours.sizes[0], ours.sizes[2]};
  return ours.sizes;
}

Result<Windows> read_windows(At& at, const Shape& x, const Sizes& kernel) {
  TRY_ASSIGN(const Activation input, at.activation(0));
  const size_t axes = input.sizes.size() - 1;
  Windows w{};
  TRY(set_pair(kernel, 2, 1, 1, "kernel_shape", w.kernel));
  const Sizes inner(kernel.end() - static_cast<std::ptrdiff_t>(axes), kernel.end());
  TRY_ASSIGN(const Sizes written, at.integers("kernel_shape", inner));
  if (written != inner) return corrupt("kernel_shape is not that of the weight");
  TRY_ASSIGN(const Sizes strides, at.integers("strides", Sizes(axes, 1)));
  TRY(set_pair(strides, axes, 1, 1, "strides", w.stride));
  TRY_ASSIGN(const Sizes dilations, at.integers("dilations", Sizes(axes, 1)));
  TRY(set_pair(dilations, axes, 1, 1, "dilations", w.dilation));
  TRY_ASSIGN(const std::string automatic, at.text("auto_pad", "NOTSET"));
  TRY_ASSIGN(const Sizes pads, at.integers("pads", Sizes(2 * axes, 0)));
  if (automatic == "NOTSET") {
    if (pads.size() != 2 * axes) return corrupt("pads should have two numbers for each axis");
    const auto half = pads.begin() + static_cast<std::ptrdiff_t>(axes);
    TRY(set_pair(Sizes(pads.begin(), half), axes, 0, 0, "pads", w.before));
    TRY(set_pair(Sizes(half, pads.end()), axes, 0, 0, "pads", w.after));
  } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    for (const size_t d : {size_t{0}, size_t{1}}) {
      const int64_t out = (side(x, d) + w.stride[d] - 1) / w.stride[d];
      const int64_t all = std::max<int64_t>(0, (out - 1) * w.stride[d] + reach(w, d) - side(x, d));
      w.before[d] = (automatic == "SAME_LOWER" ? all + 1 : all) / 2;
      w.after[d] = all - w.before[d];
    }
  } else if (automatic != "VALID") {
    return unsupported("has auto_pad '" + shown(automatic) + "'");
  }
  for (const size_t d : {size_t{0}, size_t{1}})
    if (side(x, d) + w.before[d] + w.after[d] < reach(w, d))
      return corrupt("has windows that are larger than the padded picture");
  return w;
}

Result<int64_t> common_stride(const Windows& w, const Shape& x) {
  for (const size_t d : {size_t{1}, size_t{0}}) {
    const size_t e = 1 - d;
    if (windows_along(w, e, side(x, e), w.stride[e]) == windows_along(w, e, side(x, e), w.stride[d]))
      return w.stride[d];
  }
  return unsupported("has strides of " + std::to_string(w.stride[0]) + " and " + std::to_string(w.stride[1]) +
                     ", here both axes have one");
}

Result<ValueId> padded(At& at, const std::string& name, ValueId x, const Windows& w, int64_t common) {
  const Sizes before{0, w.before[0] - common, w.before[1] - common},
      after{0, w.after[0] - common, w.after[1] - common};
  if (before == Sizes{0, 0, 0} && after == before) return x;
  return at.importer.emit("pad", name + ".pad", {x}, {{"before", before}, {"after", after}});
}

Status import_max_pool(At& at) { return add_pool(at, "max_pool", true); }
Status import_average_pool(At& at) { return add_pool(at, "avg_pool", false); }

Status import_global_pool(At& at) {
  TRY_ASSIGN(const Activation x, at.image(0));
  Sizes sizes(x.sizes.size(), 1);
  sizes[0] = x.sizes[0];
  return add_global_pool(at, x, sizes);
}

Status import_reduce_mean(At& at) {
  TRY_ASSIGN(const int64_t keep, at.integer("keepdims", 1));
  TRY_ASSIGN(const int64_t nothing, at.integer("noop_with_empty_axes", 0));
  TRY_ASSIGN(const Sizes axes, at.list("axes", 1, {}));
  if (axes.empty() && nothing != 0) return at.is_input("does nothing");
  TRY_ASSIGN(const Activation x, at.activation(0));
  TRY_ASSIGN(std::vector<size_t> places, sample_axes(axes, x.sizes.size()));
  std::sort(places.begin(), places.end());
  std::vector<size_t> wanted;
  for (size_t i = 1; i < x.sizes.size(); ++i) wanted.push_back(i);
  if (wanted.empty() || places != wanted)
    return unsupported("takes the mean of other axes than height and width");
  TRY_ASSIGN(const Activation image, at.image(0));
  Sizes sizes(keep != 0 ? x.sizes.size() : 1, 1);
  sizes[0] = x.sizes[0];
  return add_global_pool(at, image, sizes);
}

// Pads are an attribute before opset 11, then an input, as is the value; both count the batch.
Status import_pad(At& at) {
  TRY_ASSIGN(const std::string mode, at.text("mode", "constant"));
  TRY_ASSIGN(double value, at.real("value", 0));
  TRY_ASSIGN(const Sizes pads, at.list("pads", 1, {}));
  if (at.has(2)) {
    TRY_ASSIGN(const ConstantPtr constant, at.constant(2));
    if (constant->size() != 1) return corrupt("value should be a single number");
    value = static_cast<double>(constant->real(0));
  }
  if (at.has(3)) return unsupported("names its axes");
  TRY_ASSIGN(Activation x, at.activation(0));
  // The byte that stands for 0.
  if (x.bytes) value -= static_cast<double>(x.bytes->zero_point);
  const size_t rank = x.sizes.size() + 1;
  if (pads.size() != 2 * rank) return corrupt("pads should have two numbers for each axis");
  if (std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; }))
    return at.is_input("pads by nothing");
  if (mode != "constant" || value != 0)
    return unsupported("pads with something else than zeros (mode '" + shown(mode) + "')");
  if (pads[0] != 0 || pads[rank] != 0) return unsupported("adds samples");
  TRY_ASSIGN(x, at.image(0));
  Sizes before(pads.begin() + 1, pads.begin() + static_cast<std::ptrdiff_t>(rank)),
      after(pads.begin() + static_cast<std::ptrdiff_t>(rank) + 1, pads.end());
  for (Sizes* sides : {&before, &after}) {
    for (const int64_t pad : *sides)
      if (pad < 0 || pad > kLargestWindow) return unsupported("pads by " + std::to_string(pad));
    if (sides->size() == 2) sides->insert(sides->begin() + 1, 0);
  }
  TRY_ASSIGN(x.id, at.importer.emit("pad", at.importer.layer_name(at.node), {x.id},
                                    {{"before", before}, {"after", after}}));
  x.sizes = sizes_like(x.sizes, at.importer.graph().value(x.id).shape);
  at.is(std::move(x));
  return {};
}

Status import_slice(At& at) {
  TRY_ASSIGN(const Sizes starts, at.list("starts", 1, {}));
  TRY_ASSIGN(const Sizes ends, at.list("ends", 2, {}));
  Sizes all;
  for (size_t i = 0; i < starts.size(); ++i) all.push_back(static_cast<int64_t>(i));
  TRY_ASSIGN(const Sizes axes, at.list("axes", 3, all));
  TRY_ASSIGN(const Sizes steps, at.list("steps", 4, Sizes(starts.size(), 1)));
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return corrupt("has lists of different lengths");
  TRY_ASSIGN(Activation x, at.image(0));
  Sizes start(3, 0), step(3, 1), size = at.importer.graph().value(x.id).shape.sizes;
  const Sizes whole = size;
  TRY_ASSIGN(const std::vector<size_t> places, sample_axes(axes, x.sizes.size()));
  for (size_t i = 0; i < places.size(); ++i) {
    // c, h, w; of one axis of places, w.
    const size_t d = places[i] == 1 && x.sizes.size() == 2 ? 2 : places[i];
    start[d] = starts[i];
    step[d] = steps[i];
    TRY_ASSIGN(size[d], slice_axis(whole[d], start[d], ends[i], steps[i]));
  }
  if (size == whole) return at.is_input("takes everything");
  TRY_ASSIGN(x.id, at.importer.emit("slice", at.importer.layer_name(at.node), {x.id},
                                    {{"start", start}, {"size", size}, {"step", step}}));
  x.sizes = sizes_like(x.sizes, at.importer.graph().value(x.id).shape);
  at.is(std::move(x));
  return {};
}

Status import_concat(At& at) {
  TRY_ASSIGN(const int64_t axis, at.integer("axis", 1));
  if (at.node.inputs.empty()) return corrupt("lacks input 0");
  std::vector<ValueId> inputs;
  Sizes sizes;
  std::optional<Steps> bytes;
  for (size_t i = 0; i < at.node.inputs.size(); ++i) {
    TRY_ASSIGN(const Activation x, at.activation(i));
    TRY_ASSIGN(const size_t place, axis_of(axis, x.sizes.size() + 1));
    if (place != 1)
      return unsupported("joins along axis " + std::to_string(axis) + ", here channels are joined");
    TRY_ASSIGN(const Activation part, x.sizes.size() == 1 ? at.flat(i) : at.image(i));
    inputs.push_back(part.id);
    if (i > 0 && part.bytes != bytes)
      return unsupported("joins bytes that mean different numbers; let each have a DequantizeLinear");
    bytes = part.bytes;
    if (i == 0) {
      sizes = part.sizes;
    } else {
      if (part.sizes.size() != sizes.size()) return corrupt("joins values of different ranks");
      sizes[0] += part.sizes[0];
    }
  }
  TRY_ASSIGN(const ValueId y, at.importer.emit("concat", at.importer.layer_name(at.node), std::move(inputs)));
  at.is({y, std::move(sizes), bytes});
  return {};
}

Status import_flatten(At& at) {
  TRY_ASSIGN(const int64_t axis, at.integer("axis", 1));
  TRY_ASSIGN(const Activation x, at.activation(0));
  TRY_ASSIGN(const size_t place, axis_of(axis, x.sizes.size() + 1));
  if (place != 1) return unsupported("joins samples with their numbers (axis " + std::to_string(axis) + ")");
  int64_t count = 0;
  if (!count_of(x.sizes, &count)) return corrupt("is too large");
  return rename_axes(at, {count}, kRenames);
}

Status import_reshape(At& at) {
  at.ignore("allowzero");
  TRY_ASSIGN(Sizes target, at.list("shape", 1, {}));
  TRY_ASSIGN(const Activation x, at.activation(0));
  if (target.empty()) return unsupported("joins samples with their numbers");
  for (size_t i = 1; i < target.size(); ++i)
    if (target[i] == 0 && i - 1 < x.sizes.size()) target[i] = x.sizes[i - 1];
  Sizes sizes(target.begin() + 1, target.end());
  const auto open = std::find(sizes.begin(), sizes.end(), -1);
  int64_t count = 0, known = 0;
  if (!count_of(x.sizes, &count)) return corrupt("is too large");
  if (open != sizes.end()) {
    *open = 1;
    if (!count_of(sizes, &known) || known < 1 || count % known != 0)
      return corrupt("makes no whole number of " + sizes_text(x.sizes));
    *open = count / known;
  }
  // 1 is the batch of a file that was exported without an open one.
  const bool batch = target[0] == kBatch || target[0] == 0 || target[0] == -1 || target[0] == 1;
  if (!count_of(sizes, &known) || known != count || !batch)
    return unsupported("joins samples with their numbers, or cuts them");
  return rename_axes(at, std::move(sizes), kRenames);
}

Status import_squeeze(At& at) {
  TRY_ASSIGN(const Sizes axes, at.list("axes", 1, {}));
  TRY_ASSIGN(const Activation x, at.activation(0));
  TRY_ASSIGN(const std::vector<size_t> places, sample_axes(axes, x.sizes.size()));
  Sizes sizes;
  for (size_t i = 0; i < x.sizes.size(); ++i) {
    const bool gone =
        axes.empty() ? x.sizes[i] == 1 : std::find(places.begin(), places.end(), i) != places.end();
    if (!gone) sizes.push_back(x.sizes[i]);
  }
  return rename_axes(at, std::move(sizes), kRenames);
}

Status import_unsqueeze(At& at) {
  TRY_ASSIGN(const Sizes axes, at.list("axes", 1, {}));
  TRY_ASSIGN(const Activation x, at.activation(0));
  if (x.sizes.size() + axes.size() > 8) return unsupported("makes more than 8 axes");
  TRY_ASSIGN(std::vector<size_t> places, sample_axes(axes, x.sizes.size() + axes.size()));
  std::sort(places.begin(), places.end());
  Sizes sizes = x.sizes;
  for (const size_t place : places) {
    if (place > sizes.size()) return corrupt("names an axis twice");
    sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(place), 1);
  }
  return rename_axes(at, std::move(sizes), kRenames);
}

// Only where axes of one element change places.
Status import_transpose(At& at) {
  TRY_ASSIGN(const Activation x, at.activation(0));
  Sizes reversed;
  for (size_t i = x.sizes.size() + 1; i-- > 0;) reversed.push_back(static_cast<int64_t>(i));
  TRY_ASSIGN(const Sizes order, at.integers("perm", reversed));
  Sizes sorted = order, sizes;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(reversed.begin(), reversed.end());
  if (sorted != reversed) return corrupt("perm is no order of the axes");
  if (order[0] != 0) return unsupported("moves the axis of the samples");
  int64_t last = 0;
  for (size_t i = 1; i < order.size(); ++i) {
    const int64_t size = x.sizes[static_cast<size_t>(order[i]) - 1];
    sizes.push_back(size);
    if (size == 1) continue;
    if (order[i] < last) return unsupported("puts the numbers of a sample in another order");
    last = order[i];
  }
  return rename_axes(at, std::move(sizes), kRenames);
}

}  // namespace coppice::onnx
