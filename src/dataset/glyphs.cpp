// SPDX-License-Identifier: Apache-2.0
#include "dataset/glyphs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "base/rng.h"

namespace coppice {
namespace {

struct Point {
  float x, y;
};

// A stroke is a chain of quadratic curves: point, (control, point)*. y points down; the digit fills the unit
// square.
constexpr int kMaxStrokePoints = 19;
struct Stroke {
  int points = 0;
  std::array<Point, kMaxStrokePoints> at{};
};
struct Form {
  int strokes = 0;
  std::array<Stroke, 2> stroke{};
};

template <size_t N>
constexpr Stroke stroke(const Point (&points)[N]) {
  static_assert(N % 2 == 1 && N <= kMaxStrokePoints);
  Stroke made;
  made.points = N;
  for (size_t i = 0; i < N; ++i) made.at[i] = points[i];
  return made;
}
constexpr Form form(const Stroke& a) { return {1, {a, {}}}; }
constexpr Form form(const Stroke& a, const Stroke& b) { return {2, {a, b}}; }

constexpr Form kZero[] = {form(stroke({{.5f, .04f},
                                       {.84f, .04f},
                                       {.84f, .5f},
                                       {.84f, .96f},
                                       {.5f, .96f},
                                       {.16f, .96f},
                                       {.16f, .5f},
                                       {.16f, .04f},
                                       {.5f, .04f}})),
                          form(stroke({{.62f, .08f},
                                       {.3f, -.02f},
                                       {.18f, .42f},
                                       {.1f, .96f},
                                       {.46f, .96f},
                                       {.86f, .94f},
                                       {.84f, .4f},
                                       {.8f, .02f},
                                       {.44f, .06f}}))};
constexpr Form kOne[] = {form(stroke({{.5f, .04f}, {.5f, .5f}, {.5f, .96f}})),
                         form(stroke({{.3f, .26f}, {.46f, .18f}, {.56f, .04f}, {.56f, .5f}, {.56f, .96f}})),
                         form(stroke({{.28f, .24f}, {.44f, .18f}, {.52f, .04f}, {.52f, .5f}, {.52f, .95f}}),
                              stroke({{.26f, .96f}, {.5f, .95f}, {.78f, .96f}}))};
constexpr Form kTwo[] = {form(stroke({{.18f, .28f},
                                      {.2f, .04f},
                                      {.5f, .04f},
                                      {.82f, .04f},
                                      {.82f, .3f},
                                      {.82f, .5f},
                                      {.5f, .7f},
                                      {.3f, .83f},
                                      {.16f, .96f},
                                      {.5f, .94f},
                                      {.86f, .96f}})),
                         form(stroke({{.2f, .2f},
                                      {.34f, .03f},
                                      {.54f, .04f},
                                      {.84f, .06f},
                                      {.78f, .34f},
                                      {.7f, .68f},
                                      {.36f, .9f},
                                      {.1f, 1.f},
                                      {.16f, .84f},
                                      {.28f, .72f},
                                      {.52f, .86f},
                                      {.7f, .98f},
                                      {.88f, .86f}}))};
constexpr Form kThree[] = {form(stroke({{.2f, .14f},
                                        {.34f, .04f},
                                        {.5f, .04f},
                                        {.8f, .04f},
                                        {.8f, .27f},
                                        {.8f, .48f},
                                        {.42f, .48f},
                                        {.84f, .48f},
                                        {.84f, .72f},
                                        {.84f, .96f},
                                        {.5f, .96f},
                                        {.3f, .96f},
                                        {.16f, .84f}})),
                           form(stroke({{.2f, .05f},
                                        {.5f, .05f},
                                        {.8f, .05f},
                                        {.62f, .24f},
                                        {.46f, .42f},
                                        {.84f, .42f},
                                        {.84f, .69f},
                                        {.84f, .96f},
                                        {.5f, .96f},
                                        {.28f, .96f},
                                        {.16f, .84f}}))};
constexpr Form kFour[] = {
    form(stroke({{.28f, .06f}, {.24f, .36f}, {.16f, .6f}, {.5f, .6f}, {.86f, .58f}}),
         stroke({{.68f, .1f}, {.66f, .5f}, {.62f, .96f}})),
    form(stroke(
        {{.62f, .96f}, {.62f, .5f}, {.62f, .04f}, {.38f, .36f}, {.14f, .68f}, {.5f, .67f}, {.88f, .66f}}))};
constexpr Form kFive[] = {form(stroke({{.8f, .05f},
                                       {.54f, .05f},
                                       {.28f, .05f},
                                       {.26f, .24f},
                                       {.24f, .44f},
                                       {.38f, .36f},
                                       {.54f, .38f},
                                       {.84f, .42f},
                                       {.84f, .68f},
                                       {.84f, .96f},
                                       {.48f, .96f},
                                       {.28f, .96f},
                                       {.14f, .84f}})),
                          form(stroke({{.8f, .1f},
                                       {.5f, -.02f},
                                       {.34f, .12f},
                                       {.18f, .34f},
                                       {.5f, .44f},
                                       {.88f, .54f},
                                       {.8f, .76f},
                                       {.72f, .98f},
                                       {.46f, .95f},
                                       {.26f, .94f},
                                       {.16f, .82f}}))};
constexpr Form kSix[] = {form(stroke({{.72f, .06f},
                                      {.34f, .12f},
                                      {.22f, .5f},
                                      {.14f, .96f},
                                      {.5f, .96f},
                                      {.84f, .96f},
                                      {.84f, .7f},
                                      {.84f, .46f},
                                      {.54f, .46f},
                                      {.3f, .46f},
                                      {.2f, .68f}})),
                         form(stroke({{.6f, .04f},
                                      {.22f, .36f},
                                      {.2f, .7f},
                                      {.2f, .96f},
                                      {.5f, .96f},
                                      {.8f, .96f},
                                      {.8f, .74f},
                                      {.78f, .54f},
                                      {.52f, .54f},
                                      {.28f, .56f},
                                      {.24f, .8f}}))};
constexpr Form kSeven[] = {
    form(stroke({{.16f, .06f}, {.5f, .06f}, {.84f, .06f}, {.54f, .46f}, {.42f, .96f}})),
    form(stroke({{.16f, .08f}, {.5f, .06f}, {.84f, .06f}, {.54f, .46f}, {.42f, .96f}}),
         stroke({{.32f, .52f}, {.5f, .5f}, {.76f, .5f}})),
    form(stroke(
        {{.16f, .24f}, {.16f, .14f}, {.18f, .06f}, {.5f, .08f}, {.84f, .06f}, {.66f, .4f}, {.5f, .96f}}))};
constexpr Form kEight[] = {form(stroke({{.5f, .48f},
                                        {.18f, .42f},
                                        {.18f, .25f},
                                        {.2f, .04f},
                                        {.5f, .04f},
                                        {.8f, .04f},
                                        {.82f, .25f},
                                        {.82f, .42f},
                                        {.5f, .48f},
                                        {.14f, .54f},
                                        {.14f, .74f},
                                        {.16f, .96f},
                                        {.5f, .96f},
                                        {.84f, .96f},
                                        {.86f, .74f},
                                        {.86f, .54f},
                                        {.5f, .48f}})),
                           form(stroke({{.76f, .18f},
                                        {.6f, .02f},
                                        {.42f, .05f},
                                        {.16f, .1f},
                                        {.24f, .28f},
                                        {.3f, .4f},
                                        {.56f, .52f},
                                        {.88f, .68f},
                                        {.8f, .84f},
                                        {.7f, .98f},
                                        {.46f, .96f},
                                        {.14f, .92f},
                                        {.2f, .72f},
                                        {.28f, .54f},
                                        {.56f, .42f},
                                        {.78f, .3f},
                                        {.76f, .18f}}))};
constexpr Form kNine[] = {form(stroke({{.8f, .34f},
                                       {.76f, .54f},
                                       {.48f, .54f},
                                       {.16f, .54f},
                                       {.16f, .3f},
                                       {.16f, .04f},
                                       {.48f, .04f},
                                       {.84f, .04f},
                                       {.82f, .34f},
                                       {.8f, .7f},
                                       {.74f, .96f}})),
                          form(stroke({{.8f, .32f},
                                       {.72f, .52f},
                                       {.48f, .52f},
                                       {.18f, .52f},
                                       {.18f, .28f},
                                       {.18f, .04f},
                                       {.5f, .04f},
                                       {.82f, .04f},
                                       {.82f, .36f},
                                       {.84f, .96f},
                                       {.46f, .96f},
                                       {.32f, .96f},
                                       {.22f, .86f}}))};

constexpr std::span<const Form> kForms[10] = {kZero, kOne, kTwo,   kThree, kFour,
                                              kFive, kSix, kSeven, kEight, kNine};

float between(Rng& rng, float low, float high) { return low + (high - low) * rng.uniform(); }

// How one writer at one moment maps the unit square to the page.
struct Hand {
  float width, height, slant, bend_x, bend_y, cosine, sine, shift_x, shift_y;

  static Hand draw(Rng& rng) {
    Hand hand;
    hand.height = between(rng, 14.f, 21.f);
    hand.width = hand.height * between(rng, .5f, .95f);
    hand.slant = between(rng, -.2f, .45f);
    hand.bend_x = between(rng, -.25f, .25f);
    hand.bend_y = between(rng, -.25f, .25f);
    // The rational parametrisation of the circle: a rotation without sine and cosine.
    const float t = between(rng, -.13f, .13f);
    hand.cosine = (1 - t * t) / (1 + t * t);
    hand.sine = 2 * t / (1 + t * t);
    hand.shift_x = between(rng, -2.f, 2.f);
    hand.shift_y = between(rng, -2.f, 2.f);
    return hand;
  }
  Point map(Point p) const {
    float x = p.x - .5f, y = p.y - .5f;
    const float bent_x = x + bend_x * y * y, bent_y = y + bend_y * x * x;
    x = width * bent_x - slant * height * bent_y;
    y = height * bent_y;
    constexpr float kCentre = kGlyphSide / 2.f;
    return {kCentre + shift_x + cosine * x - sine * y, kCentre + shift_y + sine * x + cosine * y};
  }
};

// Squared distance of each pixel's centre to the nearest stroke, kept only near the strokes.
class Page {
 public:
  Page() { distance_.fill(kFar); }

  void line(Point a, Point b) {
    const float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    const auto low = [](float p, float q) {
      return std::clamp(static_cast<int>(std::min(p, q) - kReach), 0, kGlyphSide);
    };
    const auto high = [](float p, float q) {
      return std::clamp(static_cast<int>(std::max(p, q) + kReach) + 1, 0, kGlyphSide);
    };
    for (int row = low(a.y, b.y); row < high(a.y, b.y); ++row)
      for (int column = low(a.x, b.x); column < high(a.x, b.x); ++column) {
        const float px = static_cast<float>(column) + .5f - a.x, py = static_cast<float>(row) + .5f - a.y;
        const float t = length > 0 ? std::clamp((px * dx + py * dy) / length, 0.f, 1.f) : 0.f;
        const float ex = px - t * dx, ey = py - t * dy;
        float& nearest = distance_[static_cast<size_t>(row) * kGlyphSide + static_cast<size_t>(column)];
        nearest = std::min(nearest, ex * ex + ey * ey);
      }
  }
  // Share of the pixel that a pen of this width covers, 0..1, with an edge one pixel soft.
  float ink(int pixel, float pen) const {
    const float distance = distance_[static_cast<size_t>(pixel)];
    return distance < kReach * kReach ? std::clamp(pen / 2 + .5f - std::sqrt(distance), 0.f, 1.f) : 0.f;
  }

 private:
  static constexpr float kReach = 3.f;  // half the widest pen and its soft edge
  static constexpr float kFar = 1e6f;
  std::array<float, kGlyphSide * kGlyphSide> distance_;
};

void draw_stroke(const Stroke& shape, const Hand& hand, Rng& rng, Page& page) {
  constexpr float kJitter = .05f;
  constexpr int kPieces = 6;  // straight pieces of a curve
  std::array<Point, kMaxStrokePoints> at;
  for (int i = 0; i < shape.points; ++i) {
    const Point p = shape.at[static_cast<size_t>(i)];
    const float x = p.x + between(rng, -kJitter, kJitter), y = p.y + between(rng, -kJitter, kJitter);
    at[static_cast<size_t>(i)] = hand.map({x, y});
  }
  for (int i = 0; i + 2 < shape.points; i += 2) {
    const Point a = at[static_cast<size_t>(i)], control = at[static_cast<size_t>(i) + 1],
                b = at[static_cast<size_t>(i) + 2];
    Point from = a;
    for (int piece = 1; piece <= kPieces; ++piece) {
      const float t = static_cast<float>(piece) / kPieces, u = 1 - t;
      const Point to = {u * u * a.x + 2 * u * t * control.x + t * t * b.x,
                        u * u * a.y + 2 * u * t * control.y + t * t * b.y};
      page.line(from, to);
      from = to;
    }
  }
}

// A stray line, as from a ruled page or a neighbouring word, so that ink alone proves nothing.
void draw_stray(Rng& rng, Page& page) {
  const Point from = {between(rng, 0.f, kGlyphSide), between(rng, 0.f, kGlyphSide)};
  page.line(from, {from.x + between(rng, -7.f, 7.f), from.y + between(rng, -7.f, 7.f)});
}

}  // namespace

int draw_glyph(uint64_t seed, int64_t index, uint8_t* pixels) {
  Rng rng(seed, stream_id("glyph", static_cast<uint64_t>(index)));
  const int digit = static_cast<int>(rng.below(10));
  const std::span<const Form> forms = kForms[digit];
  const Form& shape = forms[rng.below(forms.size())];
  const Hand hand = Hand::draw(rng);
  Page page, strays;
  for (int s = 0; s < shape.strokes; ++s) draw_stroke(shape.stroke[static_cast<size_t>(s)], hand, rng, page);
  for (uint64_t stray = rng.below(3); stray > 0; --stray) draw_stray(rng, strays);

  const float pen = between(rng, 1.3f, 3.6f), black = between(rng, 150.f, 255.f);
  const float stray_pen = between(rng, .8f, 1.8f), stray_black = between(rng, 60.f, 200.f);
  const float noise = between(rng, 0.f, 80.f);
  uint32_t word = 0;
  for (int pixel = 0; pixel < kGlyphSide * kGlyphSide; ++pixel) {
    if (pixel % 4 == 0) word = rng.bits();
    const float grain = static_cast<float>((word >> (8 * (pixel % 4))) & 255) / 255.f - .5f;
    const float ink = std::max(black * page.ink(pixel, pen), stray_black * strays.ink(pixel, stray_pen));
    pixels[pixel] = static_cast<uint8_t>(std::clamp(ink + noise * grain, 0.f, 255.f));
  }
  return digit;
}

Result<Dataset> make_glyphs(int64_t train, int64_t test, uint64_t seed) {
  constexpr int64_t kMost = 1000000;
  if (train < 1 || test < 0 || train > kMost || test > kMost)
    return invalid("glyphs: 1 to " + std::to_string(kMost) + " training and 0 to " + std::to_string(kMost) +
                   " test samples can be drawn, not " + std::to_string(train) + " and " +
                   std::to_string(test));
  Dataset data;
  data.name = "glyphs";
  data.features = {1, kGlyphSide, kGlyphSide};
  data.outputs = 10;
  for (int digit = 0; digit < 10; ++digit) data.classes.push_back(std::to_string(digit));
  const auto draw = [&](int64_t first, int64_t count) {
    auto samples = std::make_shared<Samples>();
    samples->pixels.resize(static_cast<size_t>(count * data.features.size()));
    samples->labels.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      samples->labels[static_cast<size_t>(i)] =
          draw_glyph(seed, first + i, samples->pixels.data() + i * data.features.size());
    return samples;
  };
  data.train.samples = draw(0, train);
  data.test.samples = draw(train, test);
  return data;
}

}  // namespace coppice
