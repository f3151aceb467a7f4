#include "runtime/cli/job_output.hpp"

#include "runtime/model/base64.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <span>

namespace tayfa {
namespace {

namespace json = boost::json;

std::string png_text() {
  const std::string bytes = "\x89PNG\r\n\x1a\n and the rest";
  return base64_encode(std::as_bytes(std::span{bytes}));
}
std::string jpeg_text() {
  const std::string bytes = "\xFF\xD8\xFF\xE0 and the rest";
  return base64_encode(std::as_bytes(std::span{bytes}));
}

TEST(take_pictures, finds_them_wherever_they_are) {
  json::value output =
      json::parse(R"({"image":")" + png_text() + R"(","n":1,"images":["text",")" + jpeg_text() +
                  R"(",{"x/../y":"data:image/png;base64,)" + png_text() + R"("}]})");
  const auto files = take_pictures(job_id{"job-1"}, output);
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].name, "job-1-image.png");
  EXPECT_EQ(files[1].name, "job-1-images-1.jpg");
  EXPECT_EQ(files[2].name, "job-1-images-2-x____y.png");
  EXPECT_EQ(static_cast<char>(files[0].bytes[1]), 'P');
  EXPECT_EQ(files[0].bytes.size(), 21U);
  EXPECT_EQ(
      json::serialize(output),
      R"({"image":"job-1-image.png","n":1,"images":["text","job-1-images-1.jpg",{"x/../y":"job-1-images-2-x____y.png"}]})");
}

TEST(take_pictures, a_bare_one_and_equal_names) {
  json::value bare = json::string(png_text());
  EXPECT_EQ(take_pictures(job_id{"j"}, bare).at(0).name, "j-output.png");
  json::value twins = json::object{{"a.b", png_text()}, {"a/b", png_text()}};
  const auto files = take_pictures(job_id{"j"}, twins);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].name, "j-a_b.png");
  EXPECT_EQ(files[1].name, "j-a_b-2.png");
}

TEST(take_pictures, leaves_everything_else) {
  json::value output =
      json::parse(R"({"a":"iVBORw0KGg is no base64","b":"aGVsbG8=","c":null,"d":""})");
  const json::value before = output;
  EXPECT_TRUE(take_pictures(job_id{"j"}, output).empty());
  EXPECT_EQ(output, before);
}

} // namespace
} // namespace tayfa
