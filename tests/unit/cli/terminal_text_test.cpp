#include "runtime/cli/terminal_text.hpp"

#include "runtime/cli/command_line.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using std::chrono::milliseconds;

// Sequences that control a terminal: CSI and OSC, the C1 form of CSI, DEL, a right-to-left
// override, an invalid UTF-8 byte.
const std::string hostile = "a\x1b[31mb\x1b]0;x\x07"
                            "c\xC2\x9B"
                            "d\x7f"
                            "e\xE2\x80\xAE"
                            "f\xFFg";

TEST(terminal_text, hides_what_a_terminal_obeys) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n\tc\x7f"), "a?[31mb?\n\tc?");
  EXPECT_EQ(clean_line(hostile), "a?[31mb?]0;x?c?d?e?f?g");
  EXPECT_EQ(clean_line("one\ntwo\tthree\r"), "one two three ");
  EXPECT_EQ(clean_line("déjà 漢字"), "déjà 漢字");
}

TEST(terminal_text, json_keeps_its_meaning) {
  const std::string json = "{\"a\":\n \"\xC2\x9B\x7f\xE2\x80\xAE é\"}";
  const std::string clean = clean_json(json);
  EXPECT_EQ(clean, "{\"a\":  \"\\u009b\\u007f\\u202e é\"}");
  EXPECT_EQ(boost::json::parse(clean), boost::json::parse(json));
}

TEST(terminal_text, columns) {
  EXPECT_EQ(columns_of(""), 0U);
  EXPECT_EQ(columns_of("abc…"), 4U);
  EXPECT_EQ(columns_of("漢字"), 4U);
  EXPECT_EQ(columns_of("e\xCC\x81"), 1U); // with a combining accent
  EXPECT_EQ(columns_of("\xF0\x9F\x98\x80"), 2U);
}

TEST(terminal_text, cuts) {
  EXPECT_EQ(cut_to("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to("abcdef", 5), "abcd…");
  EXPECT_EQ(cut_to("abcdef", 1), "…");
  EXPECT_EQ(cut_to("abcdef", 0), "");
  EXPECT_EQ(cut_to("漢字字", 6), "漢字字");
  EXPECT_EQ(cut_to("漢字字", 5), "漢字…");
  EXPECT_EQ(cut_to("漢字字", 4), "漢…"); // a wide character does not fit into the half that is left
  EXPECT_EQ(fit_to("漢字字", 4), "漢… ");
  EXPECT_EQ(fit_to("ab", 4), "ab  ");
  EXPECT_EQ(fit_to("ab", 4, true), "  ab");
}

TEST(terminal_text, no_cut_is_wider_than_asked) {
  const std::string text = "a漢b字\xF0\x9F\x98\x80 e\xCC\x81 z";
  for (std::size_t width = 0; width < 14; ++width) {
    EXPECT_LE(columns_of(cut_to(text, width)), width);
    EXPECT_EQ(columns_of(fit_to(text, width)), width);
  }
}

TEST(terminal_text, durations_and_bytes) {
  EXPECT_EQ(duration_text(milliseconds{0}), "0 ms");
  EXPECT_EQ(duration_text(milliseconds{999}), "999 ms");
  EXPECT_EQ(duration_text(milliseconds{59'999}), "59.9 s");
  EXPECT_EQ(duration_text(milliseconds{60'000}), "1m 00s");
  EXPECT_EQ(duration_text(milliseconds{3'725'000}), "1h 02m");
  EXPECT_EQ(duration_text(milliseconds{90'000'000}), "1d 01h");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(std::uint64_t{20} << 20), "20 MiB");
}

TEST(parsed_time, takes_units) {
  EXPECT_EQ(parsed_time("500ms"), milliseconds{500});
  EXPECT_EQ(parsed_time("1.5"), milliseconds{1'500});
  EXPECT_EQ(parsed_time("2s"), milliseconds{2'000});
  EXPECT_EQ(parsed_time("5m"), milliseconds{300'000});
  EXPECT_EQ(parsed_time("1h"), milliseconds{3'600'000});
  EXPECT_EQ(parsed_time("366d"), milliseconds{31'622'400'000});
  EXPECT_EQ(parsed_time("0"), milliseconds{0});
  for (const char* const bad : {"", "s", "-1", "1 s", "1e3", "nan", "inf", "400d", "5x", "ms5"}) {
    EXPECT_FALSE(parsed_time(bad)) << bad;
  }
}

TEST(query_text, escapes) {
  EXPECT_EQ(query_text({{"a", "x y&z=é"}, {"none", ""}, {"b", "1.2_3-4"}}),
            "a=x%20y%26z%3D%C3%A9&b=1.2_3-4");
}

} // namespace
} // namespace tayfa
