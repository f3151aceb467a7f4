#include "runtime/api/shape.hpp"

#include "runtime/api/json_text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa::api {
namespace {

TEST(shape, keeps_what_decides_the_cost) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"{}", "bytes=4K"},
      {"5", "bytes=4K"},
      {"[1,2]", "bytes=4K"},
      {R"({"prompt":"a cat","seed":7})", "bytes=4K"},
      {R"({"width":512,"height":768,"steps":20})", "width=512,height=768,steps=20,bytes=4K"},
      {R"({"steps":20,"height":768,"width":512})", "width=512,height=768,steps=20,bytes=4K"},
      {R"({ "width" : 512.0 , "height":7.68e2 })", "width=512,height=768,bytes=4K"},
      {R"({"num_inference_steps":30})", "steps=30,bytes=4K"},
      {R"({"steps":20,"num_inference_steps":30})", "steps=30,bytes=4K"},
      {R"({"num_images":4,"batch_size":2,"n_iter":3})", "images=4,batch=2,rounds=3,bytes=4K"},
      {R"({"frames":25,"scale":1.5})", "frames=25,scale=1.5,bytes=4K"},
      {R"({"max_tokens":300})", "tokens=512,bytes=4K"},
      {R"({"max_tokens":512})", "tokens=512,bytes=4K"},
      {R"({"max_tokens":513})", "tokens=1024,bytes=4K"},
      {R"({"max_tokens":0})", "tokens=0,bytes=4K"},
      {R"({"max_tokens":-5})", "tokens=-5,bytes=4K"},
      {R"({"width":"512","height":true,"steps":null,"frames":[1],"scale":{}})", "bytes=4K"},
      {R"({"wid\u0074h":512})", "width=512,bytes=4K"},
      {R"({"payload":{"width":512}})", "bytes=4K"},
      {R"({"width":1,"width":2})", "bytes=4K"},
  };
  for (const auto& [input, shape] : rows) {
    EXPECT_EQ(shape_of(input), shape) << input;
  }
}

TEST(shape, bytes_in_powers_of_two) {
  const auto of = [](std::size_t bytes) {
    return shape_of('"' + std::string(bytes - 2, 'A') + '"');
  };
  EXPECT_EQ(of(4096), "bytes=4K");
  EXPECT_EQ(of(4097), "bytes=8K");
  EXPECT_EQ(of(std::size_t{512} << 10), "bytes=512K");
  EXPECT_EQ(of((std::size_t{512} << 10) + 1), "bytes=1M");
  EXPECT_EQ(of(std::size_t{20} << 20), "bytes=32M");
}

TEST(shape, is_short_whatever_is_given) {
  std::string input = "{";
  for (const char* const key :
       {"width", "height", "steps", "num_images", "batch_size", "n_iter", "num_frames", "upscale",
        "max_new_tokens", "duration", "max_tokens", "frames", "scale", "num_inference_steps"}) {
    input += (input.size() > 1 ? ",\"" : "\"") + std::string{key} + "\":-1.23456789e-300";
  }
  input += '}';
  ASSERT_TRUE(check_json(input));
  EXPECT_LE(shape_of(input).size(), shape_length_max);
  EXPECT_NE(shape_of(input), "bytes=4K");
  std::string many = R"({"width":512)";
  for (int i = 0; i < 64; ++i) {
    many += ",\"k" + std::to_string(i) + "\":0";
  }
  EXPECT_EQ(shape_of(many + "}"), "bytes=4K"); // more than we read
}

TEST(shape, finds_a_number_behind_a_picture) {
  const std::string picture(std::size_t{20} << 20, 'A');
  EXPECT_EQ(shape_of(R"({"image":")" + picture + R"(","width":64})"), "width=64,bytes=32M");
  std::string escapes;
  for (int i = 0; i < 100'000; ++i) {
    escapes += R"(\\\")";
  }
  EXPECT_EQ(shape_of(R"({"a":")" + escapes + R"(","width":64})"), "width=64,bytes=512K");
}

RC_GTEST_PROP(shape, stays_inside_any_bytes, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::weightedElement<char>(
      {{3, '"'}, {3, '\\'}, {2, '{'}, {2, '}'}, {1, ':'}, {1, ','}, {1, '5'}, {1, 'a'}}));
  const auto shape = shape_of(text);
  RC_ASSERT(!shape.empty() && shape.size() <= shape_length_max);
  RC_ASSERT(shape_of("{" + text).size() <= shape_length_max);
}

} // namespace
} // namespace tayfa::api
