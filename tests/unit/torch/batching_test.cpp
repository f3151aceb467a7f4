// Batch bounds of a manifest, and joining and splitting tensors.
#include "runtime/engine/torch/batching.hpp"

#include "tests/support/property.hpp"

#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

model_manifest manifest_of(const std::string& tensors) {
  auto parsed =
      parse_manifest(R"({"format":1,"name":"m","kind":"torchscript","device":"any","sha256":")" +
                     std::string(64, 'a') + "\"," + tensors + "}");
  EXPECT_TRUE(parsed) << parsed.error().str();
  return parsed.value_or(model_manifest{});
}

host_tensor floats(std::vector<std::int64_t> shape, std::vector<float> values) {
  host_tensor tensor{dtype::f32, std::move(shape), {}};
  const auto bytes = std::as_bytes(std::span{values});
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

// ---- what a manifest allows -----------------------------------------------------------------

TEST(BoundsOfBatch, AreWhatAllBatchAxesAllowTogether) {
  const auto bounds = bounds_of_batch(manifest_of(R"(
      "inputs":[{"name":"x","dtype":"float32","shape":[[2,16],3],"batch_axis":0},
                {"name":"y","dtype":"float32","shape":[4,[1,9]],"batch_axis":1},
                {"name":"z","dtype":"float32","shape":[4]}],
      "outputs":[{"name":"o","dtype":"float32","shape":[[1,8]],"batch_axis":0}])"));
  EXPECT_EQ(bounds.least, 2);
  EXPECT_EQ(bounds.most, 8);
}

TEST(BoundsOfBatch, AnOutputWithoutABatchAxisCannotBeTakenApart) {
  const auto bounds = bounds_of_batch(manifest_of(R"(
      "inputs":[{"name":"x","dtype":"float32","shape":[[1,16],3],"batch_axis":0}],
      "outputs":[{"name":"o","dtype":"float32","shape":[[1,16]],"batch_axis":0},
                 {"name":"mean","dtype":"float32","shape":[]}])"));
  EXPECT_EQ(bounds.most, 1);
}

TEST(BoundsOfBatch, WithoutBatchAxesThereAreNoBatches) {
  EXPECT_EQ(bounds_of_batch(manifest_of(R"(
      "inputs":[{"name":"x","dtype":"float32","shape":[3]}],
      "outputs":[{"name":"o","dtype":"float32","shape":[3]}])"))
                .most,
            1);
}

// ---- join and split -------------------------------------------------------------------------

TEST(Join, PutsPartsOneAfterTheOtherAlongTheAxis) {
  const auto a = floats({1, 2}, {1, 2});
  const auto b = floats({2, 2}, {3, 4, 5, 6});
  const host_tensor* rows[] = {&a, &b};
  EXPECT_EQ(join(rows, 0), floats({3, 2}, {1, 2, 3, 4, 5, 6}));
  const auto c = floats({2, 1}, {1, 2});
  const auto d = floats({2, 2}, {3, 4, 5, 6});
  const host_tensor* columns[] = {&c, &d};
  EXPECT_EQ(join(columns, 1), floats({2, 3}, {1, 3, 4, 2, 5, 6}));
}

TEST(Join, WhatIsJoinedIsSplitIntoTheSame) {
  EXPECT_TRUE(tayfa::testing::property(300, [] {
    const auto rank = *rc::gen::inRange<std::size_t>(1, 5);
    const auto axis = *rc::gen::inRange<std::size_t>(0, rank);
    const auto type = *rc::gen::element(dtype::u8, dtype::f16, dtype::f32, dtype::i64);
    std::vector<std::int64_t> shape;
    for (std::size_t i = 0; i < rank; ++i) {
      shape.push_back(*rc::gen::inRange<std::int64_t>(0, 4));
    }
    std::vector<host_tensor> parts(*rc::gen::inRange<std::size_t>(1, 5));
    std::vector<const host_tensor*> pointers;
    std::vector<std::int64_t> sizes;
    for (auto& part : parts) {
      part = {type, shape, {}};
      part.shape[axis] = *rc::gen::inRange<std::int64_t>(0, 4);
      part.bytes.resize(*element_count(part.shape) * size_of(type));
      for (auto& byte : part.bytes) {
        byte = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
      }
      pointers.push_back(&part);
      sizes.push_back(part.shape[axis]);
    }
    RC_ASSERT(split(join(pointers, axis), axis, sizes) == parts);
  }));
}

TEST(BoundsOfBatch, ABatchWhoseSizeIsAnotherAxisAsWellIsNeverShared) {
  model_manifest manifest;
  tensor_spec rows{"rows", dtype::f32, {{1, 8, "b"}, {4, 4}}, 0};
  tensor_spec likeness{"likeness", dtype::f32, {{1, 8, "b"}, {1, 8}}, 0};
  manifest.inputs = {rows};
  manifest.outputs = {likeness};
  EXPECT_EQ(bounds_of_batch(manifest).most, 8);
  manifest.outputs[0].shape[1].name = "b"; // each row with each
  EXPECT_EQ(bounds_of_batch(manifest).most, 1);
  EXPECT_EQ(bounds_of_batch(manifest).least, 1);
}

} // namespace
} // namespace tayfa::engine
