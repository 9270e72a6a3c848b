// SPDX-License-Identifier: Apache-2.0
#include "io/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace coppice {
namespace {

// Weights have 22 bits behind the point: with 8 bits of pixel and 2 of headroom a sum fills 32.
constexpr int kFraction = 22;

// One output is the sum of `count` inputs from `first` on.
struct Taps {
  int first = 0, count = 0;
  const int32_t* weights = nullptr;
};

struct Filter {
  std::vector<Taps> taps;  // [outputs]
  std::vector<int32_t> weights;
};

Filter triangle(int inputs, int outputs) {
  const double scale = static_cast<double>(inputs) / outputs, radius = std::max(scale, 1.0);
  const auto most = static_cast<size_t>(std::ceil(radius)) * 2 + 1;
  Filter filter;
  filter.taps.resize(static_cast<size_t>(outputs));
  filter.weights.resize(most * filter.taps.size());
  std::vector<double> exact(most);
  for (int out = 0; out < outputs; ++out) {
    const double centre = (out + 0.5) * scale;
    const int first = std::max(static_cast<int>(std::floor(centre - radius + 0.5)), 0);
    const int end = std::min(static_cast<int>(std::floor(centre + radius + 0.5)), inputs);
    double sum = 0;
    for (int i = first; i < end; ++i) {
      double& weight = exact[static_cast<size_t>(i - first)];
      weight = std::max(1 - std::abs((i - centre + 0.5) * (1 / radius)), 0.0);
      sum += weight;
    }
    int32_t* weights = filter.weights.data() + static_cast<size_t>(out) * most;
    for (int i = 0; i < end - first; ++i)
      weights[i] =
          static_cast<int32_t>(std::floor(0.5 + exact[static_cast<size_t>(i)] / sum * (1 << kFraction)));
    filter.taps[static_cast<size_t>(out)] = {first, end - first, weights};
  }
  return filter;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp((sum + (1 << (kFraction - 1))) >> kFraction, 0, 255));
}

Image with_width(const Image& image, int width) {
  const Filter filter = triangle(image.info.width, width);
  const int channels = image.info.channels;
  Image out{{image.info.height, width, channels}, {}};
  out.pixels.resize(static_cast<size_t>(out.info.height) * static_cast<size_t>(width * channels));
  const uint8_t* row = image.pixels.data();
  uint8_t* to = out.pixels.data();
  for (int y = 0; y < out.info.height; ++y, row += image.info.width * channels)
    for (const Taps& taps : filter.taps)
      for (int c = 0; c < channels; ++c) {
        const uint8_t* from = row + taps.first * channels + c;
        int32_t sum = 0;
        for (int i = 0; i < taps.count; ++i) sum += from[i * channels] * taps.weights[i];
        *to++ = rounded(sum);
      }
  return out;
}

Image with_height(const Image& image, int height) {
  const Filter filter = triangle(image.info.height, height);
  const auto stride = static_cast<size_t>(image.info.width * image.info.channels);
  Image out{{height, image.info.width, image.info.channels}, {}};
  out.pixels.resize(static_cast<size_t>(height) * stride);
  std::vector<int32_t> sums(stride);
  uint8_t* to = out.pixels.data();
  for (const Taps& taps : filter.taps) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int i = 0; i < taps.count; ++i) {
      const uint8_t* row = image.pixels.data() + static_cast<size_t>(taps.first + i) * stride;
      for (size_t x = 0; x < stride; ++x) sums[x] += row[x] * taps.weights[i];
    }
    for (size_t x = 0; x < stride; ++x) *to++ = rounded(sums[x]);
  }
  return out;
}

Image middle(const Image& image, int height, int width) {
  // Half a pixel too many goes to the even side, as Python's round() has it.
  const auto start = [](int from, int to) { return static_cast<int>(std::nearbyint((from - to) / 2.0)); };
  const int top = start(image.info.height, height), left = start(image.info.width, width);
  const auto channels = static_cast<size_t>(image.info.channels);
  const size_t stride = static_cast<size_t>(image.info.width) * channels;
  const size_t row = static_cast<size_t>(width) * channels;
  Image out{{height, width, image.info.channels}, {}};
  out.pixels.resize(static_cast<size_t>(height) * row);
  for (int y = 0; y < height; ++y)
    std::memcpy(
        out.pixels.data() + static_cast<size_t>(y) * row,
        image.pixels.data() + static_cast<size_t>(top + y) * stride + static_cast<size_t>(left) * channels,
        row);
  return out;
}

}  // namespace

const char* fit_name(Fit fit) { return fit == Fit::kCrop ? "crop" : "stretch"; }

Image resized(const Image& image, int height, int width) {
  if (image.info.width == width) return image.info.height == height ? image : with_height(image, height);
  const Image wide = with_width(image, width);
  return image.info.height == height ? wide : with_height(wide, height);
}

Result<Image> fitted(Image image, int height, int width, Fit fit) {
  if (image.info.height == height && image.info.width == width) return image;
  const int64_t h = image.info.height, w = image.info.width;
  int64_t covering_height = height, covering_width = width;
  // One side gets its size, the other at least its.
  const bool by_height = h * width <= w * height;
  if (fit == Fit::kCrop && by_height) covering_width = w * height / h;
  if (fit == Fit::kCrop && !by_height) covering_height = h * width / w;
  if (covering_width * std::max(h, covering_height) > kMaxImagePixels)
    return unsupported("is " + std::to_string(w) + " x " + std::to_string(h) +
                       " pixels, too long a strip to make " + std::to_string(width) + " x " +
                       std::to_string(height) + " of it; cut it, or take it out of the folder");
  const Image covering = resized(image, static_cast<int>(covering_height), static_cast<int>(covering_width));
  return fit == Fit::kStretch ? covering : middle(covering, height, width);
}

}  // namespace coppice
