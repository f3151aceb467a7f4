#include "runtime/model/base64.hpp"

#include <algorithm>
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

// ---- what people write --------------------------------------------------------------------------

std::optional<std::string> read(std::string_view text) {
  const auto bytes = base64_read(text);
  if (!bytes) {
    EXPECT_EQ(bytes.error().code, errc::bad_input);
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

TEST(Base64Read, TakesWhatLibrariesWrite) {
  const std::string plain = "\xfb\xff\xfe picture";
  const auto text = encoded(plain); // +//+IHBpY3R1cmU=
  ASSERT_EQ(text, "+//+IHBpY3R1cmU=");
  for (const char* same :
       {"+//+IHBpY3R1cmU=", "+//+IHBpY3R1cmU", "-__-IHBpY3R1cmU=", "-__-IHBpY3R1cmU",
        "+//+IHBp\r\nY3R1cmU=\r\n", "\n+//+IHBp\nY3R1cmU=\n",
        "  +//+ IHBp\tY3R1cmU= ", "data:;base64,+//+IHBpY3R1cmU=",
        "data:image/webp;base64,+//+IHBpY3R1cmU=", "DATA:Image/PNG;Base64,+//+IHBpY3R1cmU=",
        "data:image/png;charset=utf-8;name=\"a;b.png\";base64,+//+IHBpY3R1cmU",
        "data:image/png;base64,%2B//%2bIHBpY3R1cmU%3D",
        "\n data:image/png;base64,-__-IHBpY3R1cmU"}) {
    EXPECT_EQ(read(same), plain) << same;
  }
  EXPECT_EQ(read(""), "");
}

TEST(Base64Read, RefusesWhatIsCutOffOrSomethingElse) {
  for (const char* wrong :
       {"Z", "Zm9vY", "Zg=", "Zg===", "Zg==Zg==", "Zm9v=", "====", "=", "Z!9v", "Zm\xc3\xb6v",
        "data:image/png,%89PNG", "data:image/png;base64", "data:image/svg+xml;utf8,<svg/>",
        "https://example.com/cat.png", "Zm9v%3D"}) {
    EXPECT_FALSE(read(wrong)) << wrong;
  }
  EXPECT_NE(base64_read("https://example.com/cat.png").error().text.find("address"),
            std::string::npos);
  EXPECT_NE(base64_read("data:image/svg+xml;utf8,<svg/>").error().text.find(";base64"),
            std::string::npos);
}

RC_GTEST_PROP(Base64Read, BreaksAlphabetAndPaddingChangeNothing,
              (const std::vector<std::uint8_t>& bytes)) {
  auto text = base64_encode(std::as_bytes(std::span{bytes}));
  const auto strict = base64_decode(text);
  if (*rc::gen::arbitrary<bool>()) {
    text.erase(std::find(text.begin(), text.end(), '='), text.end());
  }
  for (auto& c : text) {
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  }
  const auto every = *rc::gen::inRange<std::size_t>(1, 80);
  for (std::size_t at = every; at < text.size(); at += every + 2) {
    text.insert(at, "\r\n");
  }
  const auto lenient = base64_read(text);
  RC_ASSERT(lenient.has_value());
  RC_ASSERT(*lenient == *strict);
}

} // namespace
} // namespace tayfa
