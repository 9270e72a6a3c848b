// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "dataset/dataset.h"
#include "dataset/loader.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"
#include "support/zip.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::npy_of;
using testing::TempDir;
using testing::zip_of;
using testing::ZipMember;

Result<Dataset> load(const std::vector<ZipMember>& arrays, const DatasetOptions& options = {}) {
  const TempDir dir;
  return load_dataset(Env::system(), dir.write("a.npz", zip_of(arrays)), options);
}

std::string refusal(const std::vector<ZipMember>& arrays) {
  const auto data = load(arrays);
  return data.ok() ? "accepted" : data.status().message();
}

void expect(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

std::vector<uint8_t> counted(size_t count) {
  std::vector<uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

ZipMember labels(const std::string& name = "y.npy", int64_t count = 2) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(i % 2);
  return {.name = name, .content = npy_of("<i8", "(" + std::to_string(count) + ",)", values)};
}

TEST(Arrays, PicturesInAnyOrderOfAxes) {
  const auto layout = [](const std::string& shape, size_t count) {
    const auto data = load({{.name = "x.npy", .content = npy_of("|u1", shape, counted(count))}, labels()});
    EXPECT_TRUE(data.ok()) << data.status().message();
    return std::pair(data->features, data->train.samples->pixels);
  };
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(layout("(2, 2, 3)", 12), std::pair(Features{1, 2, 3}, counted(12)));
  EXPECT_EQ(layout("(2, 2, 1, 3)", 12),
            std::pair(Features{3, 2, 1}, Bytes{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_EQ(layout("(2, 3, 1, 2)", 12), std::pair(Features{3, 1, 2}, counted(12)));
  EXPECT_EQ(layout("(2, 6)", 12), std::pair(Features{1, 1, 6}, counted(12)));
}

TEST(Arrays, KerasWritesFour) {
  const auto data =
      load({{.name = "x_train.npy", .content = npy_of("|u1", "(4, 1, 2)", counted(8)), .deflated = true},
            labels("y_train.npy", 4),
            {.name = "x_test.npy", .content = npy_of("|u1", "(2, 1, 2)", counted(4))},
            labels("y_test.npy", 2)});
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->test.size(), 2);
  EXPECT_EQ(data->test.samples->pixels, counted(4));
  EXPECT_EQ(data->train.size() + data->validation.size(), 4);
  EXPECT_EQ(data->classes, (std::vector<std::string>{"0", "1"}));
}

TEST(Arrays, NumbersOfEveryTypeAreFloats) {
  const std::vector<float> expected = {1, -2, 3, 100};
  const auto numbers = [&](const std::string& type, auto one) {
    using T = decltype(one);
    const std::vector<T> values = {T(1), static_cast<T>(-2), T(3), T(100)};
    const auto data = load({{.name = "X.npy", .content = npy_of(type, "(2, 2)", values)}, labels()});
    EXPECT_TRUE(data.ok()) << data.status().message();
    EXPECT_EQ(data->features, (Features{2, 1, 1}));
    return data->train.samples->numbers;
  };
  EXPECT_EQ(numbers("<f4", float{}), expected);
  EXPECT_EQ(numbers("<f8", double{}), expected);
  EXPECT_EQ(numbers("|i1", int8_t{}), expected);
  EXPECT_EQ(numbers("<i2", int16_t{}), expected);
  EXPECT_EQ(numbers("<i4", int32_t{}), expected);
  EXPECT_EQ(numbers("<i8", int64_t{}), expected);
  EXPECT_EQ(numbers("<u2", uint16_t{})[1], 65534);
  EXPECT_EQ(numbers("<u4", uint32_t{})[3], 100);
}

TEST(Arrays, LabelsMayBeOneHotOrAColumn) {
  const ZipMember x = {.name = "x.npy", .content = npy_of("<f4", "(2, 1)", std::vector<float>{1, 2})};
  const auto labels_of = [&](const std::string& y) {
    const auto data = load({x, {.name = "y.npy", .content = y}});
    EXPECT_TRUE(data.ok()) << data.status().message();
    return data->train.samples->labels;
  };
  EXPECT_EQ(labels_of(npy_of("|u1", "(2, 1)", std::vector<uint8_t>{7, 3})), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(labels_of(npy_of("<f4", "(2, 3)", std::vector<float>{0, 1, 0, 1, 0, 0})),
            (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(labels_of(npy_of("<f8", "(2,)", std::vector<double>{4, 2})), (std::vector<int32_t>{1, 0}));
}

TEST(Arrays, PicturesOfFloatsKeepTheirPlanes) {
  std::vector<float> values(2 * 8 * 8 * 3);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 3) + (i < 192 ? 0.0f : 1.0f);
  DatasetOptions options;
  options.test_share = options.validation = 0;
  const auto data =
      load({{.name = "x.npy", .content = npy_of("<f4", "(2, 8, 8, 3)", values)}, labels()}, options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->features, (Features{3, 8, 8}));
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(data->normalisation.mean[c], static_cast<double>(c) + 0.5, 1e-6);
    EXPECT_NEAR(data->normalisation.stddev[c], 0.5, 1e-6);
  }
  // Augmentation moves numbers as it moves bytes: what comes in from outside is a raw 0.
  LoaderOptions loading;
  loading.batch = loading.width = 16;
  loading.crop_padding = 8;
  loading.flip = true;
  const auto loader = Loader::create(*data, data->train, loading).take();
  const Batch& batch = loader->next();
  for (int f = 0; f < 3 * 64; ++f)
    for (int n = 0; n < 2; ++n) {
      const int channel = f / 64;
      const float outside = (0 - (static_cast<float>(channel) + 0.5f)) / 0.5f, x = batch.x[f * 16 + n];
      EXPECT_TRUE(std::abs(x - outside) < 1e-5f || std::abs(std::abs(x) - 1) < 1e-5f) << x;
    }
}

TEST(Arrays, SaysWhatItDoesNotTake) {
  const ZipMember x = {.name = "x.npy", .content = npy_of("<f4", "(2, 1)", std::vector<float>{1, 2})};
  const auto with_y = [&](const std::string& y) { return refusal({x, {.name = "y.npy", .content = y}}); };
  const auto with_x = [&](const std::string& content) {
    return refusal({{.name = "x.npy", .content = content}, labels()});
  };
  expect(refusal({{.name = "images.npy", .content = ""}}),
         "a.npz: holds images.npy; needed are arrays x and y");
  expect(refusal({x}), "a.npz: 'y' is missing beside the other arrays");
  DatasetOptions of_classes;
  of_classes.task = Task::kClasses;
  const auto as_classes = [&](const std::string& y) {
    return load({x, {.name = "y.npy", .content = y}}, of_classes).status().message();
  };
  expect(as_classes(npy_of("<f4", "(2,)", std::vector<float>{1.5, 2})), "'y' holds 1.5, a quantity");
  expect(as_classes(npy_of("<f4", "(2, 2)", std::vector<float>{1, 0, 1, 1})),
         "those of sample 1 are not a single 1");
  expect(with_y(npy_of("<f4", "(3,)", std::vector<float>{1, 0, 1})),
         "needed is one label for each of the 2 samples");
  expect(with_y(npy_of("<i4", "(2,)", std::vector<int32_t>{1, 1})), "one class only ('1')");
  expect(with_y("not an array"), "a.npz: 'y': is not a .npy file");
  expect(with_x(npy_of("<f4", "(2,)", std::vector<float>{1, std::nanf("")})),
         "'x' holds NaN, or a number too large");
  expect(with_x(npy_of("<f8", "(2,)", std::vector<double>{1, 1e300})), "in sample 1 (from 0)");
  expect(with_x(npy_of("<f4", "(2, 1, 1, 1, 1)", std::vector<float>{1, 2})),
         "has shape (2, 1, 1, 1, 1); samples are");
  expect(with_x(npy_of("<f4", "(2, 0)", std::vector<float>{})), "with a side that no sample can have");
  expect(with_x(npy_of("|u1", "(2, 5, 5, 5)", counted(250))),
         "neither the second nor the last axis can be channels");
  expect(refusal({x,
                  labels(),
                  {.name = "x_test.npy", .content = npy_of("<f4", "(2, 2)", std::vector<float>(4))},
                  labels("y_test.npy")}),
         "'x_test' has samples of another shape or type than 'x'");
  const ZipMember other = {.name = "y_test.npy", .content = npy_of("<i4", "(1,)", std::vector<int32_t>{5})};
  expect(refusal({x,
                  labels(),
                  {.name = "x_test.npy", .content = npy_of("<f4", "(1, 1)", std::vector<float>{1})},
                  other}),
         "'y_test' holds '5', which is not among the classes");
  const TempDir dir;
  expect(load_dataset(Env::system(), dir.write("x.npy", npy_of("<f4", "(1,)", std::vector<float>{1})))
             .status()
             .message(),
         "x.npy: is one array; save samples and labels together");
  DatasetOptions options;
  options.label = "y";
  const auto set = load({x, labels()}, options);
  expect(set.ok() ? "accepted" : set.status().message(), "leave out label");
}

// A .npy file of bytes that are all 0, packed; what it unpacks to is never in memory here.
ZipMember zeros(const std::string& name, const std::string& shape, uint64_t count) {
  const std::string header = npy_of("|u1", shape, std::vector<uint8_t>());
  std::vector<Bytef> chunk(1 << 20);
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  ZipMember member = {
      .name = name, .content = "", .size = static_cast<int64_t>(header.size() + count), .method = 8};
  std::string out(1 << 20, '\0');
  uLong sum = 0;
  const auto pack = [&](const Bytef* bytes, size_t size, int flush) {
    sum = crc32(sum, bytes, static_cast<uInt>(size));
    stream.next_in = const_cast<Bytef*>(bytes);
    stream.avail_in = static_cast<uInt>(size);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      deflate(&stream, flush);
      member.content.append(out.data(), out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  pack(reinterpret_cast<const Bytef*>(header.data()), header.size(), Z_NO_FLUSH);
  for (; count > chunk.size(); count -= chunk.size()) pack(chunk.data(), chunk.size(), Z_NO_FLUSH);
  pack(chunk.data(), count, Z_FINISH);
  deflateEnd(&stream);
  const uLong packed = crc32(0, reinterpret_cast<const Bytef*>(member.content.data()),
                             static_cast<uInt>(member.content.size()));
  member.wrong_sum = static_cast<uint32_t>(sum - packed);
  return member;
}

// Sizes that a small file can announce, and hold: more numbers in a sample than an int counts, and targets
// that take eight times as much as doubles.
TEST(Arrays, OnesThatWouldNotFitAreRefusedBeforeTheyAreUnfolded) {
  expect(refusal({zeros("x.npy", "(1, 11586, 11586)", uint64_t{11586} * 11586), labels("y.npy", 1)}),
         "'x' has shape (1, 11586, 11586), samples of 134235396 numbers each; at most 134217728 are read");
  expect(refusal({zeros("x.npy", "(16384, 1)", 16384),
                  zeros("y.npy", "(16384, 32769)", uint64_t{16384} * 32769)}),
         "'y' has 536887296 targets, which take more than 4096 MiB");
}

TEST(Arrays, EveryFailingReadIsReported) {
  const TempDir dir;
  const std::string path = dir.write(
      "a.npz", zip_of({{.name = "x.npy", .content = npy_of("|u1", "(2, 2, 3)", counted(12))}, labels()}));
  FailingEnv counting(-1);
  ASSERT_TRUE(load_dataset(counting, path).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    EXPECT_FALSE(load_dataset(failing, path).ok()) << operation;
  }
}

}  // namespace
}  // namespace coppice
