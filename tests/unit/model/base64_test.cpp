#include "runtime/model/base64.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa {
namespace {

std::string encoded(std::string_view text) {
  return base64_encode(std::as_bytes(std::span{text}));
}

std::optional<std::string> decoded(std::string_view text) {
  const auto bytes = base64_decode(text);
  if (!bytes) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(encoded(plain), text);
    EXPECT_EQ(decoded(text), plain);
  }
}

TEST(Base64, RefusesWhatIsNotStrict) {
  for (const char* wrong :
       {"Z", "Zg", "Zg=", "Zg==Zg==", "Zm8=Zm8=", "Zm9v\n", " Zm9v", "Zm 9", "Zm-_", "====", "=m9v",
        "Z===", "Zg=v", "Zh==", "Zm9=", "Zm9v====", "Zm\xc3\xb6"}) {
    EXPECT_FALSE(decoded(wrong)) << wrong;
  }
  EXPECT_FALSE(base64_decode(std::string_view{"Zm\0v", 4}));
}

RC_GTEST_PROP(Base64, ComesBackTheSame, (const std::vector<std::uint8_t>& bytes)) {
  const auto text = base64_encode(std::as_bytes(std::span{bytes}));
  RC_ASSERT(text.size() == (bytes.size() + 2) / 3 * 4);
  const auto back = base64_decode(text);
  RC_ASSERT(back.has_value());
  RC_ASSERT(std::equal(back->begin(), back->end(), bytes.begin(), bytes.end(),
                       [](std::byte a, std::uint8_t b) { return std::to_integer<int>(a) == b; }));
}

RC_GTEST_PROP(Base64, EveryTextThatDecodesIsTheOnlyTextForItsBytes, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string{"AQgw/+9z=-"}));
  if (const auto bytes = base64_decode(text)) {
    RC_ASSERT(base64_encode(*bytes) == text);
  }
}

} // namespace
} // namespace tayfa
